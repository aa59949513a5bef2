"""What all settings of the site have in common: those of a ``startproject``, in production.

``BENCHMARK_DATABASE_URL`` or ``TEST_DATABASE_URL`` says where PostgreSQL is, ``BENCHMARK_SCHEMA``
which schema of it is the site's (``benchmarks``), ``BENCHMARK_FOLDER`` where files go, and
``BENCHMARK_THREADS`` how many threads a process has of the async or mixed role. Three are for the
curves of ``bench.toml``: ``BENCHMARK_URL_PATTERNS`` is how many patterns are before those that are
measured, and ``BENCHMARK_EXTRA_MIDDLEWARE`` and ``BENCHMARK_HOOK_MIDDLEWARE`` how many middleware
after startproject's, without and with hooks.
"""

import os
from pathlib import Path

import environ

from benchmarks._startproject import SEVEN

FOLDER = Path(
    os.environ.get("BENCHMARK_FOLDER")
    or Path(__file__).resolve().parents[2].joinpath("var", "benchmarks")
)
SCHEMA = os.environ.get("BENCHMARK_SCHEMA") or "benchmarks"

SECRET_KEY = "for measurements alone, on this machine and for a minute"
DEBUG = False
ALLOWED_HOSTS = ["*"]
USE_TZ = True
STATIC_URL = "/static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "split_deploy",
    "benchmarks._site.apps.SiteConfig",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
#: As settings/components/http.py has it.
MIDDLEWARE = [
    "split_deploy.middleware.InstanceMiddleware",
    "split_deploy.middleware.HealthMiddleware",
    "split_deploy.middleware.ContextMiddleware",
    *SEVEN,
    *["benchmarks._site.middleware.nothing"]
    * int(os.environ.get("BENCHMARK_EXTRA_MIDDLEWARE", "0")),
    *["benchmarks._site.middleware.Hooks"] * int(os.environ.get("BENCHMARK_HOOK_MIDDLEWARE", "0")),
]
SPLIT_DEPLOY = {
    "SYNC_URLCONF": "benchmarks._site.sync_urls",
    "ASYNC_URLCONF": "benchmarks._site.async_urls",
    "SYNC_SETTINGS": "benchmarks._site.sync_settings",
    "ASYNC_SETTINGS": "benchmarks._site.async_settings",
    "THREADS": int(os.environ.get("BENCHMARK_THREADS", "8")),
    "LIFESPAN": ["benchmarks._site.clients.lifespan"],
}

# As settings/components/logging.py, without the access log.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        # A request that fails is counted by who asks; a line for each would be measured as well.
        "django": {"handlers": [], "level": "CRITICAL"},
        "split_deploy": {"level": "WARNING"},
    },
}


def postgresql(url: str) -> dict[str, object]:
    """The PostgreSQL at ``url``, in the site's schema."""
    return environ.Env.db_url_config(url) | {
        "OPTIONS": {
            "options": f"-c search_path={SCHEMA}",
            "application_name": f"benchmark-{os.getpid()}",
        }
    }


DATABASE_URL = (
    os.environ.get("BENCHMARK_DATABASE_URL")
    or os.environ.get("TEST_DATABASE_URL")
    or "postgres://split:split@127.0.0.1:5432/split_deploy_test"
)
# As settings/components/database.py has them.
DATABASES = {
    "default": postgresql(DATABASE_URL) | {"CONN_MAX_AGE": 60},
    "sqlite": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": FOLDER / "db.sqlite3",
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
        },
    },
}
