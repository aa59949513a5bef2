"""Notices a blocked event loop, says what blocks it, and tells the health check.

A thread of its own asks the loop for a sign of life again and again. When none comes for
``SPLIT_DEPLOY["LOOP_BLOCK_WARNING"]`` seconds it logs the stack of the loop's thread, once per
incident; when the sign comes after all, the loop logs how long that took. How late each sign is,
the loop's lag, is counted in a histogram.
"""

import asyncio
import logging
import sys
import threading
import time
import traceback
from bisect import bisect_left
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import accumulate
from types import FrameType
from typing import Final

from split_deploy._project import is_project
from split_deploy.conf import get_config

logger = logging.getLogger("split_deploy.watchdog")

# Seconds for which an ended incident still counts against the health check: long enough for the
# probe that waited for it, and for one more.
RECENT: Final = 10.0

#: Upper bounds of the lag histogram, in seconds.
BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Lag:
    """How late the event loop was, in seconds, each time that it was asked: a histogram.

    It is asked every quarter of ``SPLIT_DEPLOY["LOOP_BLOCK_WARNING"]``, and not again before it has
    answered: a block counts once, and for at most a quarter less than it took.
    """

    #: Of all ``count``, how many were at most as late as each bound of ``BUCKETS``.
    buckets: dict[float, int]
    count: int
    sum: float
    max: float


class Watchdog:
    """Watches the event loop of the thread that calls ``start()``.

    ``warning`` is in seconds.
    """

    def __init__(self, *, warning: float) -> None:
        self._warning = warning
        self._asked: float | None = None  # when the sign of life was asked for, until it comes
        self._last_block = (0.0, float("-inf"))  # how long the last incident took, when it ended
        # Not cumulative, and with one more for what is above the last bound.
        self._counts = [0] * (len(BUCKETS) + 1)
        self._sum = self._max = 0.0
        self._stopped = threading.Event()

    def start(self) -> None:
        """Start watching. Call it on the loop that is to be watched."""
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._thread = threading.Thread(
            target=self._watch, name="split-deploy-watchdog", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop watching and wait for the thread's end."""
        self._stopped.set()
        self._thread.join()

    def blocked_for(self) -> float:
        """Return for how many seconds the loop is, or in the last ``RECENT`` s was, blocked."""
        now = time.monotonic()
        asked = self._asked
        duration, ended = self._last_block
        return max(
            0.0 if asked is None else now - asked,
            duration if now - ended < RECENT else 0.0,
        )

    def lag(self) -> Lag:
        """Return the histogram so far. For any thread: it is up to one sign of life behind."""
        *cumulative, count = accumulate(self._counts)
        return Lag(dict(zip(BUCKETS, cumulative, strict=True)), count, self._sum, self._max)

    def _watch(self) -> None:
        reported = False
        # A quarter, so that what is reported is at most a quarter late.
        while not self._stopped.wait(self._warning / 4):
            asked = self._asked
            if asked is None:
                reported = False
                self._asked = time.monotonic()
                try:
                    self._loop.call_soon_threadsafe(self._sign_of_life)
                except RuntimeError:  # the loop was closed without stop()
                    return
            elif not reported and time.monotonic() - asked >= self._warning:
                reported = True
                self._report()

    def _sign_of_life(self) -> None:
        if self._asked is None:
            return
        now = time.monotonic()
        duration, self._asked = now - self._asked, None
        self._counts[bisect_left(BUCKETS, duration)] += 1
        self._sum += duration
        self._max = max(self._max, duration)
        if duration >= self._warning:
            self._last_block = (duration, now)
            logger.warning("The event loop was blocked for %.2f s.", duration)

    def _report(self) -> None:
        frame = sys._current_frames().get(self._loop_thread)
        if frame is None:
            return
        logger.error(
            "The event loop is blocked for more than %g s by %s. Nothing else is served meanwhile: "
            "await an async call there, or move the work to a thread or to the sync instance.\n%s",
            self._warning,
            _blamed(frame),
            "".join(traceback.format_stack(frame)).rstrip(),
        )


def _blamed(frame: FrameType) -> str:
    """Where the project's innermost frame is, or if it has none, the innermost of all."""
    current: FrameType | None = frame
    while current is not None and not is_project(current.f_code.co_filename):
        current = current.f_back
    blamed = current or frame
    return f"{blamed.f_code.co_filename}:{blamed.f_lineno} in {blamed.f_code.co_name}"


_current: Watchdog | None = None


def loop_blocked_for() -> float:
    """Return the running watchdog's ``blocked_for()`` in seconds, or 0.0 where none runs."""
    return _current.blocked_for() if _current else 0.0


def lag() -> Lag | None:
    """Return the lag histogram of the running watchdog, or ``None`` where none runs."""
    return _current.lag() if _current else None


@asynccontextmanager
async def running() -> AsyncIterator[None]:
    """Watch the running event loop inside the context."""
    global _current
    _current = Watchdog(warning=get_config().loop_block_warning)
    _current.start()
    try:
        yield
    finally:
        _current.stop()
        _current = None
