"""An open model: requests at a fixed rate, whether or not those before have been answered.

As users come. Latency is that from the instant at which a request was to be sent, so that one that
a stalled server kept waiting counts with all of its wait ("coordinated omission" is to leave that
out). The client is our own, in a process of its own: wrk2 is neither packaged nor maintained any
more, and what apt, PyPI and npm have (hey, h2load, autocannon, Locust) is a closed loop that is
slowed down. It has so many connections or users; what comes while all of them wait isn't sent, and
its latency left out or guessed.
"""

import gc
import json
import subprocess
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from split_deploy.bench.load import process
from split_deploy.bench.load.client import Client
from split_deploy.bench.load.figures import Figures, LoadError, Request, enough, percentile
from split_deploy.bench.load.wire import address, encoded

#: ``[second, p50_ms, max_ms, requests]`` of each quarter of a second, by the instants of sending.
Timeline = list[list[float]]

#: Seconds after which a request has failed, and what a failed one counts in the percentiles.
TIMEOUT: Final = 10.0
#: Connections at one time; what comes when all are busy has failed.
MOST_CONNECTIONS: Final = 1000
_SLICE: Final = 0.25
# Failures of a server that is there, and can't do as much.
_OVERLOAD: Final = frozenset({"time-out", "no connection"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What ``opened()`` found; ``timeline`` is empty unless it was asked for."""

    figures: Figures
    timeline: Timeline
    #: ``time.monotonic()`` at the first request: where the timeline begins.
    began: float


def opened(
    url: str,
    request: Request,
    *,
    seconds: float,
    rate: float,
    cores: Collection[int],
    timeline: bool = False,
) -> Opened:
    """Ask ``url`` for ``request`` ``rate`` times a second, for so long.

    Over keep-alive connections, and a new one when none is idle. It takes ``TIMEOUT`` longer if
    there is no answer to the last requests. Figures:

    - ``offered_per_second``: the rate of sending; ``requests``: all that were to be sent;
    - ``requests_per_second``: good answers (below status 400 and in ``TIMEOUT``) until the last;
    - ``errors``: requests without a good answer. In the percentiles they count as ``TIMEOUT``
      each, since a quick error is no quick answer;
    - ``p50_ms``, ``max_ms`` and, of ``enough()`` requests, ``p99_ms`` and ``p999_ms``: from the
      intended instant to the end of the answer;
    - ``late_p99_ms``: from the intended instant to that of sending: what the client itself added;
    - ``connections``: the most at one time.

    Raises ``LoadError`` if the server could not be reached or gave nothing but errors. One that is
    too slow for all of them is a finding.
    """
    wire = encoded(request, url)
    asked = {
        "what": f"{url}{request.path}",
        "address": address(url),
        "seconds": seconds,
        "rate": rate,
        "timeline": timeline,
    }
    running = process.started(process.module("arrivals"), cores, talks=True)
    try:
        output, messages = running.communicate(
            json.dumps(asked).encode() + b"\n" + wire, seconds + TIMEOUT + process.SPARE
        )
    except subprocess.TimeoutExpired:
        raise LoadError(f"The requests to {url}{request.path} did not come to an end.") from None
    finally:
        process.end(running)
    try:
        found = json.loads(output)
    except ValueError:
        said = process.last_lines(messages)
        raise LoadError(f"The client of {url}{request.path} failed: {said}.") from None
    if "error" in found:
        raise LoadError(found["error"])
    return Opened(**found)


def instants(seconds: float, rate: float) -> list[float]:
    """Return when to send, in seconds from the start: at least once."""
    return [number / rate for number in range(max(1, round(seconds * rate)))]


def sliced(sent: Sequence[float], latencies_ms: Sequence[float]) -> Timeline:
    """Return median and maximum of each quarter of a second in which something was sent."""
    slices: dict[int, list[float]] = {}
    for instant, latency in zip(sent, latencies_ms, strict=True):
        slices.setdefault(int(instant / _SLICE), []).append(latency)
    return [
        [number * _SLICE, percentile(part, 50), part[-1], len(part)]
        for number, part in ((number, sorted(each)) for number, each in sorted(slices.items()))
    ]


def main() -> None:
    """Read what to do from stdin: a line of JSON, and the request. Print JSON."""
    asked = json.loads(sys.stdin.buffer.readline())
    wire = sys.stdin.buffer.read()
    try:
        process.allow_files(MOST_CONNECTIONS + 50)
        print(json.dumps(_measured(asked, wire)))
    except LoadError as error:
        print(json.dumps({"error": str(error)}))


def _measured(asked: dict[str, Any], wire: bytes) -> dict[str, object]:
    family, where = asked["address"]
    sent = instants(asked["seconds"], asked["rate"])
    client = Client((family, tuple(where)), wire, sent, most=MOST_CONNECTIONS, timeout=TIMEOUT)
    gc.freeze()  # what there is now is not to be looked through again and again
    began = time.monotonic()
    client.run()
    errors = client.failures.total()
    if errors == len(sent) and not client.failures.keys() & _OVERLOAD:
        why = ", ".join(f"{name} {number} times" for name, number in client.failures.items())
        raise LoadError(f"Not one request to {asked['what']} succeeded: {why}.")
    latencies = [min(each, TIMEOUT) * 1000 for each in client.latencies]
    ordered = sorted(latencies)
    figures: Figures = {
        "offered_per_second": len(sent) / asked["seconds"],
        "requests_per_second": (len(sent) - errors) / max(asked["seconds"], client.ended),
        "requests": len(sent),
        "errors": errors,
        "p50_ms": percentile(ordered, 50),
        "p99_ms": percentile(ordered, 99),
        "p999_ms": percentile(ordered, 99.9),
        "max_ms": ordered[-1],
        "late_p99_ms": percentile(sorted(client.lateness), 99) * 1000,
        "connections": client.connections,
    }
    return {
        "figures": enough({name: float(value) for name, value in figures.items()}),
        "timeline": sliced(sent, latencies) if asked["timeline"] else [],
        "began": began,
    }


if __name__ == "__main__":
    main()
