"""Two reports, held against each other: what differs by more than their rounds vary."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from split_deploy.bench.statistics import interval

#: What is worth a line; the rest of the figures follow from these.
_FIGURES: Final = (
    *("requests_per_second", "p50_ms", "p99_ms", "open_p99_ms", "cpu_us", "memory_bytes"),
    *("bytes_per_stream", "tick_p99_ms"),
)


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of one workload on one topology in two reports."""

    workload: str
    topology: str
    figure: str
    #: Medians.
    first: float
    second: float
    #: Whether the intervals of the rounds overlap.
    agree: bool

    def __str__(self) -> str:
        change = f"{self.second / self.first - 1:+.0%}" if self.first else "from 0"
        return (
            f"{self.workload}, {self.topology}, {self.figure}: "
            f"{self.first:,.5g} and {self.second:,.5g} ({change})"
        )


def compare(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[Difference]:
    """Yield each figure that both reports have from several rounds, in the order of the first."""
    others = {
        (workload["name"], result["topology"]): result
        for workload in second["workloads"]
        for result in workload["results"]
    }
    for workload in first["workloads"]:
        for result in workload["results"]:
            key = (workload["name"], result["topology"])
            if key not in others:
                continue
            for figure in _FIGURES:
                these, those = _rounds(result, figure), _rounds(others[key], figure)
                # A single value says nothing of what it varies by.
                if len(these) > 1 and len(those) > 1:
                    (low, high), (other_low, other_high) = interval(these), interval(those)
                    agree = low <= other_high and other_low <= high
                    yield Difference(*key, figure, median(these), median(those), agree)


def _rounds(result: Mapping[str, Any], figure: str) -> list[float]:
    return [each[figure] for each in result["rounds"] if each.get(figure) is not None]
