"""Write the figures of the documentation from what the benchmarks have printed.

    python benchmarks/write_tables.py FOLDER

FOLDER has the output of a benchmark each, named like it: ``async_json.json``, ``outbound.json``,
``outbound_view.json`` and so on. ``report.json`` is what ``make bench`` has written;
``report_bars.json`` what it has of the workloads that there are bars for,
``report_bars_again.json`` of some of them once more, and ``report_bars_json.json`` of the sync
JSON page alone, in more rounds. In the pages below, a table under ``<!-- NAME: ... -->`` is
replaced if the file of that name is there.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import _bars
from split_deploy.bench.compare import compare, said, summed_up
from split_deploy.bench.report.words import duration

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / "docs" / f"{name}.md"
    for name in ("measurements", "outbound", "async-database", "choosing", "benchmark", "tuning")
]
_TABLE = re.compile(
    r"(?P<marker><!-- (?P<name>[\w ]+): .*? -->\n)"
    r"(?:.+\n)*(?:\nPython [\d.]+, Django .*\n)?"
)

#: Rows of an account of memory: where a line that allocates belongs.
_OWNERS = (
    ("Uvicorn: connection, parser, request", r"uvicorn/"),
    ("asyncio: tasks, events, what registers them", r"python/(asyncio|_weakrefset|weakref|socket)"),
    ("Django: request, response, URL match, handler", r"django/|asgiref/"),
    ("this package's handler, middleware and stream", r"split_deploy/"),
    ("the view and its generator", r"benchmarks/"),
)


def number(value: float) -> str:
    """Three figures and thousands."""
    return f"{float(f'{value:.3g}'):,g}" if abs(value) < 1000 else f"{round(value, -1):,.0f}"


def rows(head: Iterable[str], body: Iterable[Iterable[object]]) -> str:
    """A table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *body]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def machine(found: dict[str, Any]) -> str:
    """What it was measured on, as a line below the table."""
    about = found["machine"] | found.get("versions", {})
    return (
        f"\nPython {about['python']}, Django {about['django']}, "
        f"{about['cores']} cores of {about['cpu']}."
    )


def requests(found: dict[str, Any]) -> str:
    """The series of ``async_json.py``, or of one with a database, which has connections too."""
    head = ["", "requests a second", "p50, ms", "p99, ms", "hops", "threads started"]
    connections = found.get("most_connections")

    def body() -> Iterable[Iterable[object]]:
        for name, figures in found["series"].items():
            counted = found["counted"].get(name, {})
            yield [
                name,
                *(number(figures[key]) for key in ("requests_per_second", "p50_ms", "p99_ms")),
                number(counted["hops"]) if counted else "",
                number(counted["threads_started"]) if counted else "",
                *([number(connections[name])] if connections else []),
            ]

    return rows([*head, "connections"] if connections else head, body())


def ratios(found: dict[str, Any]) -> str:
    return rows(
        ["native is", "times", "by processor time", "bar"],
        (
            [name, each["ratio"], each["by_processor_time"], each["bar"] or ""]
            for name, each in found["ratios"].items()
        ),
    )


def idle_streams(found: dict[str, Any]) -> str:
    keys = ("kb_each", "rss_mb", "threads", "dropped", "with_a_heartbeat")
    return rows(
        ["", "KB each", "memory, MB", "threads", "dropped", "with a heartbeat"],
        ([name, *(number(each[key]) for key in keys)] for name, each in found["series"].items()),
    )


def account(found: dict[str, Any]) -> str:
    accounts = found["account_kb_each"]
    names = list(accounts)

    def of(name: str, pattern: str) -> float:
        lines = accounts[name]["by_line"].items()
        return sum(kb for line, kb in lines if re.match(pattern, line))

    body = [[owner, *(number(of(name, what)) for name in names)] for owner, what in _OWNERS]
    listed = "|".join(f"(?:{what})" for _, what in _OWNERS)
    rest = [number(accounts[name]["python_kb_each"] - of(name, listed)) for name in names]
    body.append(["lines that allocate less than 8 bytes each, and others", *rest])
    body.append(["all of Python", *(number(accounts[name]["python_kb_each"]) for name in names)])
    body.append(["resident", *(number(found["series"][name]["kb_each"]) for name in names)])
    return rows(["KB each", *names], body)


def nginx(found: dict[str, Any]) -> str:
    keys = ("requests_per_second", "p50_ms", "p99_ms", "log_p50_ms", "log_p99_ms", "log_max_ms")
    return rows(
        ["", "requests a second", "p50, ms", "p99", "p50 in nginx's log", "p99", "longest"],
        (
            [name, *(number(each[key]) if key in each else "" for key in keys)]
            for name, each in found["series"].items()
        ),
    )


