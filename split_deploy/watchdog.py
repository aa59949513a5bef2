"""Notices a blocked event loop, says what blocks it, and tells the health check.

A thread of its own asks the loop for a sign of life again and again. When none comes for
``SPLIT_DEPLOY["LOOP_BLOCK_WARNING"]`` seconds it logs the stack of the loop's thread, once per
incident; when the sign comes after all, the loop logs how long that took.
"""

import asyncio
import logging
import sys
import sysconfig
import threading
import time
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import FrameType
from typing import Final

from split_deploy.conf import get_config

logger = logging.getLogger("split_deploy.watchdog")

# Seconds for which an ended incident still counts against the health check: long enough for the
# probe that waited for it, and for one more.
RECENT: Final = 10.0

_LIBRARIES: Final = tuple(
    sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")
)


class Watchdog:
    """Watches the event loop of the thread that calls ``start()``.

    ``warning`` is in seconds.
    """

    def __init__(self, *, warning: float) -> None:
        self._warning = warning
        self._asked: float | None = None  # when the sign of life was asked for, until it comes
        self._last_block = (0.0, float("-inf"))  # how long the last incident took, when it ended
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
    """Where the innermost frame outside the standard library and site-packages is."""
    innermost, current = frame, frame.f_back
    while innermost.f_code.co_filename.startswith(_LIBRARIES) and current is not None:
        innermost, current = current, current.f_back
    code = innermost.f_code
    return f"{code.co_filename}:{innermost.f_lineno} in {code.co_name}"


_current: Watchdog | None = None


def loop_blocked_for() -> float:
    """Return the running watchdog's ``blocked_for()`` in seconds, or 0.0 where none runs."""
    return _current.blocked_for() if _current else 0.0


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
