"""What the split is to reach against its rivals, and what reports of ``make bench`` have of it."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from split_deploy.bench.statistics import ratio

#: workload: topology: the figures of its rounds, by number.
Rounds: TypeAlias = Mapping[str, Mapping[str, Mapping[int, Mapping[str, float]]]]

#: More than a report has rounds: that of the next one has so much added to its number.
_NEXT: Final = 1000


def measured(*reports: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield what it is, the bar, and what was measured: in each report, and in all of them.

    Of the rivals under ASGI it is the best in the workload at hand, so that no ratio is one to a
    weak server. Those under WSGI are too unlike each other beside a flood for one to stand for all.
    """
    topologies = [each for report in reports for each in report["topologies"]]
    groups = {each["name"]: each["group"] for each in topologies}
    titles = {each["name"]: each["title"] for each in topologies}
    of_all = _rounds(reports)
    shown = [of_all] if len(reports) == 1 else [*(_rounds([each]) for each in reports), of_all]

    def against(
        what: str, workload: str, group: str, bar: float, figure: str = "requests_per_second"
    ) -> Iterator[tuple[str, ...]]:
        is_rate = figure == "requests_per_second"
        rivals = {
            name: statistics.median(each[figure] for each in rounds.values())
            for name, rounds in of_all.get(workload, {}).items()
            if groups[name] == group and all(figure in each for each in rounds.values())
        }
        if not rivals:
            return
        best = (max if is_rate else min)(rivals, key=lambda each: rivals[each])
        for name in rivals if group == "wsgi" else [best]:
            yield (
                f"{what}, against {titles[name]}",
                f"at least {bar:g} times" if is_rate else f"at most {bar:g} times",
                *(_said(each, (workload, "split"), (workload, name), figure) for each in shown),
            )

    yield from against("sync page", "json", "asgi", 5)
    if {"split-granian", "asgi-granian"} <= of_all.get("json", {}).keys():
        # Like against like: the split can have the same server.
        this, that = ("json", "split-granian"), ("json", "asgi-granian")
        yield (
            f"sync page with SYNC_SERVER=granian, against {titles['asgi-granian']}",
            "at least 5 times",
            *(_said(each, this, that, "requests_per_second") for each in shown),
        )
    yield from against("async page", "json-async", "asgi", 7)
    page, beside = "sync ORM page beside 64 outbound calls", "read-beside-outbound-64"
    yield from against(page, beside, "asgi", 5)
    yield from against(page, beside, "wsgi", 20)
    p99 = f"p99 of the {page}"
    yield from against(p99, beside, "asgi", 0.2, "open_p99_ms")
    yield from against(p99, beside, "wsgi", 0.2, "open_p99_ms")
    if {"alone-read", beside} <= of_all.keys():
        yield (
            f"{p99}, against its own alone",
            "at most 1.5 times",
            *(
                _said(each, (beside, "split"), ("alone-read", "split"), "open_p99_ms")
                for each in shown
            ),
        )
    page = "async page beside CPU-bound sync views"
    yield from against(page, "json-async-beside-burn", "asgi", 30)
    yield from against(page, "json-async-beside-burn", "native", 6)


def _rounds(reports: Sequence[Mapping[str, Any]]) -> Rounds:
    """The rounds of ``reports`` that could be measured."""
    found: dict[str, dict[str, dict[int, Mapping[str, float]]]] = {}
    for place, report in enumerate(reports):
        for workload in report["workloads"]:
            for result in workload["results"]:
                found.setdefault(workload["name"], {}).setdefault(result["topology"], {}).update(
                    (place * _NEXT + number, figures)
                    for number, figures in enumerate(result["rounds"])
                    if figures is not None
                )
    return found


def _said(rounds: Rounds, this: tuple[str, str], that: tuple[str, str], figure: str) -> str:
    of_this, of_that = (rounds.get(name, {}).get(topology, {}) for name, topology in (this, that))
    if not of_this or not of_that:
        return ""
    if (times := ratio(of_this, of_that, figure)) is None:
        return "nothing was answered"
    low, high = (_figures(times[name], 2) for name in ("low", "high"))
    return f"{_figures(times['median'], 3)} times ({low} to {high})"


def _figures(value: float, number: int) -> str:
    return f"{float(f'{value:.{number}g}'):,g}"
