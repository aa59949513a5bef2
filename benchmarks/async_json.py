"""An async view that returns JSON: stock Django, this project's handler, gthread, no Django.

    python benchmarks/async_json.py [--seconds 5] [--rounds 5] [--connections 64]

Each server has one process on one core, and wrk has another. ``seven`` are the middleware of
startproject. ``native`` is ``NativeASGIHandler`` with native middleware; ``instance`` is all that
``asgi.py`` serves: with the counter of hops, the access log (to /dev/null), request ids and health
checks. Hops and threads are counted in processes of their own, over 200 requests, one at a time.

Prints progress on stderr and one JSON object on stdout. The ratios are medians of the ratios of
each round; ``spread`` is the distance of the quartiles, as a part of the median. ``cpu_us`` is the
server's processor time a request: less disturbed by what else the machine does.
"""

import json
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import _servers as servers

#: name: stack, middleware
SERIES = {
    "bare": ("bare", "none"),
    "stock, none": ("stock", "none"),
    "stock, seven": ("stock", "seven"),
    "native, none": ("native", "none"),
    "native, seven": ("native", "seven"),
    "instance, seven": ("instance", "seven"),
}
GTHREAD = "gthread, seven"
BARS = {
    "of stock": ("native, seven", "stock, seven", 7.0),
    "of none": ("native, seven", "native, none", 0.6),
    "of gthread": ("native, seven", GTHREAD, 1.4),
}


def main() -> None:
    """Measure, and print."""
    given = servers.options(__doc__, threads=8)
    with ExitStack() as stack:
        series = {}
        for name, (handler, middleware) in SERIES.items():
            server = stack.enter_context(servers.uvicorn(handler, BENCHMARK_MIDDLEWARE=middleware))
            series[name] = partial(
                server.load, "/async/json/", given.seconds, connections=given.connections
            )
        server = stack.enter_context(servers.gunicorn(given.threads))
        series[GTHREAD] = partial(
            server.load, "/json/", given.seconds, connections=given.connections
        )
        found = servers.interleaved(series, given.rounds)
    counted = {name: count(*SERIES[name]) for name in SERIES if name != "bare"}
    print(
        json.dumps(
            {
                "machine": servers.machine(),
                "seconds": given.seconds,
                "rounds": given.rounds,
                "connections": given.connections,
                "series": servers.summary(found),
                "counted": counted,
                "ratios": {
                    name: {
                        "ratio": servers.ratio(found, these, those),
                        "bar": bar,
                        "by_processor_time": servers.ratio(found, those, these, "cpu_us"),
                    }
                    for name, (these, those, bar) in BARS.items()
                },
            }
        )
    )


def count(handler: str, middleware: str) -> dict[str, float]:
    """Hops and started threads, a request."""
    with servers.uvicorn(handler, BENCHMARK_MIDDLEWARE=middleware, BENCHMARK_COUNT="1") as server:
        return servers.counted(server, "/async/json/", {}, 200)


if __name__ == "__main__":
    main()