def endurance(found: dict[str, Any]) -> str:
    slices = found["slices"]
    step = max(1, len(slices) // 10)
    return rows(
        ["requests", "requests a second", "processor time, µs a request", "memory, MB"],
        (
            [
                f"{each['requests']:,}",
                number(each["requests_per_second"]),
                number(each["cpu_us"]),
                each["rss_mb"],
            ]
            for each in [*slices[:-1:step], slices[-1]]
        ),
    )


def outbound(found: dict[str, Any]) -> str:
    by_number = found["at_once"]
    kinds = list(next(iter(by_number.values()))["series"])
    return rows(
        ["calls a second", *(f"{at_once} at once" for at_once in by_number)],
        (
            [
                kind,
                *(number(each["series"][kind]["calls_per_second"]) for each in by_number.values()),
            ]
            for kind in kinds
        ),
    )


def outbound_counts(found: dict[str, Any]) -> str:
    series = found["at_once"]["64"]["series"]
    return rows(
        ["64 at once", "processor time, µs a call", "passes a call", "calls that connected again"],
        (
            [
                kind,
                number(each["cpu_us"]),
                number(each["passes"]),
                # It warms up for a second, which counts too.
                f"{(each['new'] - 64) / each['calls_per_second'] / (found['seconds'] + 1):.0%}",
            ]
            for kind, each in series.items()
            if kind != "asyncio.sleep"
        ),
    )


def async_database(found: dict[str, Any]) -> str:
    threads, views = found["threads"], found["views"]
    return rows(
        [
            "",
            f"{threads} threads",
            f"{4 * threads} threads",
            f"{threads} connections",
            f"{4 * threads} connections",
        ],
        (
            [what, *(number(each[key]) for each in views[view]["series"].values())]
            for what, view, key in (
                ("one query: processor time a request, µs", "orm", "cpu_us"),
                ("five queries: processor time a request, µs", "five", "cpu_us"),
                ("a query of 20 ms: requests a second", "slow", "requests_per_second"),
            )
        ),
    )


def topologies(found: dict[str, Any]) -> str:
    """What was compared, and how many processes and threads each had."""

    def servers(topology: dict[str, Any]) -> str:
        return ", ".join(
            f"{each['number']} {'process' if each['number'] == 1 else 'processes'} of "
            f"{each['server']}" + (f" for {each['role']} views" if each["role"] != "mixed" else "")
            for each in topology["processes"]
        )

    return rows(
        ["", "processes", "threads", "started in, s"],
        (
            [
                topology["title"],
                servers(topology),
                topology["threads_note"]
                or f"{topology['processes'][0]['threads']} in each process",
                number(topology["start_seconds"] or 0),
            ]
            for topology in found["topologies"]
            if not topology["skipped"]
        ),
    )


def about(found: dict[str, Any]) -> str:
    """What a run was measured on, how long it took, and what noise there was, in sentences."""
    machine, noise, versions = found["machine"], found["noise"], found["versions"]
    titles = {each["name"]: each["title"] for each in found["workloads"]}
    own = ", ".join(
        f"{number(each['ratio'])} ({number(each['low'])} to {number(each['high'])}) for "
        f"{titles[each['workload']]}"
        for each in noise["self"]
    )
    said = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (
        f"{machine['cores']} cores of {machine['cpu']}, "
        f"{number(machine['memory_bytes'] / 1024**3)} GB, {machine['system']}; {said}. "
        f"`{found['command']}` took {duration(found['seconds'])}. Steal: "
        f"{number(noise['steal_percent'])}%. "
        f"The split as a multiple of itself: {own or 'not measured'}.\n"
    )


def agreement(found: dict[str, Any], again: dict[str, Any]) -> str:
    """How many figures of two runs agree."""
    return f"{summed_up(list(compare(found, again)))}\n"


def differences(found: dict[str, Any], again: dict[str, Any]) -> str:
    """Which figures of two runs don't agree."""
    titles = {each["name"]: each["title"] for each in found["workloads"] + found["topologies"]}
    return rows(
        ["what differs", "", "", "the first run", "the second"],
        (
            [
                *(titles[name] for name in (each.workload, each.topology)),
                f"`{each.figure}`",
                *(said(values) for values in (each.first, each.second)),
            ]
            for each in compare(found, again)
            if not each.agree
        ),
    )


def workloads(key: str, *names: str, drop: str = "") -> Callable[[dict[str, Any]], str]:
    """A figure of the workloads ``names``, by topology; its spread in brackets.

    ``drop`` is what their titles have in common, and the table need not repeat.
    """

    def table(found: dict[str, Any]) -> str:
        chosen = [each for each in found["workloads"] if each["name"] in names]
        figures = [
            {each["topology"]: each["figures"].get(key) for each in workload["results"]}
            for workload in chosen
        ]
        return rows(
            ["", *(_short(workload["title"], drop) for workload in chosen)],
            (
                [topology["title"], *(_with_spread(each.get(topology["name"])) for each in figures)]
                for topology in found["topologies"]
                if any(topology["name"] in each for each in figures)
            ),
        )

    return table


def _short(title: str, drop: str) -> str:
    title = title.replace(drop, "").strip(" ,")
    return title[:1].upper() + title[1:]


def _with_spread(figure: dict[str, Any] | None, scale: float = 1) -> str:
    if not figure:
        return ""
    if figure["spread"] is None:
        return f"0 (to {number(figure['high'] / scale)})"
    return f"{number(figure['median'] / scale)} ({figure['spread']:.0%})"


def streams(found: dict[str, Any]) -> str:
    """What a stream costs, and by how much its events are late if it has any."""
    titles = {each["name"]: each["title"] for each in found["topologies"]}

    def body() -> Iterable[Iterable[object]]:
        for workload in found["workloads"]:
            for result in workload["results"]:
                figures = result["figures"]
                if "bytes_per_stream" in figures:
                    yield [
                        workload["title"],
                        titles[result["topology"]],
                        number(figures["streams"]["median"]),
                        _with_spread(figures["bytes_per_stream"], 1024),
                        number(figures["threads"]["median"]),
                        _with_spread(figures.get("tick_p99_ms")),
                    ]

    return rows(["", "", "open", "KB a stream", "threads", "an event is late, p99, ms"], body())


def growth(found: dict[str, Any]) -> str:
    """What each curve costs at its first and its last value, and how that grows."""
    titles = {each["name"]: each["title"] for each in found["topologies"]}
    units = {"cpu_us": (1, "µs a request"), "bytes_per_stream": (1024, "KB a stream")}

    def body() -> Iterable[Iterable[object]]:
        for curve in found["curves"]:
            for result in curve["results"]:
                if not result["growth"]:
                    continue
                scale, unit = units[result["growth"]["figure"]]
                costs = [
                    _with_spread(point["figures"][result["growth"]["figure"]], scale)
                    for point in result["points"]
                    if result["growth"]["figure"] in point["figures"]
                ]
                values = [f"{point['value']:,}" for point in result["points"]]
                yield [
                    f"{curve['title']}: {', '.join(values)}",
                    titles[result["topology"]],
                    f"{', '.join(costs)} {unit}",
                    result["growth"]["verdict"],
                ]

    return rows(["", "", "cost", "grows"], body())


def bars(*found: dict[str, Any]) -> str:
    """What was to be reached, and was in three runs."""
    runs = ("the first run", "the second", "the third")
    head = ["", "bar", *runs, "all of their rounds"]
    return rows(head, _bars.measured(*found)) + machine(found[0]) + "\n"


def what_helps(found: dict[str, Any]) -> str:
    """A group of ``what_helps.py``, but that about the start."""
    series, ratios = found["series"], found["ratios"]

    def body() -> Iterable[Iterable[object]]:
        for name, figures in series.items():
            compared = ratios.get(name, {})
            yield [
                name,
                number(figures["requests_per_second"]),
                number(figures["cpu_us"]),
                *(_ratio(compared.get(key)) for key in ("requests_per_second", "cpu_us")),
            ]

    head = ["", "requests a second", "processor time, µs", "times the requests", "the time"]
    return rows(head, body())


def what_helps_p99(found: dict[str, Any]) -> str:
    return rows(
        ["", "p50, ms", "p99, ms"],
        (
            [name, number(each["p50_ms"]), number(each["p99_ms"])]
            for name, each in found["series"].items()
            if name in ("as shipped", "without gc.freeze()", "no garbage collection")
        ),
    )


def what_helps_start(found: dict[str, Any]) -> str:
    return rows(
        ["", "seconds to the first answer", "seconds of processor time"],
        (
            [name, number(figures["seconds"]), number(figures["cpu_seconds"])]
            for name, figures in found["series"].items()
        ),
    )


def scheduling_groups(found: dict[str, Any]) -> str:
    keys = ("p50_ms", "p99_ms", "max_ms")
    return rows(
        ["late by, ms", "p50", "p99", "most"],
        ([name, *(number(each[key]) for key in keys)] for name, each in found["series"].items()),
    )


def _ratio(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    shown = f"{found['median']:.2f} ({found['low']:.2f} to {found['high']:.2f})"
    return f"**{shown}**" if found["conclusive"] else shown


_BESIDE = ("outbound-16", "outbound-64", "outbound-256", "burn", "block")

#: Workloads of ``bench.toml`` that make a table together.
_PAGES = (
    "json",
    "page",
    "session",
    *(f"{what}-{where}" for where in ("postgresql", "sqlite") for what in ("read", "write")),
)
_WAITING = ("outbound", "outbound-sync", "call", "call-blocking-first", "fan-out")
_BODIES = ("upload", "upload-async", "download", "download-async")
_ORM_BESIDE = ("alone-read", *(f"read-beside-{flood}" for flood in _BESIDE))
_ASYNC_BESIDE = ("alone-json-async", *(f"json-async-beside-{flood}" for flood in _BESIDE))
_TICKS = ("alone-ticks", *(f"ticks-beside-{flood}" for flood in _BESIDE))

#: What stands in the marker: the file, and what makes a table of it.
TABLES: dict[str, tuple[str, Callable[[dict[str, Any]], str]]] = {
    "async_json": ("async_json", requests),
    "async_json ratios": ("async_json", ratios),
    "async_orm": ("async_orm", requests),
    "async_orm ratios": ("async_orm", ratios),
    "async_session": ("async_session", requests),
    "async_session ratios": ("async_session", ratios),
    "idle_streams": ("idle_streams", idle_streams),
    "idle_streams account": ("idle_streams", account),
    "nginx_unix_socket": ("nginx_unix_socket", nginx),
    "endurance": ("endurance", endurance),
    "outbound": ("outbound", outbound),
    "outbound counts": ("outbound", outbound_counts),
    "outbound_view": ("outbound_view", outbound),
    "async_database": ("async_database", async_database),
    **{
        f"report {name}": ("report", make)
        for name, make in {
            "sync pages": workloads("requests_per_second", *_PAGES, drop=", sync view"),
            "async pages": workloads(
                "requests_per_second", *(f"{name}-async" for name in _PAGES), drop=", async view"
            ),
            "waiting": workloads("requests_per_second", *_WAITING),
            "bodies": workloads("requests_per_second", *_BODIES),
            "orm beside": workloads("requests_per_second", *_ORM_BESIDE, drop="ORM page"),
            "orm beside p99": workloads("open_p99_ms", *_ORM_BESIDE, drop="ORM page"),
            "async beside": workloads("requests_per_second", *_ASYNC_BESIDE, drop="Async page"),
            "async beside p99": workloads("open_p99_ms", *_ASYNC_BESIDE, drop="Async page"),
            "ticks": workloads("tick_p99_ms", *_TICKS, drop="100 streams that tick"),
            "streams": streams,
            "topologies": topologies,
            "curves": growth,
        }.items()
    },
    "scheduling_groups": ("scheduling_groups", scheduling_groups),
    **{
        f"what_helps {group}": (f"what_helps_{group}", what_helps)
        for group in ("own", "sync", "async", "cores", "file", "code")
    },
    "what_helps async p99": ("what_helps_async", what_helps_p99),
    "what_helps sync p99": ("what_helps_sync", what_helps_p99),
    "what_helps start": ("what_helps_start", what_helps_start),
}


#: The same, of what isn't a table or comes from two files.
ABOUT: dict[str, tuple[tuple[str, ...], Callable[..., str]]] = {
    "report about": (("report",), about),
    "report_bars about": (("report_bars",), about),
    "report_bars": (("report_bars", "report_bars_again", "report_bars_json"), bars),
    "report_bars agreement": (("report_bars", "report_bars_again"), agreement),
    "report_bars differences": (("report_bars", "report_bars_again"), differences),
}


def main(folder: Path) -> None:
    """Write them."""

    def read(file: str) -> dict[str, Any] | None:
        path = folder / f"{file}.json"
        if not path.exists():
            return None
        text = path.read_text()
        # The scripts print one line, after whatever else they say.
        return json.loads(text if file.startswith("report") else text.splitlines()[-1])

    def written(match: re.Match[str]) -> str:
        if match["name"] in ABOUT:
            files, tell = ABOUT[match["name"]]
            reports = [read(file) for file in files]
            return match[0] if None in reports else match["marker"] + tell(*reports)
        file, make = TABLES[match["name"]]
        if (found := read(file)) is None:
            return match[0]
        return match["marker"] + make(found) + machine(found) + "\n"

    for page in PAGES:
        page.write_text(_TABLE.sub(written, page.read_text()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
