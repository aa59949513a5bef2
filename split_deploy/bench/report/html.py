"""The report as one page that needs nothing else: no script, no font, no picture from elsewhere."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any, Final

from django.template import Context, Engine
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe

from split_deploy.bench.noise import UNSTEADY
from split_deploy.bench.report.charts import COLORS, Panel, inline, panels
from split_deploy.bench.report.progress import SPLIT
from split_deploy.bench.report.words import (
    LEFT_OUT,
    NOTHING,
    duration,
    in_order,
    measured,
    number,
    primary,
    times,
    word,
)

#: Columns that are left out when all that they say is 0.
_RARE: Final = frozenset({"errors", "open_errors", "dropped", "event_loops"})
#: The headings of the charts of a workload, by their kind.
_HEADINGS: Final[Mapping[str, str]] = {
    "throughput": "Requests a second; the line spans the rounds",
    "beside": "Requests a second; the line spans the rounds",
    "latency": "Latency in ms: p50 (disc), p99 (ring and number), p99.9 (bar)",
    "stream-memory": "Memory of a stream in KB; the line spans the rounds",
    "ticks": "How late ticks are, in ms: p50 (disc), p99 (ring and number), latest (bar)",
}

_Row = Mapping[str, Any]


def render(report: Mapping[str, Any]) -> str:
    """Return the page of ``report``, which is one of ``schema.json``."""
    template = files("split_deploy.bench.report").joinpath("page.html").read_text(encoding="utf-8")
    topologies = {each["name"]: each for each in report["topologies"]}
    drawn = panels(report)
    context = {
        "report": report,
        "duration": duration(report["seconds"]),
        "started": report["started"].replace("T", " ").removesuffix("Z") + " UTC",
        "summary": _summary(report),
        "colors": COLORS,
        "machine": _machine(report["machine"]),
        "versions": [(name, value or "none") for name, value in report["versions"].items()],
        "parameters": [
            (name.replace("_", " "), number(value) if isinstance(value, int | float) else value)
            for name, value in report["parameters"].items()
        ],
        "topologies": [_topology(each) for each in report["topologies"]],
        "overview": _overview(report["workloads"], topologies),
        "workloads": [
            _workload(each, topologies, [panel for panel in drawn if panel.name == each["name"]])
            for each in report["workloads"]
            if each["results"]
        ],
        "curves": [
            _curve(each, topologies, [panel for panel in drawn if panel.name == each["name"]])
            for each in report["curves"]
            if each["results"]
        ],
        "noise": _noise(report["noise"], report["workloads"], topologies),
    }
    # All that is shown is text by now, so there is nothing to localize, which would need settings.
    page = Engine().from_string(template).render(Context(context, use_l10n=False, use_tz=False))
    return str(page)


def _title(name: str, topologies: Mapping[str, _Row]) -> str:
    return str(topologies[name]["title"]) if name in topologies else name


def _group(name: str, topologies: Mapping[str, _Row]) -> str:
    return str(topologies[name]["group"]) if name in topologies else "faint"


def _summary(report: _Row) -> str:
    machine, versions = report["machine"], report["versions"]
    return (
        f"{machine['cores']} cores of {machine['cpu']}, "
        f"Python {versions['python']}, Django {versions['django']}"
    )


def _machine(machine: _Row) -> list[tuple[str, str]]:
    def cores(numbers: Sequence[int]) -> str:
        return ", ".join(map(str, numbers)) or NOTHING

    return [
        ("processor", f"{machine['cpu']}, {machine['cores']} cores"),
        ("memory", f"{number((machine['memory_bytes'] or 0) / 1024**3)} GB"),
        ("system", machine["system"]),
        ("cores of the servers", cores(machine["server_cores"])),
        ("the same, in mixtures", cores(machine.get("roomy_cores", machine["server_cores"]))),
        ("cores of nginx and the load", cores(machine["load_cores"])),
        ("kept on their cores", "yes" if machine["pinned"] else "no: this system doesn't allow it"),
    ]


def _topology(topology: _Row) -> dict[str, Any]:
    start = topology["start_seconds"]
    return {
        "title": topology["title"],
        "group": topology["group"],
        "processes": [
            {
                "text": f"{process['number']} × {process['server']}",  # noqa: RUF001
                "role": process["role"],
                "threads": NOTHING if process["threads"] is None else str(process["threads"]),
                "command": process["command"],
            }
            for process in topology["processes"]
        ],
        "note": topology["threads_note"] or "",
        "start": NOTHING if start is None else f"{number(start)} s",
        "skipped": topology["skipped"],
    }


def _judged(ratio: _Row) -> str:
    """What a ratio says of the split: ``better``, ``worse``, or ``unclear``."""
    better = word(ratio["figure"]).better
    if ratio["median"] is None or not ratio["conclusive"] or better is None:
        return "unclear"
    return "better" if (ratio["median"] > 1) == (better == "more") else "worse"


_SIGNS: Final = {"better": "▲", "worse": "▼", "unclear": "≈"}


def _overview(workloads: Sequence[_Row], topologies: Mapping[str, _Row]) -> dict[str, Any]:
    """The split's ratio to each topology for each workload, by the figure that decides."""
    compared = {ratio["topology"] for workload in workloads for ratio in workload["ratios"]}
    columns = [name for name in topologies if name in compared]
    rows = []
    for workload in workloads:
        figure = primary({ratio["figure"] for ratio in workload["ratios"]})
        ratios = {
            ratio["topology"]: ratio for ratio in workload["ratios"] if ratio["figure"] == figure
        }
        if figure is None or not ratios:
            continue
        cells = []
        for name in columns:
            ratio = ratios.get(name)
            if ratio is None or ratio["median"] is None:
                cells.append({"judged": "", "sign": "", "times": NOTHING})
            else:
                judged = _judged(ratio)
                sign = _SIGNS[judged]
                cells.append({"judged": judged, "sign": sign, "times": times(ratio["median"])})
        rows.append(
            {
                "name": workload["name"],
                "title": workload["title"],
                "figure": word(figure).name,
                "cells": cells,
            }
        )
    return {
        "columns": [
            {"title": _title(name, topologies), "group": _group(name, topologies)}
            for name in columns
        ],
        "rows": rows,
    }


