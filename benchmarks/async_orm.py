"""An async view that reads a row from PostgreSQL: stock Django, this project's pool, gthread.

    python benchmarks/async_orm.py [--seconds 5] [--rounds 5] [--connections 64] [--threads 8]

Each server has one process on one core, with startproject's seven middleware, and wrk has another;
PostgreSQL has both. ``native`` has a pool of ``--threads`` threads, gthread as many, psycopg's pool
that many connections. Stock Django without psycopg's pool has ``CONN_MAX_AGE = 0``, as its
documentation has it for ASGI. ``connections`` is the most that PostgreSQL saw of a server. The
database is ``TEST_DATABASE_URL``; what is made in it is dropped.

Prints progress on stderr and one JSON object on stdout. The ratios are medians of the ratios of
each round; ``spread`` is the distance of the quartiles, as a part of the median.
"""

import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import _servers as servers
from benchmarks._database import ENVIRONMENT, ConnectionsSeen, database

POOL = {"BENCHMARK_DATABASE_POOL": "1"}
#: name: stack, environment
SERIES = {
    "stock": ("stock", {}),
    "stock, psycopg's pool": ("stock", POOL),
    "native": ("native", {}),
    "native, psycopg's pool": ("native", POOL),
    "gthread": ("gthread", {}),
}
BARS = {
    "of stock": ("native", "stock", 5.0),
    "of stock with psycopg's pool": ("native", "stock, psycopg's pool", 2.5),
    "of gthread": ("native", "gthread", 0.9),
}


def main(doc: str, view: str, bars: dict[str, tuple[str, str, float | None]]) -> None:
    """Measure ``view``, and print."""
    given = servers.options(doc, threads=8)
    common = {**ENVIRONMENT, "BENCHMARK_THREADS": str(given.threads)}
    with ExitStack() as stack:
        header = stack.enter_context(database())
        series = {
            name: load(stack, handler, view, header, given, **common, **environment)
            for name, (handler, environment) in SERIES.items()
        }
        found = servers.interleaved(series, given.rounds)
        counted = {
            name: count(handler, view, header, **common, **environment)
            for name, (handler, environment) in SERIES.items()
            if handler != "gthread"
        }
    print(
        json.dumps(
            {
                "machine": servers.machine(),
                "seconds": given.seconds,
                "rounds": given.rounds,
                "connections": given.connections,
                "threads": given.threads,
                "series": servers.summary(found),
                "most_connections": {
                    name: max(figures["database_connections"] for figures in rounds)
                    for name, rounds in found.items()
                },
                "counted": counted,
                "ratios": {
                    name: {
                        "ratio": servers.ratio(found, these, those),
                        "bar": bar,
                        "by_processor_time": servers.ratio(found, those, these, "cpu_us"),
                    }
                    for name, (these, those, bar) in bars.items()
                },
            }
        )
    )


def load(
    stack: ExitStack, handler: str, view: str, header: str, given, **environment: str
) -> Callable[[], dict[str, float]]:
    """Start a server, and return what measures it."""
    if handler == "gthread":
        server = stack.enter_context(servers.gunicorn(given.threads, **environment))
        path = f"/{view}/"
    else:
        server = stack.enter_context(servers.uvicorn(handler, **environment))
        path = f"/async/{view}/"

    def measure() -> dict[str, float]:
        with ConnectionsSeen(server.pid) as seen:
            figures = server.load(
                path,
                given.seconds,
                connections=given.connections,
                headers=[header],
                # Without a pool, PostgreSQL may have too few connections.
                may_fail=handler == "stock",
            )
        return figures | {"database_connections": seen.most, "process_threads": server.threads()}

    return measure


def count(handler: str, view: str, header: str, **environment: str) -> dict[str, float]:
    """Hops and started threads, a request."""
    name, _, value = header.partition(": ")
    with servers.uvicorn(handler, BENCHMARK_COUNT="1", **environment) as server:
        return servers.counted(server, f"/async/{view}/", {name: value}, 50)


if __name__ == "__main__":
    main(__doc__, "orm", BARS)
