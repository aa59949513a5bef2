"""Waiting for sockets, and for an instant to a few hundredths of a millisecond."""

import select
import selectors
import time
from typing import Any, Final

#: Seconds on a clock that nobody sets.
clock: Final = time.perf_counter

Ready = list[tuple[selectors.SelectorKey, int]]


class Selector:
    """Sockets and what they belong to, of which ``ready`` says which can be read or written.

    Not asyncio, nor uvloop: the timers of both, like epoll's, are of whole milliseconds, and as
    long as that takes a page.
    """

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self.add = self._selector.register
        self.change = self._selector.modify
        self.remove = self._selector.unregister

    def ready(self, seconds: float) -> Ready:
        """Return what is ready, as soon as something is, and after ``seconds`` at the latest."""
        if seconds > 0 and hasattr(selectors, "EpollSelector"):
            # An epoll can be waited for as a file can, and select() takes microseconds.
            waited_for: Any = self._selector
            select.select([waited_for], [], [], seconds)
            seconds = 0
        return self._selector.select(seconds)

    def close(self) -> None:
        """Forget all sockets, without closing them."""
        self._selector.close()
