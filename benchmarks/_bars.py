"""What the split is to reach against its rivals, and what a report of ``make bench`` has of it."""

from collections.abc import Iterator
from typing import Any

from split_deploy.bench.statistics import ratio


def measured(report: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield what it is, the bar, and what was measured.

    Of the rivals under ASGI it is the best in the workload at hand, so that no ratio is one to a
    weak server. Those under WSGI are too unlike each other beside a flood for one to stand for all.
    """
    groups = {each["name"]: each["group"] for each in report["topologies"]}
    titles = {each["name"]: each["title"] for each in report["topologies"]}
    found = {each["name"]: each for each in report["workloads"]}

    def against(
        what: str, workload: str, group: str, bar: float, figure: str = "requests_per_second"
    ) -> Iterator[tuple[str, str, str]]:
        if workload not in found:
            return
        is_rate = figure == "requests_per_second"
        rivals = {
            each["topology"]: each["figures"][figure]["median"]
            for each in found[workload]["results"]
            if groups[each["topology"]] == group and figure in each["figures"]
        }
        if not rivals:
            return
        best = (max if is_rate else min)(rivals, key=lambda each: rivals[each])
        ratios = {
            each["topology"]: each for each in found[workload]["ratios"] if each["figure"] == figure
        }
        for name in rivals if group == "wsgi" else [best]:
            yield (
                f"{what}, against {titles[name]}",
                f"at least {bar:g} times" if is_rate else f"at most {bar:g} times",
                _said(ratios.get(name)),
            )

    yield from against("sync page", "json", "asgi", 5)
    yield from against("async page", "json-async", "asgi", 7)
    page = "sync ORM page beside 64 outbound calls"
    yield from against(page, "read-beside-outbound-64", "asgi", 5)
    yield from against(page, "read-beside-outbound-64", "wsgi", 20)
    p99 = f"p99 of the {page}"
    yield from against(p99, "read-beside-outbound-64", "asgi", 0.2, "open_p99_ms")
    yield from against(p99, "read-beside-outbound-64", "wsgi", 0.2, "open_p99_ms")
    if {"alone-read", "read-beside-outbound-64"} <= found.keys():
        beside, alone = (
            _rounds(found[name], "split") for name in ("read-beside-outbound-64", "alone-read")
        )
        yield (
            f"{p99}, against its own alone",
            "at most 1.5 times",
            _said(ratio(beside, alone, "open_p99_ms")),
        )
    page = "async page beside CPU-bound sync views"
    yield from against(page, "json-async-beside-burn", "asgi", 30)
    yield from against(page, "json-async-beside-burn", "native", 6)


def _rounds(workload: dict[str, Any], topology: str) -> dict[int, dict[str, float]]:
    """What ``topology`` had in each round that it could be measured in, by its number."""
    return {
        number: figures
        for each in workload["results"]
        if each["topology"] == topology
        for number, figures in enumerate(each["rounds"])
        if figures is not None
    }


def _said(times: dict[str, Any] | None) -> str:
    if times is None:
        return "nothing was answered"
    low, high = (_figures(times[name], 2) for name in ("low", "high"))
    return f"{_figures(times['median'], 3)} times ({low} to {high})"


def _figures(value: float, number: int) -> str:
    return f"{float(f'{value:.{number}g}'):,g}"
