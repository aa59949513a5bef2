"""Outbound calls: how many a second one HTTPX client makes, by how many it makes at once.

    python benchmarks/outbound.py [--seconds 3] [--rounds 3] [--at-once 16,32,64,...] [--view]

A server in a process of its own answers after 100 ms, so that N calls at once are ten times N a
second, and no more. Each kind of client calls it in a process of its own, on one core and on
uvloop, from as many tasks as there are calls at once; with ``--view`` from an async view, under
Uvicorn, and wrk has as many connections. Series:

- ``asyncio.sleep``: a wait of 100 ms and no call;
- ``httpx``: ``httpx.AsyncClient()`` as it is;
- ``httpx, high limits``: with 1,000 connections, all kept;
- ``32 shards``: 32 such clients in turn;
- ``httpx-aiohttp``: aiohttp under HTTPX, if it is installed;
- ``this project``: ``app.connection_pool``, with 1,000 connections, all kept.

``cpu_us`` is processor time a call, ``passes`` how often httpcore's pool went through all its
connections for one, and ``new`` how many connections were made. Prints progress on stderr and one
JSON object on stdout. ``ratios`` are to ``httpx`` with and without high limits, and medians of the
ratios of each round.
"""

import asyncio
import importlib.util
import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import _servers as servers
from split_deploy.bench.load.process import on

KINDS = [
    "asyncio.sleep",
    "httpx",
    "httpx, high limits",
    "32 shards",
    *(["httpx-aiohttp"] if importlib.util.find_spec("httpx_aiohttp") else []),
    "this project",
]


def connections(target: servers.Server) -> int:
    """How many connections it has been given, this one left out."""
    return json.loads(target.get("/connections")[1])["connections"] - 1


async def call(kind: str, at_once: int, seconds: float, url: str) -> dict[str, float]:
    """Call ``url`` from ``at_once`` tasks, after a second of warming up."""
    import httpcore

    from benchmarks._site.clients import calling

    passes = 0
    assign = httpcore.AsyncConnectionPool._assign_requests_to_connections

    def counted(pool):
        nonlocal passes
        passes += 1
        return assign(pool)

    # In this process, which does nothing but be measured.
    httpcore.AsyncConnectionPool._assign_requests_to_connections = counted
    times: list[float] = []
    async with calling(kind) as make:

        async def repeat() -> None:
            while True:
                begun = time.perf_counter()
                await make(url)
                times.append(time.perf_counter() - begun)

        tasks = [asyncio.create_task(repeat()) for _ in range(at_once)]
        await asyncio.sleep(1)
        times.clear()
        passes, cpu, begun = 0, time.process_time(), time.perf_counter()
        await asyncio.sleep(seconds)
        cpu, elapsed = time.process_time() - cpu, time.perf_counter() - begun
        done = sorted(times)
        counted_passes = passes
        failed = [task.exception() for task in tasks if task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if failed:
        raise SystemExit(f"{kind}: {failed[0]!r}")
    number = max(1, len(done))
    return {
        "calls_per_second": round(len(done) / elapsed, 1),
        "p50_ms": round(done[number // 2] * 1000, 1) if done else 0,
        "p99_ms": round(done[int(number * 0.99)] * 1000, 1) if done else 0,
        "cpu_us": round(cpu / number * 1e6),
        "passes": round(counted_passes / number, 2),
    }


def measure(kind: str, at_once: int, seconds: float, target: servers.Server) -> dict[str, float]:
    """``call()``, in a process of its own."""
    before = connections(target)
    command = [sys.executable, __file__, "--child", kind, str(at_once), str(seconds), target.url]
    with on([servers.SERVER_CORE]):
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    # The last time it was asked was one more.
    made = connections(target) - before - 1
    return json.loads(done.stdout) | {"new": made}


def measure_view(kind: str, at_once: int, seconds: float, target: servers.Server):
    """The same from the async view ``fetch``."""
    with servers.uvicorn("native", BENCHMARK_TARGET=target.url) as server:
        url = f"{server.url}/async/fetch/{kind.replace(' ', '_')}/"
        servers.wrk(url, 1, connections=at_once)
        figures = servers.wrk(url, seconds, connections=at_once)
    return {"calls_per_second": figures["requests_per_second"]} | figures


def main() -> None:
    """Measure, and print."""
    given = servers.options(
        __doc__, seconds=3.0, rounds=3, at_once="16,32,64,128,256,512", view=False
    )
    port = servers.free_port()
    result = {}
    command = [sys.executable, "-m", "split_deploy.bench.slow", "--port", str(port)]
    with servers.process(command, servers.LOAD_CORE) as pid:
        target = servers.Server("target", pid, port=port)
        servers.wait_for(lambda: target.get("/connections")[0] == 200, pid)
        how = measure_view if given.view else measure
        for at_once in map(int, given.at_once.split(",")):
            print(f"{at_once} at once", file=sys.stderr)
            found = servers.interleaved(
                {kind: partial(how, kind, at_once, given.seconds, target) for kind in KINDS},
                given.rounds,
                warm_up=False,
            )
            ratio = partial(servers.ratio, found, "this project", key="calls_per_second")
            result[at_once] = {
                "series": servers.summary(found),
                "ratios": {"of httpx": ratio("httpx"), "of high limits": ratio(KINDS[2])},
            }
    print(
        json.dumps(
            {
                "machine": servers.machine(),
                "seconds": given.seconds,
                "rounds": given.rounds,
                "from": "a view" if given.view else "a loop",
                "at_once": result,
            }
        )
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        import uvloop

        kind_, number_, seconds_, url_ = sys.argv[2:]
        print(json.dumps(uvloop.run(call(kind_, int(number_), float(seconds_), url_))))
    else:
        main()
