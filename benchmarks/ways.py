"""The ways to mix sync and async, side by side: WSGI, ASGI, the split, blocking-first coroutines.

    python benchmarks/ways.py [--seconds 5] [--rounds 5] [--connections 64] [--threads 4]

Each way has two processes on one core, with ``--threads`` threads each, and startproject's seven
middleware; wrk and the server that is called have another core, PostgreSQL both. Ways:

- ``WSGI``: Gunicorn, gthread: each view is sync;
- ``ASGI, stock Django``: Uvicorn, with Django's handler and middleware;
- ``ASGI, native``: Uvicorn, with ``NativeASGIHandler`` and native middleware, as in the mixed role;
- ``split``: one process of Gunicorn and one of Uvicorn.

Workloads:

- ``page``: a sync view that reads a row;
- ``async page``: an async view that only answers; under WSGI it is a sync view;
- ``call``: a query, a call of another server that takes 100 ms, a query: a sync view under WSGI,
  else an async one; ``call, blocking-first`` is the same view with ``@blocking_first``;
- ``page beside calls``: the page from 8 connections, while ``--connections`` others are at
  ``call``;
- ``page beside calls, alone``: the same 8 connections without the others.

Prints progress on stderr and one JSON object on stdout. ``ratios`` are the split's to each way, and
medians of the ratios of each round.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import _servers as servers
from benchmarks._database import ENVIRONMENT, database

WAYS = ("WSGI", "ASGI, stock Django", "ASGI, native", "split")
#: Connections that ask for the page beside the others.
FEW = 8
MIXED = {"BENCHMARK_URLS": "mixed"}


def start(stack: ExitStack, way: str, threads: int, target: str) -> Callable[[str], str]:
    """Start the two processes of ``way``, and return what says where a path of it is."""
    env = ENVIRONMENT | {"BENCHMARK_THREADS": str(threads), "BENCHMARK_TARGET": target}
    if way == "split":
        sync = stack.enter_context(servers.gunicorn(threads, **env))
        async_ = stack.enter_context(servers.uvicorn("native", **env))
        return lambda path: f"{(async_ if path.startswith('/async/') else sync).url}{path}"
    if way == "WSGI":
        server = stack.enter_context(servers.gunicorn(threads, workers=2, **env, **MIXED))
        return lambda path: f"{server.url}{path.removeprefix('/async')}"
    handler = "stock" if way == "ASGI, stock Django" else "native"
    server = stack.enter_context(servers.uvicorn(handler, workers=2, **env, **MIXED))
    return lambda path: f"{server.url}{path}"


@contextmanager
def asked_by_others(url: str, connections: int) -> Iterator[None]:
    """Let ``connections`` ask for ``url`` again and again, meanwhile."""
    command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", "600s"]
    others = subprocess.Popen(
        [*command, "--timeout", "60s", url],
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, {servers.LOAD_CORE}),
    )
    try:
        time.sleep(1)
        yield
    finally:
        others.kill()
        others.wait()
        time.sleep(1)  # what has begun ends


def main() -> None:
    """Measure, and print."""
    given = servers.options(__doc__, threads=4)
    port = servers.free_port()
    outbound = str(Path(__file__).with_name("outbound.py"))
    command = [sys.executable, outbound, "--target", str(port)]
    found = {}
    with ExitStack() as stack:
        stack.enter_context(database())
        target = servers.Server(
            "target", stack.enter_context(servers.process(command, servers.LOAD_CORE)), port=port
        )
        servers.wait_for(lambda: target.get("/_made")[0] == 200, target.pid)
        at = {way: start(stack, way, given.threads, target.url) for way in WAYS}

        def load(way: str, path: str, connections: int) -> dict[str, float]:
            # With a new connection to PostgreSQL for each request, it may have too few.
            return servers.wrk(
                at[way](path),
                given.seconds,
                connections=connections,
                may_fail=way == "ASGI, stock Django",
            )

        def beside(way: str) -> dict[str, float]:
            with asked_by_others(at[way]("/async/call/"), given.connections):
                return load(way, "/orm/", FEW)

        workloads: dict[str, tuple[tuple[str, ...], Callable[[str], dict[str, float]]]] = {
            "page": (WAYS, lambda way: load(way, "/orm/", given.connections)),
            "async page": (WAYS, lambda way: load(way, "/async/json/", given.connections)),
            "call": (WAYS, lambda way: load(way, "/async/call/", given.connections)),
            "call, blocking-first": (
                WAYS[2:],
                lambda way: load(way, "/async/call-blocking-first/", given.connections),
            ),
            "page beside calls": (WAYS, beside),
            "page beside calls, alone": (WAYS, lambda way: load(way, "/orm/", FEW)),
        }
        for name, (ways, measure) in workloads.items():
            print(name, file=sys.stderr)
            found[name] = servers.interleaved(
                {way: partial(measure, way) for way in ways}, given.rounds
            )
    print(
        json.dumps(
            {
                "machine": servers.machine(),
                "seconds": given.seconds,
                "rounds": given.rounds,
                "connections": given.connections,
                "threads": given.threads,
                "workloads": {name: servers.summary(each) for name, each in found.items()},
                "ratios": {
                    name: {
                        way: ratio
                        for way in each
                        # Where nothing was answered at all, there is none.
                        if way != "split" and (ratio := servers.ratio(each, "split", way)) > 0
                    }
                    for name, each in found.items()
                },
            }
        )
    )


if __name__ == "__main__":
    main()
