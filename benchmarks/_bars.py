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

    def figures(workload: str) -> dict[str, dict[str, Any]]:
        return {each["topology"]: each["figures"] for each in found[workload]["results"]}

    def rounds(workload: str, topology: str) -> dict[int, dict[str, float]]:
        results = found[workload]["results"]
        (result,) = [each for each in results if each["topology"] == topology]
        return dict(enumerate(result["rounds"]))

    def against(
        what: str, workload: str, group: str, bar: float, figure: str = "requests_per_second"
    ) -> Iterator[tuple[str, str, str]]:
        if workload not in found:
            return
        is_rate = figure == "requests_per_second"
        rivals = {
            name: each[figure]["median"]
            for name, each in figures(workload).items()
            if groups[name] == group and figure in each
        }
        if not rivals:
            return
        best = (max if is_rate else min)(rivals, key=lambda each: rivals[each])
        for name in rivals if group == "wsgi" else [best]:
            times = ratio(rounds(workload, "split"), rounds(workload, name), figure)
            yield (
                f"{what}, against {titles[name]}",
                f"at least {bar:g} times" if is_rate else f"at most {bar:g} times",
                _said(times),
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
        times = ratio(
            rounds("read-beside-outbound-64", "split"), rounds("alone-read", "split"), "open_p99_ms"
        )
        yield f"{p99}, against its own alone", "at most 1.5 times", _said(times)
    page = "async page beside CPU-bound sync views"
    yield from against(page, "json-async-beside-burn", "asgi", 30)
    yield from against(page, "json-async-beside-burn", "native", 6)


def _said(times: dict[str, Any] | None) -> str:
    if times is None:
        return "nothing was answered"
    low, high = (_figures(times[name], 2) for name in ("low", "high"))
    return f"{_figures(times['median'], 3)} times ({low} to {high})"


def _figures(value: float, number: int) -> str:
    return f"{float(f'{value:.{number}g}'):,g}"
