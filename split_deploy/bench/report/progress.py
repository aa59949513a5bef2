"""How far a run is: the cells that are done, the time that is left, the medians so far."""

import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

#: The topology to which the others are compared.
SPLIT = "split"


@dataclass(slots=True)
class Series:
    """What was measured of a topology under the workload at hand."""

    title: str
    #: The values of each figure, one for each round.
    values: dict[str, list[float]] = field(default_factory=dict)

    def median(self, figure: str) -> float | None:
        """Return the median of the rounds so far."""
        return statistics.median(self.values[figure]) if figure in self.values else None


@dataclass(slots=True)
class Workload:
    """The workload at hand."""

    title: str
    #: By the topology's name, in the order in which they were measured first.
    series: dict[str, Series] = field(default_factory=dict)
    #: Whether its last round has begun.
    in_last_round: bool = False

    def figures(self) -> set[str]:
        """Return the names of all that was measured."""
        return {name for series in self.series.values() for name in series.values}

    def ratio(self, topology: str, figure: str) -> float | None:
        """Return the split's median as a multiple of the other's, if there are both."""
        if topology == SPLIT or SPLIT not in self.series or topology not in self.series:
            return None
        split, other = self.series[SPLIT].median(figure), self.series[topology].median(figure)
        return None if split is None or not other else split / other


class Progress:
    """Counts the cells of a run. A cell is one workload on one topology in one round."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.cells = 0
        self.workload = Workload("")
        self.topology = ""
        self.round = self.rounds = 0
        # By title: a round has each of them, and the next round again.
        self._workloads: dict[str, Workload] = {}
        self._clock = clock
        self._planned_seconds = 0.0
        self._end = math.inf
        self._begun = 0
        self._is_under_way = False
        self._took: list[float] = []
        self._since = clock()

    def plan(self, cells: int, seconds: float, most: float = math.inf) -> None:
        """Expect ``cells`` more of them, which are thought to take ``seconds`` together.

        After ``most`` seconds no other is begun.
        """
        self._end = self._clock() + most
        self.cells = self.done + cells
        self._planned_seconds = seconds / max(cells, 1)
        self._since = self._clock()

    def begin(self, workload: str, topology: str, round_: int, rounds: int) -> Workload | None:
        """Begin a cell. Return the workload before this one, if that has had its last round."""
        before = None
        if workload != self.workload.title:
            if self.workload.in_last_round:
                before = self.workload
            self.workload = self._workloads.setdefault(workload, Workload(workload))
        self.workload.in_last_round = round_ >= rounds
        self.topology, self.round, self.rounds = topology, round_, rounds
        self._begun += 1
        self._is_under_way = True
        self._since = self._clock()
        return before

    def add(self, topology: str, figures: Mapping[str, float | None], seconds: float) -> None:
        """End the cell with what it found."""
        series = self.workload.series.setdefault(topology, Series(self.topology))
        for name, value in figures.items():
            if value is not None:
                series.values.setdefault(name, []).append(value)
        self._took.append(seconds)
        self._is_under_way = False
        self._since = self._clock()

    @property
    def done(self) -> int:
        """The cells that are over, those that failed included."""
        return self._begun - self._is_under_way

    @property
    def seconds_left(self) -> float:
        """What is left, if the cells to come take as long as those that were measured.

        The plan counts as one more of them, so that the first one doesn't decide alone.
        """
        mean = (sum(self._took) + self._planned_seconds) / (len(self._took) + 1)
        left = max(self.cells - self.done, 0)
        spent = min(self._clock() - self._since, mean)
        return max(min(left * mean - spent, self._end - self._clock()), 0.0)
