"""How many database connections the instances can open, against what the database allows.

Run as a module it prints what one role needs, under the settings of the environment: the two roles
have settings of their own, and so a process of their own.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypedDict

import django
from django.conf import ENVIRONMENT_VARIABLE, settings
from django.db import connections
from django.db.utils import Error as DatabaseError

from split_deploy._elsewhere import ElsewhereError, output_of
from split_deploy.conf import get_config
from split_deploy.run.commands import GRANIAN
from split_deploy.topology import DEFAULT_SYNC_SERVER, SyncServer, Topology

_MARK: Final = "split_deploy budget: "
# https://www.psycopg.org/psycopg3/docs/api/pool.html: min_size is 4, max_size that of min_size.
_PSYCOPG_POOL: Final = 4

# What is left for those who aren't superusers, and no more than the database and the role may have.
_POSTGRESQL: Final = """
    SELECT least(
        current_setting('max_connections')::int
            - current_setting('superuser_reserved_connections')::int
            - coalesce(current_setting('reserved_connections', true), '0')::int,
        (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database()),
        (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user)
    )
"""
_MYSQL: Final = """
    SELECT least(@@max_connections, coalesce(nullif(@@max_user_connections, 0), @@max_connections))
"""
_QUERIES: Final = {"postgresql": _POSTGRESQL, "mysql": _MYSQL}


class Share(TypedDict):
    """What one role may open to one database."""

    #: Where the database is; for the same database the same in both roles.
    database: str
    #: How many processes the role has.
    processes: int
    #: How many connections each may open.
    each: int
    #: How many the database allows, or ``None`` if it has no limit that is known.
    allowed: int | None
    #: Why it could not be asked.
    error: str | None


def report(
    modules: Mapping[str, str], topology: Topology, sync_server: SyncServer = DEFAULT_SYNC_SERVER
) -> tuple[list[str], bool]:
    """Return a line for each database, and whether all fits.

    ``modules`` has the settings module of each role that ``topology`` has.
    """
    # By database, since two aliases of one have their connections each.
    shares: dict[str, list[tuple[str, str, Share]]] = {}
    for role, module in modules.items():
        try:
            for alias, share in _load(role, module, topology, sync_server).items():
                shares.setdefault(share["database"], []).append((alias, role, share))
        except ElsewhereError as error:
            return [f"The {role} instance's can't be told: {error}"], True
    lines, fits = [], True
    for database, parts in shares.items():
        line, line_fits = _line(database, parts)
        lines.append(line)
        fits = fits and line_fits
    return lines, fits


def _line(database: str, parts: list[tuple[str, str, Share]]) -> tuple[str, bool]:
    shares = [share for *_, share in parts]
    aliases = ", ".join(dict.fromkeys(alias for alias, *_ in parts))
    total = sum(share["processes"] * share["each"] for share in shares)
    terms = " + ".join(f"{share['processes']} x {share['each']} {role}" for _, role, share in parts)
    begin = f"{aliases} ({database}): {terms} = {total} connections"
    error = next((share["error"] for share in shares if share["error"]), None)
    if error:
        return f"{begin}. The database could not be asked what it allows: {error}", True
    allowed = min((s["allowed"] for s in shares if s["allowed"] is not None), default=None)
    if allowed is None:
        return f"{begin}.", True
    if total <= allowed:
        return f"{begin}, of the {allowed} that it allows.", True
    too_many = (
        f"{begin}, and it allows {allowed}: under load the rest are refused. Lower the number of "
        "processes or threads, raise the database's limit, or put a pooler between."
    )
    return too_many, False


def _load(role: str, module: str, topology: Topology, sync_server: SyncServer) -> dict[str, Share]:
    printed = output_of(
        *("split_deploy.checks.budget", role, topology, sync_server),
        env={ENVIRONMENT_VARIABLE: module},
    )
    line = next((line for line in printed.splitlines() if line.startswith(_MARK)), None)
    if line is None:
        raise ElsewhereError("it ended without an error, and without its settings")
    shares: dict[str, Share] = json.loads(line.removeprefix(_MARK))
    return shares


def shares_of(
    role: str, topology: str, sync_server: str = DEFAULT_SYNC_SERVER
) -> Iterator[tuple[str, Share]]:
    """Each alias of the settings in use, and what ``role`` may open to its database."""
    if role == "sync" and sync_server == "granian":
        processes, threads = _granian()
    elif role == "sync" or topology == "mixed":
        processes, threads = _gunicorn()
    else:
        processes, threads = _uvicorn(), 0
    if role != "sync":
        threads = get_config().threads
    for alias, database in settings.DATABASES.items():
        connection = connections[alias]
        if connection.vendor in ("unknown", "sqlite"):
            continue
        options = database.get("OPTIONS", {})
        each = threads
        if pool := options.get("pool"):
            each = _pool_size(pool)
        each += options.get("async_pool", {}).get("max_size", 0)
        allowed, error = _allowed(alias)
        where = ":".join(str(database[key]) for key in ("HOST", "PORT") if database.get(key))
        yield (
            alias,
            Share(
                database=f"{database['NAME']} at {where or 'localhost'}",
                processes=processes,
                each=each,
                allowed=allowed,
                error=error,
            ),
        )


def _pool_size(pool: Any) -> int:
    options = pool if isinstance(pool, Mapping) else {}
    return int(options.get("max_size") or options.get("min_size", _PSYCOPG_POOL))


def _allowed(alias: str) -> tuple[int | None, str | None]:
    connection = connections[alias]
    query = _QUERIES.get(connection.vendor)
    if query is None:
        return None, None
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return int(cursor.fetchone()[0]), None
    except DatabaseError as error:
        return None, str(error).strip().splitlines()[0]
    finally:
        connection.close()


def _gunicorn() -> tuple[int, int]:
    """Gunicorn's processes and threads, from its configuration file and its environment."""
    try:
        from gunicorn.app.wsgiapp import WSGIApplication
    except ImportError:
        raise ImportError("Gunicorn is not installed, whose configuration says it.") from None
    sys.argv = ["gunicorn", "wsgi:application"]  # what it parses
    config = WSGIApplication().cfg
    # As Gunicorn does it: with threads, "sync" is gthread.
    return config.workers, max(1, config.threads)


def _granian() -> tuple[int, int]:
    """Granian's processes and threads, from the environment, as ``split-deploy run`` has it."""
    processes, threads = (
        os.environ.get(name) or default
        for name, default in (
            ("GRANIAN_WORKERS", os.environ.get("WEB_CONCURRENCY") or GRANIAN["GRANIAN_WORKERS"]),
            ("GRANIAN_BLOCKING_THREADS", GRANIAN["GRANIAN_BLOCKING_THREADS"]),
        )
    )
    return int(processes), int(threads)


def _uvicorn() -> int:
    """Uvicorn's processes: of its ``--workers`` only the environment is known here."""
    return int(os.environ.get("UVICORN_WORKERS") or os.environ.get("WEB_CONCURRENCY") or 1)


if __name__ == "__main__":
    django.setup()
    print(f"\n{_MARK}{json.dumps(dict(shares_of(*sys.argv[1:4])))}")
