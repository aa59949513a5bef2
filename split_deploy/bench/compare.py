"""Two reports, held against each other: what differs by more than their rounds vary."""

from collections.abc import Iterator, Mapping
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

    def __str__(self) -> str:
        before, after = median(self.first), median(self.second)
        change = f"{after / before - 1:+.0%}" if before else "from 0"
        said = []
        for values in (self.first, self.second):
            low, high = interval(values)
            said.append(f"{number(median(values))} ({number(low)} to {number(high)})")
        return f"{self.workload}, {self.topology}, {self.figure}: {' and '.join(said)}, {change}"


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
                    yield Difference(*key, figure, these, those)


def _rounds(result: Mapping[str, Any], figure: str) -> tuple[float, ...]:
    rounds = (each for each in result["rounds"] if each is not None)
    return tuple(each[figure] for each in rounds if each.get(figure) is not None)
