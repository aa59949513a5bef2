"""The async database beside the pool of threads: the same views, served through both.

    python benchmarks/async_database.py [--seconds 5] [--rounds 5] [--connections 64] [--threads 8]
                                        [--views orm,five,slow]

``NativeASGIHandler`` with startproject's seven middleware, native, serves three views on PostgreSQL
from one process on one core, with wrk on another: one query, five one after the other, and one for
which the database needs 20 ms. ``pool`` has Django's ORM and ``--threads`` threads, ``async`` has
django-async-backend and as many connections, and those with ``4x`` have four times as many.

Needs Django 6.1. The database is ``TEST_DATABASE_URL``; what is made in it is dropped. Prints
progress on stderr and one JSON object on stdout. ``cpu_us`` is the server's processor time for a
request, in microseconds. The ratios are to ``pool``, medians of those of each round; ``spread`` is
the distance of the quartiles, as a part of the median.
"""

import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import _servers as servers
from benchmarks._database import ENVIRONMENT, ConnectionsSeen, database
from benchmarks.async_orm import count


def main() -> None:
    """Measure, and print."""
    given = servers.options(__doc__, threads=8, views="orm,five,slow")
    many = 4 * given.threads
    #: name: threads, connections of the event loop
    series = {
        "pool": (given.threads, 0),
        "pool, 4x": (many, 0),
        "async": (given.threads, given.threads),
        "async, 4x": (given.threads, many),
    }
    with database() as header:
        views = {view: measured(view, series, header, given) for view in given.views.split(",")}
    print(json.dumps({"machine": servers.machine(), **vars(given), "views": views}))


def measured(
    view: str, series: dict[str, tuple[int, int]], header: str, given
) -> dict[str, object]:
    """The figures of one view."""
    env = {
        name: {
            **ENVIRONMENT,
            "BENCHMARK_THREADS": str(threads),
            "BENCHMARK_ASYNC_DATABASE": str(connections),
        }
        for name, (threads, connections) in series.items()
    }
    with ExitStack() as stack:
        found = servers.interleaved(
            {name: load(stack, view, given, env[name]) for name in series}, given.rounds
        )
    return {
        "series": servers.summary(found),
        "counted": {name: count("native", view, header, **env[name]) for name in series},
        "of pool": {
            key: {name: servers.ratio(found, name, "pool", key) for name in series}
            for key in ("requests_per_second", "cpu_us")
        },
    }


def load(
    stack: ExitStack, view: str, given, environment: dict[str, str]
) -> Callable[[], dict[str, float]]:
    """Start a server, and return what measures it."""
    server = stack.enter_context(servers.uvicorn("native", **environment))

    def measure() -> dict[str, float]:
        with ConnectionsSeen(server.pid) as seen:
            figures = server.load(f"/async/{view}/", given.seconds, connections=given.connections)
        return figures | {"database_connections": seen.most}

    return measure


if __name__ == "__main__":
    main()