def _workload(
    workload: _Row, topologies: Mapping[str, _Row], drawn: Sequence[Panel]
) -> dict[str, Any]:
    over_time = [panel for panel in drawn if panel.kind == "over-time"]
    conclusions = _conclusions(workload["ratios"], topologies)
    deciding = _deciding({ratio["figure"] for ratio in workload["ratios"]})
    return {
        "name": workload["name"],
        "title": workload["title"],
        "asked": _asked(workload),
        "conclusions": [
            {"is_more": is_more, "conclusions": of_list}
            for is_more in (False, True)
            if (of_list := [each for each in conclusions if (each["key"] in deciding) != is_more])
        ],
        "has_flood": bool(workload.get("flood_seconds")),
        "table": _table(workload["results"], topologies),
        "charts": [
            {"heading": _HEADINGS[panel.kind], "svg": _svg(panel)}
            for panel in drawn
            if panel.kind in _HEADINGS
        ],
        "over_time": [{"heading": panel.title, "svg": _svg(panel)} for panel in over_time],
    }


def _asked(workload: _Row) -> str:
    """What was asked for, as a piece of HTML."""
    said = [_paths(workload)]
    if workload["streams"]:
        period = workload["period_ms"]
        said.append(f"{number(workload['streams'])} streams at once,")
        said.append(f"with an event each {number(period)} ms" if period else "idle")
    elif workload["connections"]:
        said.append(f"over {_counted(workload['connections'], 'connection')}")
    if workload["rate"]:
        said.append(
            f"and at {number(workload['rate'])} arrivals a second for "
            f"{number(workload['rate_seconds'])} s"
        )
    if beside := workload["beside"]:
        said += ["while", _paths(beside)]
        said.append(f"is flooded over {_counted(beside['connections'], 'connection')}")
        if beside["pause_ms"]:
            said.append(f"that pause for {number(beside['pause_ms'])} ms in between")
    return format_html_join(" ", "{}", ((each,) for each in said))


def _paths(asked: _Row) -> str:
    """The path, and its twin under WSGI if it has one."""
    if asked["wsgi_path"]:
        return format_html(
            "<code>{}</code> (all WSGI: <code>{}</code>)", asked["path"], asked["wsgi_path"]
        )
    return format_html("<code>{}</code>", asked["path"])


def _counted(count: int, what: str) -> str:
    return f"{number(count)} {what}" if count == 1 else f"{number(count)} {what}s"


def _deciding(figures: Collection[str]) -> set[str | None]:
    """What is said at once: the figure that decides, and the latency at its tail."""
    tail = next((name for name in ("open_p99_ms", "p99_ms") if name in figures), None)
    return {primary(figures), tail}


