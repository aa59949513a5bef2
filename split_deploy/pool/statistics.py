"""How long calls wait for a thread."""

from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate

from split_deploy.watchdog import BUCKETS


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a pool has done so far, and does. Waits are in seconds.

    A call waits from when it is submitted, or from when the call before it of the same request has
    ended, until it runs.
    """

    #: How many threads there can be.
    size: int
    #: How many there are.
    started: int
    #: How many of them run something.
    busy: int
    #: How many calls wait for one.
    waiting: int
    #: How many have begun to run.
    calls: int
    #: Of all ``calls``, how many waited at most as long as each bound of ``BUCKETS``.
    waits: dict[float, int]
    #: The sum of their waits.
    waited: float
    #: The longest of them.
    longest_wait: float


class Waits:
    """Collects waits. Not for several threads at once."""

    __slots__ = ("_counts", "calls", "longest", "sum")

    def __init__(self) -> None:
        # Not cumulative, and with one more for what is above the last bound.
        self._counts = [0] * (len(BUCKETS) + 1)
        self.calls = 0
        self.sum = self.longest = 0.0

    def add(self, seconds: float) -> None:
        """Count a call that waited for so long."""
        self.calls += 1
        self._counts[bisect_left(BUCKETS, seconds)] += 1
        self.sum += seconds
        if seconds > self.longest:
            self.longest = seconds

    def buckets(self) -> dict[float, int]:
        """Return the cumulative histogram."""
        return dict(zip(BUCKETS, accumulate(self._counts[:-1]), strict=True))
