"""What the guards cost while the async instance runs, with DEBUG off.

    python benchmarks/runtime_cost.py [ROUNDS] [REQUESTS]

In one process, on uvloop, without sockets: REQUESTS requests one after the other through Django's
own handler, then as many through the same handler with the counter of thread hops around it, its
executors and the watchdog, and so on for ROUNDS rounds, whose order alternates. A third series, of
the first kind again, says how much two equal series differ: that is the noise.

Prints progress on stderr and one JSON object on stdout. Times are microseconds a request: medians
of the rounds. ``spread`` is the distance of the quartiles, as a part of the median.
"""

import asyncio
import json
import logging
import os
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ["DJANGO_SETTINGS_MODULE"] = "settings.async_only"
os.environ["DJANGO_DEBUG"] = "false"

import django  # noqa: E402 - the environment comes first
import uvloop  # noqa: E402

django.setup()

from django.conf import settings  # noqa: E402
from django.core.handlers.asgi import ASGIHandler  # noqa: E402
from django.test import override_settings  # noqa: E402

from split_deploy import hops, watchdog  # noqa: E402
from split_deploy.access_log import AccessLog  # noqa: E402

SERIES = ("stock", "guarded", "stock_again")
SCOPE = {
    "type": "http",
    "method": "GET",
    "path": "/async/hello/",
    "raw_path": b"/async/hello/",
    "query_string": b"",
    "headers": [(b"host", b"127.0.0.1")],
    "client": ("127.0.0.1", 1),
}


async def measure(handler, rounds: int, requests: int) -> dict[str, object]:
    """Compare the handler with and without the guards."""
    seen: list[int] = []

    async def noting(scope, receive, send):
        await handler(scope, receive, send)
        seen.append(hops.current().count)

    applications = {
        "stock": AccessLog(handler),
        "guarded": hops.HopCounter(AccessLog(handler)),
        "stock_again": AccessLog(handler),
    }
    await serve(hops.HopCounter(noting))
    times: dict[str, list[float]] = {name: [] for name in SERIES}
    for number in range(rounds + 1):
        for name in SERIES if number % 2 else reversed(SERIES):
            async with guards() if name == "guarded" else no_guards():
                await serve(applications[name])
                started = time.perf_counter()
                for _ in range(requests):
                    await serve(applications[name])
                if number:  # the first one warms up
                    times[name].append((time.perf_counter() - started) / requests * 1e6)
    medians = {name: statistics.median(values) for name, values in times.items()}
    return {
        "hops": seen[0],
        **{f"{name}_us": round(medians[name], 1) for name in SERIES},
        "added_us": round(medians["guarded"] - medians["stock"], 1),
        "ratio": ratio(times["guarded"], times["stock"]),
        "noise_ratio": ratio(times["stock_again"], times["stock"]),
        "spread": {name: spread(values) for name, values in times.items()},
    }


async def nothing(scope, receive, send):
    """The least that an application can do: what is left is the counter's own cost."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def guards():
    """What the lifespan starts."""
    asyncio.get_running_loop().set_default_executor(hops.CountingThreadPoolExecutor())
    async with watchdog.running():
        yield


@asynccontextmanager
async def no_guards():
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor())
    yield


async def serve(application) -> None:
    """What a server does for a request, but for the sockets."""
    messages = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive():
        if not messages:
            await asyncio.Event().wait()
        return messages.pop()

    async def send(message):
        if message.get("status", 200) != 200:
            raise SystemExit(f"The response was {message['status']}.")

    await asyncio.create_task(application(SCOPE, receive, send))


def ratio(these: list[float], those: list[float]) -> float:
    """The median of the rounds' ratios: what slows a whole round cancels out."""
    return round(statistics.median(a / b for a, b in zip(these, those, strict=True)), 3)


def spread(values: list[float]) -> float:
    """The distance of the quartiles, as a part of the median."""
    first, median, third = statistics.quantiles(values, n=4)
    return round((third - first) / median, 3)


def main(rounds: int, requests: int) -> None:
    """Measure each shape of request and print the result."""
    if settings.DEBUG:
        raise SystemExit("DEBUG is on.")
    # The access log is formatted, and not written.
    access = logging.getLogger("split_deploy.access")
    access.handlers = [logging.NullHandler()]
    stock = ASGIHandler()
    with override_settings(MIDDLEWARE=[]):
        bare = ASGIHandler()
    shapes = {"no Django": nothing, "no middleware": bare, "Django's middleware": stock}
    result = {}
    for name, handler in shapes.items():
        print(f"{name} ...", file=sys.stderr)
        result[name] = uvloop.run(measure(handler, rounds, requests))
    print(json.dumps({"rounds": rounds, "requests": requests, "shapes": result}))


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(*given, *(200, 20)[len(given) :])
