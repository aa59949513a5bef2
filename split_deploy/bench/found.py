"""What was found so far, and the report that it makes."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from split_deploy.bench.cell import OverTime
from split_deploy.bench.config import Config, Curve, Defaults, Project, Workload
from split_deploy.bench.growth import growth
from split_deploy.bench.load.figures import Figures
from split_deploy.bench.noise import noise
from split_deploy.bench.report.write import SCHEMA
from split_deploy.bench.statistics import ratio, rounded, summaries
from split_deploy.bench.topologies import TOPOLOGIES, Size, Topology

#: What has ratios.
_COMPARED: Final = (
    *("requests_per_second", "p99_ms", "open_p99_ms", "bytes_per_stream", "tick_p99_ms", "cpu_us"),
)


def size(run: Defaults) -> Size:
    """Return the processes and threads of a run."""
    return Size(run.processes, run.async_processes, run.threads)


@dataclass(slots=True)
class Results:
    """Of one workload: what each topology had in each round, by the number of the round."""

    workload: Workload
    rounds: dict[str, dict[int, Figures]] = field(default_factory=dict)
    #: One topology a second time, and which.
    again: dict[int, Figures] = field(default_factory=dict)
    again_of: str = ""
    over_time: dict[str, OverTime] = field(default_factory=dict)

    def add(self, topology: str, number: int, figures: Figures) -> None:
        """Add what ``topology`` had in the round ``number``."""
        self.rounds.setdefault(topology, {})[number] = figures


@dataclass(slots=True)
class Found:
    """All results of a run."""

    config: Config
    run: Defaults
    workloads: dict[str, Results]
    curves: Sequence[Curve]
    #: By the names of curve and topology: each value, and the summaries of its figures.
    points: dict[str, dict[str, list[dict[str, Any]]]] = field(default_factory=dict)
    #: Why a topology is left out, by its name.
    skipped: dict[str, str] = field(default_factory=dict)
    start_seconds: dict[str, float] = field(default_factory=dict)

    def add_point(self, curve: Curve, topology: str, value: int, rounds: Sequence[Figures]) -> None:
        """Add what was found at one value of a curve."""
        points = self.points.setdefault(curve.name, {}).setdefault(topology, [])
        points.append({"value": value, "figures": summaries(rounds)})

    def report(self, steal_percent: float, head: Mapping[str, Any]) -> dict[str, Any]:
        """Return the report, with ``head`` for what isn't of the results."""
        run = self.run
        own = self._against_itself("requests_per_second")
        unsure = {figure: self._differs(figure) for figure in _COMPARED}
        return {
            "schema": SCHEMA,
            "title": self.config.title,
            **head,
            "parameters": {
                "seconds": run.seconds,
                "rounds": run.rounds,
                "connections": run.connections,
                "processes": run.processes,
                "async_processes": run.async_processes,
                "threads": run.threads,
            },
            "topologies": [self._topology(each) for each in self._reported()],
            "workloads": [
                _workload(each, run, unsure) for each in self.workloads.values() if each.rounds
            ],
            "curves": [
                _curve(curve, self.points[curve.name])
                for curve in self.curves
                if curve.name in self.points
            ],
            "noise": noise(steal_percent, own),
        }

    def _reported(self) -> list[Topology]:
        names = {*self.skipped, *(name for each in self.workloads.values() for name in each.rounds)}
        names.update(name for found in self.points.values() for name in found)
        return [topology for topology in TOPOLOGIES.values() if topology.name in names]

    def _topology(self, topology: Topology) -> dict[str, Any]:
        return {
            "name": topology.name,
            "title": topology.title,
            "group": topology.group,
            "processes": _processes(topology, self.config.project, size(self.run)),
            "threads_note": topology.threads_note,
            "start_seconds": self.start_seconds.get(topology.name),
            "skipped": self.skipped.get(topology.name),
        }

    def _differs(self, figure: str) -> float:
        """Return by which part a topology differs from itself: in ``figure``, or else in rate."""
        own = self._against_itself(figure) or self._against_itself("requests_per_second")
        return max((max(each["ratio"], 1 / each["ratio"]) - 1 for each in own), default=0.0)

    def _against_itself(self, figure: str) -> list[dict[str, Any]]:
        own = []
        for name, results in self.workloads.items():
            topology = results.again_of
            if topology not in results.rounds:
                continue
            found = ratio(results.again, results.rounds[topology], figure)
            if found is not None:
                own.append(
                    {
                        "workload": name,
                        "topology": topology,
                        "ratio": found["median"],
                        "low": found["low"],
                        "high": found["high"],
                    }
                )
        return own


def _processes(topology: Topology, project: Project, size: Size) -> list[dict[str, Any]]:
    return [
        {
            "role": spec.role,
            "server": spec.title,
            "number": spec.number,
            "threads": spec.threads,
            "command": shlex.join(
                "python" if part == sys.executable else part
                for part in spec.command(Path(spec.socket))
            ),
        }
        for spec in topology.servers(project, size)
    ]


def _workload(results: Results, run: Defaults, unsure: Mapping[str, float]) -> dict[str, Any]:
    workload = results.workload
    beside = workload.beside
    names = [name for name in TOPOLOGIES if name in results.rounds]
    return {
        "name": workload.name,
        "title": workload.title or workload.name,
        "path": workload.path,
        "wsgi_path": workload.wsgi_path or None,
        "connections": None if workload.streams else workload.connections or run.connections,
        "seconds": workload.seconds or run.seconds,
        "rate": workload.rate or None,
        "rate_seconds": (workload.rate_seconds or run.seconds) if workload.rate else None,
        "beside": beside
        and {
            "path": beside.path,
            "wsgi_path": beside.wsgi_path or None,
            "connections": beside.connections,
            "pause_ms": beside.pause_ms,
        },
        "streams": workload.streams or None,
        "period_ms": workload.period_ms or None,
        "roomy": workload.roomy,
        "flood_seconds": next(
            ([rounded(second) for second in each.flood] for each in results.over_time.values()),
            None,
        ),
        "results": [_result(results, name) for name in names],
        "ratios": _ratios(results, names, unsure),
    }


def _result(results: Results, topology: str) -> dict[str, Any]:
    found = results.rounds[topology]
    rounds = [found.get(number) for number in range(max(found) + 1)]
    over_time = results.over_time.get(topology)
    return {
        "topology": topology,
        "rounds": [
            each and {name: rounded(value) for name, value in each.items()} for each in rounds
        ],
        "figures": summaries([each for each in rounds if each]),
        "timeline": [[rounded(value) for value in row] for row in over_time.timeline]
        if over_time
        else None,
    }


def _ratios(
    results: Results, names: Sequence[str], unsure: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Those of the split to each other one."""
    if not names or TOPOLOGIES[names[0]].group != "split":
        return []
    these = results.rounds[names[0]]
    return [
        {"topology": name, **found}
        for name in names[1:]
        for figure in _COMPARED
        if (found := ratio(these, results.rounds[name], figure, noise=unsure[figure])) is not None
    ]


def _curve(curve: Curve, points: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {
        "name": curve.name,
        "title": curve.title or curve.name,
        "vary": curve.vary,
        "path": curve.path,
        "results": [
            {"topology": name, "points": each, "growth": growth(curve.vary, each)}
            for name, each in points.items()
        ],
    }
