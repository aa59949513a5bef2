"""What Django's database settings mean under ASGI."""

from collections.abc import Iterator
from typing import Final

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's name for it

from split_deploy import async_database
from split_deploy.checks import messages
from split_deploy.conf import get_config
from split_deploy.inspection import URLConfError, inspect_urlconf

# They keep no more on a connection between two queries than a transaction, of which the pool knows.
_KNOWN_ENGINES: Final = (
    *("django.db.backends.postgresql", "django.contrib.gis.db.backends.postgis"),
    *("django.db.backends.mysql", "django.contrib.gis.db.backends.mysql"),
    *("django.db.backends.sqlite3", "django.contrib.gis.db.backends.spatialite"),
    *("django.db.backends.oracle", "django.contrib.gis.db.backends.oracle"),
    *("django.db.backends.dummy", async_database.ENGINE),
)


def check() -> Iterator[CheckMessage]:
    """E041 and W044: in the async role and the mixed one."""
    config = get_config()
    if config.role == "sync":
        return
    for alias, database in settings.DATABASES.items():
        where = f'DATABASES["{alias}"]'
        if database.get("ATOMIC_REQUESTS") and (config.role == "async" or _has_async_views()):
            yield Error(
                f'{where}["ATOMIC_REQUESTS"] is on in the {config.role} role, where a transaction '
                "cannot span an async view: every one would fail.",
                hint="Set it to False in this instance's settings, and put what belongs "
                "together in a sync function with @transaction.atomic, called by sync_to_async().",
                obj=where,
                id=messages.ATOMIC_REQUESTS,
            )
        engine = database.get("ENGINE") or "django.db.backends.dummy"
        if config.share_idle_threads and engine not in _KNOWN_ENGINES:
            yield Warning(
                f"{where} has the engine {engine}, which is not Django's, and in the {config.role} "
                "role requests may share a connection: what the engine keeps on it between two "
                "queries, like the schema of a tenant, would be another request's.",
                hint='Set SPLIT_DEPLOY["SHARE_IDLE_THREADS"] to False, so that each request has a '
                "connection for itself, or silence this if the engine keeps nothing.",
                obj=where,
                id=messages.SHARED_CONNECTION,
            )


def _has_async_views() -> bool:
    try:
        return any(view.declared.mode == "async" for view in inspect_urlconf())
    except URLConfError:
        return False  # which E005 says