def _conclusions(ratios: Sequence[_Row], topologies: Mapping[str, _Row]) -> list[dict[str, Any]]:
    """The ratios of each figure by what they say of the split, the largest first."""
    found = []
    for figure in in_order({ratio["figure"] for ratio in ratios}):
        of_figure = [
            ratio for ratio in ratios if ratio["figure"] == figure and ratio["median"] is not None
        ]
        of_figure.sort(key=lambda ratio: -ratio["median"])
        for judged, text in (
            ("better", "The split is better"),
            ("worse", "The split is worse"),
            ("unclear", "No conclusion"),
        ):
            here = [
                {
                    "title": _title(ratio["topology"], topologies),
                    "times": times(ratio["median"]),
                    "interval": f"{number(ratio['low'])} to {number(ratio['high'])}",
                }
                for ratio in of_figure
                if _judged(ratio) == judged
            ]
            if here:
                found.append(
                    {
                        "key": figure,
                        "judged": judged,
                        "sign": _SIGNS[judged],
                        "text": text,
                        "figure": word(figure).name,
                        "ratios": here,
                    }
                )
    return found


def _table(results: Sequence[_Row], topologies: Mapping[str, _Row]) -> dict[str, Any]:
    """Each topology's figures with their spreads."""
    known = {
        figure
        for result in results
        for figure, found in result["figures"].items()
        if found is not None and figure not in LEFT_OUT and (found["high"] or figure not in _RARE)
    }
    shown = in_order(known)
    return {
        "columns": [word(figure).title for figure in shown],
        "rows": [
            {
                "title": _title(result["topology"], topologies),
                "group": _group(result["topology"], topologies),
                "is_split": result["topology"] == SPLIT,
                "rounds": str(sum(each is not None for each in result["rounds"])),
                "cells": [_cell(figure, result["figures"].get(figure)) for figure in shown],
            }
            for result in results
        ],
        "without_errors": "errors" not in known
        and any("errors" in result["figures"] for result in results),
    }


def _cell(figure: str, found: _Row | None) -> dict[str, Any]:
    if found is None:
        return {"value": NOTHING, "spread": "", "failed": False}
    return {
        "value": measured(figure, found["median"]),
        "spread": _spread(figure, found),
        "failed": figure in _RARE and bool(found["median"]),
    }


def _spread(figure: str, found: _Row) -> str:
    part = found["spread"]
    if part is None:
        return " to ".join(measured(figure, found[end]) for end in ("low", "high"))
    if not part:
        return ""
    return f"{part:.0%}" if part >= 0.01 else "<1%"


def _curve(curve: _Row, topologies: Mapping[str, _Row], drawn: Sequence[Panel]) -> dict[str, Any]:
    values = sorted({point["value"] for result in curve["results"] for point in result["points"]})
    growths = [result["growth"] for result in curve["results"] if result["growth"]]
    figure = growths[0]["figure"] if growths else "cpu_us"
    rows = []
    for result in curve["results"]:
        points = {point["value"]: point["figures"].get(figure) for point in result["points"]}
        growth = result["growth"] or {"exponent": None, "verdict": NOTHING}
        rows.append(
            {
                "title": _title(result["topology"], topologies),
                "group": _group(result["topology"], topologies),
                "is_split": result["topology"] == SPLIT,
                "cells": [_cell(figure, points.get(value)) for value in values],
                "exponent": number(growth["exponent"]),
                "verdict": growth["verdict"],
            }
        )
    return {
        "name": curve["name"],
        "title": curve["title"],
        "vary": curve["vary"].removeprefix("env:"),
        "figure": word(figure).title,
        "values": [number(value) for value in values],
        "rows": rows,
        "charts": [_svg(panel) for panel in drawn],
    }


def _noise(
    noise: _Row, workloads: Iterable[_Row], topologies: Mapping[str, _Row]
) -> dict[str, Any]:
    titles = {workload["name"]: workload["title"] for workload in workloads}
    steal = noise["steal_percent"]
    return {
        "unsteady": noise["unsteady"],
        "messages": noise["messages"],
        "steal": "not known" if steal is None else f"{number(steal)}%",
        "self": [
            {
                "workload": titles.get(each["workload"], each["workload"]),
                "topology": _title(each["topology"], topologies),
                "times": times(each["ratio"]),
                "interval": f"{number(each['low'])} to {number(each['high'])}",
                "unsteady": abs(each["ratio"] - 1) > UNSTEADY,
            }
            for each in noise["self"]
        ],
    }


def _svg(panel: Panel) -> str:
    # Made by this package, which escapes what it takes from the report.
    return mark_safe(inline(panel))  # noqa: S308
