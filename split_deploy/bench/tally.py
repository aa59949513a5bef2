"""What a process has counted so far, for ``counting``."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from asgiref.sync import AsyncToSync


class Tally:
    """What was counted in this process so far."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = {"requests": 0, "hops": 0, "event_loops": 0, "threads_started": 0}

    def add(self, name: str, number: int = 1) -> None:
        """Add ``number`` to what is counted as ``name``."""
        with self._lock:
            self._counts[name] += number

    def so_far(self) -> dict[str, int]:
        """Return all of them."""
        with self._lock:
            return dict(self._counts)

    def count_threads(self) -> None:
        """Count the threads that ``threading`` starts from now on."""

        def begins(_frame: FrameType, _event: str, _argument: object) -> None:
            # The first thing that the thread does; the rest is of no interest.
            sys.setprofile(None)
            self.add("threads_started")

        threading.setprofile(begins)

    @contextmanager
    def counting_loops(self) -> Iterator[None]:
        """Count the event loops that asgiref makes for the code inside, in this thread."""
        made_by = AsyncToSync.__call__.__code__

        def called(frame: FrameType, event: str, _argument: object) -> None:
            if event == "call" and frame.f_code is made_by:
                self.add("event_loops")
                self.add("hops")

        sys.setprofile(called)
        try:
            yield
        finally:
            sys.setprofile(None)
