"""The settings of a project as stock Django would have them."""

import copy
from collections.abc import Iterable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, Literal

from split_deploy import async_database
from split_deploy.conf import DEFAULT_THREADS
from split_deploy.middleware._names import NATIVE

Interface = Literal["asgi", "wsgi"]

_OURS: Final = "split_deploy."
_DJANGOS: Final = {native: path for path, native in NATIVE.items()}
_CACHES: Final = {
    f"split_deploy.cache.{path}": f"django.core.cache.backends.{djangos}"
    for djangos, paths in {
        "locmem.LocMemCache": ("LocMemCache", "locmem.LocMemCache"),
        "redis.RedisCache": ("RedisCache", "redis.RedisCache"),
    }.items()
    for path in paths
}
_POSTGRESQL: Final = "django.db.backends.postgresql"
# Of django-async-backend, which the async engine needs.
_ASYNC_BACKEND: Final = "django_async_backend"


def stock_values(module: str, interface: Interface) -> dict[str, Any]:
    """Return the settings of ``module`` with Django's own in the place of this package's.

    That is middleware, caches and the database engine. This package's other middleware is left out,
    as is all that would speak against stock Django. Under ASGI no database connection is kept after
    a request, since each has a thread of its own, and for PostgreSQL there is a pool of as many
    connections as other topologies have threads, where psycopg_pool is installed. Django's
    documentation says so: https://docs.djangoproject.com/en/stable/ref/databases/
    """
    source = import_module(module)
    found = {name: getattr(source, name) for name in dir(source) if name.isupper()}
    found["MIDDLEWARE"] = _middleware(found.get("MIDDLEWARE", []))
    found["DATABASES"] = {
        alias: _database(database, interface, found.get("SPLIT_DEPLOY", {}))
        for alias, database in found.get("DATABASES", {}).items()
    }
    if "CACHES" in found:
        found["CACHES"] = {
            alias: cache | {"BACKEND": _CACHES.get(cache["BACKEND"], cache["BACKEND"])}
            for alias, cache in found["CACHES"].items()
        }
    found["INSTALLED_APPS"] = [
        app for app in found.get("INSTALLED_APPS", []) if not app.startswith(_ASYNC_BACKEND)
    ]
    return found


def _middleware(paths: Iterable[str]) -> list[str]:
    djangos = [_DJANGOS.get(path, path) for path in paths]
    return [path for path in djangos if not path.startswith((_OURS, _ASYNC_BACKEND))]


def _database(
    database: dict[str, Any], interface: Interface, split_deploy: Mapping[str, Any]
) -> dict[str, Any]:
    # Connections change what they are given.
    found = copy.deepcopy(database)
    if found.get("ENGINE") == async_database.ENGINE:
        found["ENGINE"] = _POSTGRESQL
        found.get("OPTIONS", {}).pop("async_pool", None)
    if interface == "asgi":
        found["CONN_MAX_AGE"] = 0
        if found.get("ENGINE") == _POSTGRESQL and find_spec("psycopg_pool"):
            size = split_deploy.get("THREADS", DEFAULT_THREADS)
            found.setdefault("OPTIONS", {}).setdefault("pool", {"min_size": size, "max_size": size})
    return found
