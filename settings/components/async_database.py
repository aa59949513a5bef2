"""Truly async database access for the async instance, if ASYNC_DATABASE_CONNECTIONS says how many.

Without it the ORM's a-methods run in threads, as everywhere in Django. See docs/async-database.md.
"""

from settings.env import env

_connections = env.number("ASYNC_DATABASE_CONNECTIONS", default=0)

if _connections:
    from django.core.exceptions import ImproperlyConfigured

    from split_deploy import async_database

    async_database.verify_installed()
    if DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql":
        raise ImproperlyConfigured(
            "ASYNC_DATABASE_CONNECTIONS needs PostgreSQL: set DATABASE_URL to a postgres:// URL."
        )
    INSTALLED_APPS = [*INSTALLED_APPS, "django_async_backend"]
    # The middleware gives connections back, and earlier: before a response's first byte.
    ASYNC_BACKEND_DISABLE_REQUEST_SIGNALS = True
    MIDDLEWARE = [
        *MIDDLEWARE,
        "split_deploy.middleware.async_database.AsyncDatabaseMiddleware",
    ]
    DATABASES["default"]["ENGINE"] = async_database.ENGINE
    # https://www.psycopg.org/psycopg3/docs/api/pool.html, times in seconds. With a database that
    # doesn't answer a request fails and does not hang.
    DATABASES["default"]["OPTIONS"]["async_pool"] = {
        "min_size": 0,
        "max_size": _connections,
        "timeout": 5,
    }
