"""Two reports, held against each other: what differs by more than their rounds vary."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from split_deploy.bench.report.words import number
from split_deploy.bench.statistics import interval

#: What is worth a line; the rest of the figures follow from these.
_FIGURES: Final = (
    *("requests_per_second", "p50_ms", "p99_ms", "p999_ms"),
    *("open_p50_ms", "open_p99_ms", "open_p999_ms", "cpu_us", "hops", "memory_bytes", "threads"),
    *("connections", "bytes_per_stream", "tick_p99_ms"),
)
#: What servers keep of all that they have served: only after the same can it be the same.
_KEPT: Final = ("memory_bytes", "threads", "connections")
#: What has to be the same for figures to be of the same.
_MACHINE: Final = ("cpu", "cores", "pinned", "server_cores", "load_cores", "roomy_cores")
_PARAMETERS: Final = ("seconds", "connections", "processes", "async_processes", "threads")
_ASKED: Final = (
    *("path", "wsgi_path", "connections", "seconds", "rate", "rate_seconds", "beside"),
    *("streams", "period_ms", "roomy"),
)


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of one workload on one topology in two reports."""

    workload: str
    topology: str
    figure: str
    #: Its values in the rounds.
    first: tuple[float, ...]
    second: tuple[float, ...]

    @property
    def agree(self) -> bool:
        """Whether the intervals of the rounds overlap."""
        (low, high), (other_low, other_high) = interval(self.first), interval(self.second)
        return low <= other_high and other_low <= high

    @property
    def change(self) -> float | None:
        """By which part the second median is more than the first; ``None`` if that is 0."""
        before, after = median(self.first), median(self.second)
        if before:
            return after / before - 1
        return None if after else 0.0

    def __str__(self) -> str:
        change = "from 0" if self.change is None else f"{self.change:+.0%}"
        both = " and ".join(said(values) for values in (self.first, self.second))
        return f"{self.workload}, {self.topology}, {self.figure}: {both}, {change}"


def said(values: Sequence[float]) -> str:
    """Return the median and the interval of ``values``, for people."""
    low, high = interval(values)
    return f"{number(median(values))} ({number(low)} to {number(high)})"


def unlike(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Return what was not measured in the same way: ``parameters.connections is 64 and 32``.

    Versions may differ: they may be what is compared.
    """
    pairs = [
        *_pairs("machine", _MACHINE, first, second),
        *_pairs("parameters", _PARAMETERS, first, second),
        ("quick", first.get("quick"), second.get("quick")),
    ]
    others = {workload["name"]: workload for workload in second["workloads"]}
    for workload in first["workloads"]:
        if other := others.get(workload["name"]):
            pairs += [
                (f"{workload['name']}.{name}", workload.get(name), other.get(name))
                for name in _ASKED
            ]
    return [f"{name} is {one} and {another}" for name, one, another in pairs if one != another]


def _pairs(
    key: str, names: tuple[str, ...], first: Mapping[str, Any], second: Mapping[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    for name in names:
        yield f"{key}.{name}", first.get(key, {}).get(name), second.get(key, {}).get(name)


def compare(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[Difference]:
    """Yield each figure that both reports have from several rounds, in the order of the first.

    Memory, threads and connections are left out if the reports don't have the same workloads, but
    of streams that had servers of their own.
    """
    is_same = _asked(first) == _asked(second)
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
            is_fresh = bool(_rounds(result, "bytes_per_stream"))
            for figure in _FIGURES:
                if figure in _KEPT and not (is_same or is_fresh):
                    continue
                these, those = _rounds(result, figure), _rounds(others[key], figure)
                # A single value says nothing of what it varies by.
                if len(these) > 1 and len(those) > 1:
                    yield Difference(*key, figure, these, those)


def summed_up(found: Sequence[Difference]) -> str:
    """Return how many of ``found`` agree, and by how much the medians of a rate differ."""
    agreeing = sum(each.agree for each in found)
    sentences = [f"{agreeing} of {len(found)} figures agree within what their rounds vary by."]
    rates = [each.change for each in found if each.figure == "requests_per_second"]
    if rates:
        half = median(math.inf if change is None else abs(change) for change in rates)
        sentences.append(
            f"Half of the {len(rates)} medians of requests a second differ by at most {half:.0%}."
        )
    return " ".join(sentences)


def _asked(report: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return which workloads were measured on which topologies."""
    return {
        (workload["name"], result["topology"])
        for workload in report["workloads"]
        for result in workload["results"]
    }


def _rounds(result: Mapping[str, Any], figure: str) -> tuple[float, ...]:
    rounds = (each for each in result["rounds"] if each is not None)
    return tuple(each[figure] for each in rounds if each.get(figure) is not None)
