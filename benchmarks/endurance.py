"""A million requests: does the memory grow, and does the speed fall?

    python benchmarks/endurance.py [--requests 1000000] [--slice 50000] [--stack instance]

One Uvicorn on one core, wrk on another, 64 connections, the JSON view and the seven middleware of
``async_json.py``. After a slice that warms up, memory and speed are noted for each slice.
``--database`` asks for the view of ``async_session.py`` as well, one slice in ten: threads and
connections are then part of what may leak.

Prints progress on stderr and one JSON object on stdout. ``memory_growth_mb`` is the last slice's
memory less the first's; ``speed_ratio`` the median speed of the last fifth of the slices to that of
the first fifth, and ``cpu_ratio`` the same for the processor time a request; the spreads are the
distance of the quartiles of all, as a part of the median.
"""

import json
import statistics
import sys
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import _servers as servers
from benchmarks._database import ENVIRONMENT, database


def main() -> None:
    """Measure, and print."""
    given = servers.options(
        __doc__, requests=1_000_000, slice=50_000, stack="instance", database=False
    )
    with ExitStack() as stack:
        header, environment = "", {}
        if given.database:
            header, environment = stack.enter_context(database()), ENVIRONMENT
        server = stack.enter_context(servers.uvicorn(given.stack, **environment))
        found = []
        total, rate = 0, 1000.0
        while not found or total < given.requests:
            views = [("json", [])]
            if header and len(found) % 10 == 1:
                views.append(("session", [header]))
            for view, headers in views:
                figures = server.load(
                    f"/async/{view}/",
                    # wrk counts seconds, so a slice has about as many requests as it should.
                    given.slice / rate,
                    connections=given.connections,
                    headers=headers,
                )
                total += figures["requests"] if found else 0
                if view == "json":
                    rate = figures["requests_per_second"]
                    found.append(
                        {
                            "requests": total,
                            "requests_per_second": rate,
                            "cpu_us": round(figures["cpu_us"], 1),
                        }
                    )
            found[-1]["rss_mb"] = round(server.rss() / 1024**2, 2)
            print(found[-1], file=sys.stderr)
        counts = server.counts()
    # The first one warms up.
    slices = found[1:]
    fifth = max(1, len(slices) // 5)

    def last_to_first(key: str) -> float:
        values = [each[key] for each in slices]
        return round(statistics.median(values[-fifth:]) / statistics.median(values[:fifth]), 3)

    print(
        json.dumps(
            {
                "machine": servers.machine(),
                "stack": given.stack,
                "requests": total,
                "slices": slices,
                "memory_growth_mb": round(slices[-1]["rss_mb"] - slices[0]["rss_mb"], 2),
                "memory_growth_bar_mb": 5.0,
                "speed_ratio": last_to_first("requests_per_second"),
                "cpu_ratio": last_to_first("cpu_us"),
                "spread": servers.spread([each["requests_per_second"] for each in slices]),
                "cpu_spread": servers.spread([each["cpu_us"] for each in slices]),
                "threads": counts["threads"],
                "threads_started": counts["threads_started"],
                "tasks": counts["tasks"],
            }
        )
    )


if __name__ == "__main__":
    main()
