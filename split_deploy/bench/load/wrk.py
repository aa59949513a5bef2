"""A closed model: so many connections, each of which asks again as soon as it has its answer.

By wrk, https://github.com/wg/wrk, which has to be on PATH. So the load is whatever the server can
take, and a server that stalls is asked less. wrk corrects its latencies for that by itself: a
request that took more than twice a connection's mean time stands for those that should have been
sent meanwhile, which it adds as if they had been. ``arrivals`` needs no such guess.
"""

import json
import math
import signal
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from split_deploy.bench.load import process
from split_deploy.bench.load.figures import Figures, LoadError, Request, enough
from split_deploy.bench.load.wire import encoded

#: Seconds after which an answer is an error.
_TIMEOUT: Final = 10
#: Seconds after which a flood that nobody ends, since the benchmark was killed, ends by itself.
_LONGEST_FLOOD: Final = 600
_SCRIPT: Final = Path(__file__).with_name("wrk.lua")


def closed(
    url: str, request: Request, *, seconds: float, connections: int, cores: Collection[int]
) -> Figures:
    """Ask ``url`` for ``request`` over so many connections for so long.

    - ``requests_per_second``: answers below status 400 within 10 s;
    - ``requests``: all answers; ``errors``: those of other statuses or later than that, and
      connections that failed;
    - ``p50_ms``, ``max_ms``, ``mean_ms`` and, of ``enough()`` answers, ``p99_ms`` and ``p999_ms``;
    - ``bytes_per_second``: of the answers.

    Where nothing was answered at all each connection counts as an error, and latencies are what
    they have waited by then. Raises ``LoadError`` if wrk is missing or could not connect, if there
    were nothing but errors, and for HEAD, the answers to which wrk can't tell the end of.
    """
    with _running(url, request, math.ceil(seconds), connections, cores) as running:
        # wrk knows whole seconds only.
        running.wait(seconds if seconds != math.ceil(seconds) else seconds + process.SPARE)
        return running.end()


class Flood:
    """Load in the background, the figures of which are known when it is over."""

    def __init__(self) -> None:
        self._figures: Figures | None = None

    def figures(self) -> Figures:
        """Return those of ``closed()``. Raises ``RuntimeError`` while it goes on."""
        if self._figures is None:
            raise RuntimeError("A flood has figures when its context is left.")
        return self._figures

    def is_over(self, figures: Figures) -> None:
        """Take the figures."""
        self._figures = figures


@contextmanager
def flood(
    url: str,
    request: Request,
    *,
    connections: int,
    cores: Collection[int],
    pause_ms: float = 0.0,
) -> Iterator[Flood]:
    """Ask ``url`` for ``request`` over so many connections until the context is left.

    Each pauses for ``pause_ms`` on average before it asks, as who asks does. Without a pause it has
    its next request on its way before a proxy can give the connection to a server, which it keeps
    open, to anybody else: then which process the flood falls on is decided by chance when it
    begins, and another one may be spared all of it.

    Raises ``LoadError`` as ``closed()`` does, when it is left, unless something else was raised.
    """
    with _running(url, request, _LONGEST_FLOOD, connections, cores, pause_ms) as running:
        found = Flood()
        yield found
        if running.is_over:
            running.end()  # which may say more
            raise LoadError(f"The flood of {url}{request.path} was over before it should.")
        found.is_over(running.end())


@contextmanager
def _running(
    url: str,
    request: Request,
    seconds: int,
    connections: int,
    cores: Collection[int],
    pause_ms: float = 0.0,
) -> Iterator["_Wrk"]:
    if request.method == "HEAD":
        raise LoadError(f"{request.path}: wrk can't ask with HEAD. Leave that to a rate.")
    with tempfile.NamedTemporaryFile(prefix="split-deploy-", suffix=".http") as file:
        file.write(encoded(request, url))
        file.flush()
        command = [
            *("wrk", "--threads", str(_threads(connections, len(cores)))),
            *("--connections", str(connections), "--duration", f"{max(1, seconds)}s"),
            *("--timeout", f"{_TIMEOUT}s", "--script", str(_SCRIPT)),
            *(url, "--", file.name, f"{pause_ms:g}"),
        ]
        running = process.started(command, cores)
        try:
            yield _Wrk(running, f"{url}{request.path}", connections)
        finally:
            process.end(running)


def _threads(connections: int, cores: int) -> int:
    """Return how many wrk shall have: each gets as many connections, and what is left gets none."""
    return max(each for each in range(1, max(1, cores) + 1) if connections % each == 0)


class _Wrk:
    """wrk at work."""

    def __init__(self, running: subprocess.Popen[bytes], what: str, connections: int) -> None:
        self._process = running
        self._what = what
        self._connections = connections

    @property
    def is_over(self) -> bool:
        return self._process.poll() is not None

    def wait(self, seconds: float) -> None:
        """Wait for its end, at most so long."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return

    def end(self) -> Figures:
        """End it, if it isn't over, and return its figures."""
        deadline = time.monotonic() + process.SPARE
        while not self.is_over:
            if time.monotonic() > deadline:
                raise LoadError(f"wrk on {self._what} did not end.")
            # Again and again: one that comes before wrk sleeps doesn't wake it.
            self._process.send_signal(signal.SIGINT)
            self.wait(0.5)
        output, messages = self._process.communicate()
        try:
            found = json.loads(output.splitlines()[-1])
        except (ValueError, IndexError):
            said = process.last_lines(messages or output)
            raise LoadError(f"wrk on {self._what} failed: {said}.") from None
        return self._figures(found)

    def _figures(self, found: dict[str, float]) -> Figures:
        seconds = found["duration"] / 1e6
        failed = found["status"] + found["timeout"]
        good = found["requests"] - failed
        errors = failed + found["socket"]
        if good <= 0 and errors:
            raise LoadError(
                f"Not one request to {self._what} succeeded: {found['status']:g} answers of status"
                f" 400 and more, {found['timeout']:g} after more than {_TIMEOUT} s,"
                f" {found['socket']:g} failed connections."
            )
        figures = {
            "requests_per_second": good / seconds,
            "requests": found["requests"],
            "errors": errors if found["requests"] else float(self._connections),
            "bytes_per_second": found["bytes"] / seconds,
        }
        for name in ("p50", "p99", "p999", "max", "mean"):
            value = found[name] if found["requests"] else found["duration"]
            figures[f"{name}_ms"] = value / 1000
        return enough(figures)
