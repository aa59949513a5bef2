"""The charts of a report, as SVG.

Two forms come from the same panels. ``draw()`` puts those of one kind into one file, for a README,
and makes each file twice: for a light page and for a dark one. ``inline()`` makes an SVG of each
panel for the page of the report, whose colors are CSS variables.

Text stays text, and equal reports give equal files: no dates, no random names.
"""

import io
import math
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from xml.sax.saxutils import quoteattr

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from split_deploy.bench.report.words import NOTHING, measured, number, word

#: Colors by what they stand for, on a light page and on a dark one: those of the groups are the
#: same in all charts and tables. People who see no red or no green can tell them apart, and none
#: means anything that isn't written beside it too. No two of a column are equal: ``_recolored``
#: counts on that.
COLORS: Final[Mapping[str, tuple[str, str]]] = {
    "split": ("#0067b8", "#4cb2f5"),
    "native": ("#008a6b", "#35c9a2"),
    "asgi": ("#d1500a", "#f5894f"),
    "wsgi": ("#8c6a00", "#e3bd4a"),
    "text": ("#1b2430", "#e6edf3"),
    "faint": ("#5d6875", "#9aa7b5"),
    "grid": ("#dfe4ea", "#2c3643"),
    "ghost": ("#c3cbd4", "#4a5665"),
    "flood": ("#f3ead9", "#33291a"),
    "page": ("#ffffff", "#0d1117"),
}
LIGHT: Final = {name: pair[0] for name, pair in COLORS.items()}
DARK: Final = {name: pair[1] for name, pair in COLORS.items()}

_FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
_STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "split-deploy",
    # The one that comes with matplotlib. It is wide, so what fits in it fits in those of _FONT.
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": LIGHT["grid"],
    "axes.labelcolor": LIGHT["faint"],
    "axes.titlecolor": LIGHT["text"],
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8.0,
    "xtick.color": LIGHT["faint"],
    "ytick.color": LIGHT["faint"],
    "xtick.major.size": 0.0,
    "ytick.major.size": 0.0,
    "text.color": LIGHT["text"],
    "grid.color": LIGHT["grid"],
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    # Also inside of text, where TeX would be looked for.
    "text.parse_math": False,
}

#: Inches. An SVG has 72 points in one, which a browser shows as 96 pixels.
_WIDTH: Final = 4.4
_ROW: Final = 0.23
#: What is around the axes of a panel: its title, its axis, the names of the topologies.
_ABOVE: Final = 0.42
_BELOW: Final = 0.3
_NAMES: Final = 1.55
_END: Final = 0.3


@dataclass(frozen=True, slots=True)
class Topology:
    """A topology, as the charts know it."""

    #: Its place among the others.
    order: int
    title: str
    group: str

    @property
    def color(self) -> str:
        return LIGHT[self.group]


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One chart: of a workload, of a topology under a workload, or of a curve."""

    #: What is drawn: a key of ``_FILES``.
    kind: str
    #: Of the workload or curve.
    name: str
    title: str
    #: What can be seen, in words.
    alt: str
    paint: Callable[[Axes, Sequence[Topology]], None]
    #: The rows from above, if it has rows.
    rows: tuple[Topology, ...] = ()
    #: Of the axes, in inches, if it has none.
    height: float = 1.5
    #: Of a kind that has a file for each workload: the workload's title.
    of: str = ""

    @property
    def file(self) -> str:
        return f"{self.kind}-{self.name}" if self.of else self.kind


@dataclass(frozen=True, slots=True)
class _File:
    title: str
    #: What has to be known to read it.
    note: str
    columns: int = 3


_SPREAD: Final = "More is better. The line across the end of a bar spans the rounds."
_FILES: Final[Mapping[str, _File]] = {
    "throughput": _File("Requests a second", _SPREAD),
    "beside": _File("Requests a second while others flood the servers", _SPREAD),
    "latency": _File(
        "Latency in ms",
        "Less is better. Disc: p50; ring and number: p99; bar: p99.9. The scales are logarithmic.",
    ),
    "over-time": _File(
        "Over time",
        "The longest of each quarter of a second in ms, and p50 as the thin line. Less is better.",
    ),
    "stream-memory": _File("Memory of an event stream in KB", "Less is better.", 2),
    "ticks": _File(
        "How late the ticks of event streams are, in ms",
        "Less is better. Disc: p50; ring and number: p99; bar: the latest. Logarithmic.",
    ),
    "growth": _File("How cost grows", "Less is better, and a flat line costs nothing more."),
}


def draw(report: Mapping[str, Any]) -> dict[str, str]:
    """Return the SVG files of ``report`` by their names: ``throughput-light.svg`` and so on.

    Kinds of which nothing was measured are left out.
    """
    files: dict[str, list[Panel]] = {}
    for panel in panels(report):
        files.setdefault(panel.file, []).append(panel)
    drawn = {}
    for name, of_file in files.items():
        svg = _composed(of_file, _footer(report))
        drawn[f"{name}-light.svg"] = svg
        drawn[f"{name}-dark.svg"] = _recolored(svg, DARK)
    return drawn


def inline(panel: Panel) -> str:
    """Return the panel as an SVG element for the report's page.

    Its colors are the variables ``--split``, ``--text`` and so on, by the keys of ``COLORS``.
    """
    height = _height(panel, panel.rows)
    with mpl.rc_context(_STYLE):
        below = _below(panel)
        figure = Figure(figsize=(_WIDTH, height + below + 0.05))
        names = _NAMES if panel.rows else 0.5
        axes = _axes(figure, names, below, _WIDTH - names - _END, height)
        panel.paint(axes, panel.rows)
        svg = _svg(figure, panel.alt, f"{panel.kind}-{panel.name}-{panel.title}")
    # Its title is a heading of the page.
    return _recolored(svg, {name: f"var(--{name})" for name in COLORS})


def panels(report: Mapping[str, Any]) -> list[Panel]:
    """Return all that can be drawn of ``report``, in the order of its workloads and curves."""
    topologies = {
        each["name"]: Topology(order, each["title"], each["group"])
        for order, each in enumerate(report["topologies"])
    }
    found: list[Panel] = []
    for workload in report["workloads"]:
        results = {
            topologies[each["topology"]]: each
            for each in workload["results"]
            if each["topology"] in topologies
        }
        found += _bars(
            "beside" if workload["beside"] else "throughput",
            "requests_per_second",
            workload,
            results,
        )
        found += _latencies(workload, results)
        if workload["beside"]:
            found += _timelines(workload, results)
        found += _bars("stream-memory", "bytes_per_stream", workload, results)
        ticks = ("tick_p50_ms", "tick_p99_ms", "tick_max_ms")
        found += _ranges("ticks", ticks, workload["title"], workload, results)
    for curve in report["curves"]:
        found += _growth(curve, topologies)
    return found


_Results = Mapping[Topology, Mapping[str, Any]]


def _medians(figure: str, results: _Results) -> dict[Topology, float]:
    """The medians of those of which there is one."""
    found = {}
    for topology, result in results.items():
        value = result["figures"].get(figure)
        if value is not None and value["median"] is not None:
            found[topology] = value["median"]
    return found


def _bars(
    kind: str, figure: str, workload: Mapping[str, Any], results: _Results
) -> Iterable[Panel]:
    """A bar for each topology."""
    medians = _medians(figure, results)
    if not any(medians.values()):
        return
    scale = word(figure).scale

    def paint(axes: Axes, rows: Sequence[Topology]) -> None:
        _name(axes, rows)
        ends = [results[topology]["figures"][figure]["high"] for topology in medians]
        longest = max(*medians.values(), *ends) / scale
        for y, topology in enumerate(rows):
            if topology not in medians:
                axes.text(0, y, f" {NOTHING}", va="center", color=LIGHT["faint"])
                continue
            found = results[topology]["figures"][figure]
            median, low, high = (found[key] / scale for key in ("median", "low", "high"))
            axes.barh(y, median, height=0.66, color=topology.color)
            axes.plot((low, high), (y, y), color=LIGHT["text"], linewidth=1.2)
            _number(axes, median, max(median, high), y, topology)
        axes.set_xlim(0, longest * 1.25)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)

    yield Panel(
        kind=kind,
        name=workload["name"],
        title=workload["title"],
        alt=_alt(workload["title"], figure, medians),
        paint=paint,
        rows=tuple(results),
    )


def _latencies(workload: Mapping[str, Any], results: _Results) -> Iterable[Panel]:
    """Those at a fixed rate, if there are any: the others are of as many as could be served."""
    title = workload["title"]
    if _medians("open_p99_ms", results):
        figures = ("open_p50_ms", "open_p99_ms", "open_p999_ms")
        title += f", at {number(workload['rate'])}/s"
    else:
        figures = ("p50_ms", "p99_ms", "p999_ms")
    yield from _ranges("latency", figures, title, workload, results)


def _ranges(
    kind: str,
    figures: tuple[str, str, str],
    title: str,
    workload: Mapping[str, Any],
    results: _Results,
) -> Iterable[Panel]:
    """A line from the first figure over the second to the third for each topology, on logs."""
    first, second, third = (_medians(figure, results) for figure in figures)
    found = {
        topology: [each[topology] for each in (first, second, third) if each.get(topology)]
        for topology in first
    }
    values = [value for each in found.values() for value in each]
    if not values:
        return

    def paint(axes: Axes, rows: Sequence[Topology]) -> None:
        _name(axes, rows)
        axes.set_xscale("log")
        for y, topology in enumerate(rows):
            marks = found.get(topology)
            if not marks:
                axes.text(
                    *(0, y, f" {NOTHING}"),
                    va="center",
                    color=LIGHT["faint"],
                    transform=axes.get_yaxis_transform(),
                )
                continue
            color = topology.color
            axes.plot((marks[0], marks[-1]), (y, y), color=color, linewidth=2, alpha=0.45)
            if third.get(topology):
                axes.plot(third[topology], y, marker="|", markersize=8, mew=2, color=color)
            if second.get(topology):
                axes.plot(
                    *(second[topology], y),
                    marker="o",
                    markersize=5.5,
                    mew=1.6,
                    color=color,
                    mfc=LIGHT["page"],
                )
            axes.plot(first[topology] or marks[0], y, marker="o", markersize=5.5, color=color)
            _number(axes, second.get(topology), marks[-1], y, topology)
        # Room for the number at the end.
        low, high = math.log10(min(values)), math.log10(max(values))
        room = max(high - low, 0.5)
        axes.set_xlim(10 ** (low - room * 0.06), 10 ** (high + room * 0.3))
        _log_ticks(axes, "x")
        axes.grid(axis="x")
        axes.spines["bottom"].set_visible(False)

    yield Panel(
        kind=kind,
        name=workload["name"],
        title=title,
        alt=_alt(title, figures[1], second),
        paint=paint,
        rows=tuple(results),
    )


def _timelines(workload: Mapping[str, Any], results: _Results) -> Iterable[Panel]:
    """A panel for each topology, with the others as ghosts behind it."""
    lines = {
        topology: [row for row in result["timeline"] if row[2]]
        for topology, result in results.items()
        if result.get("timeline")
    }
    lines = {topology: line for topology, line in lines.items() if line}
    if not lines:
        return
    flood = workload.get("flood_seconds")
    lowest = min(row[1] or row[2] for line in lines.values() for row in line)
    highest = max(row[2] for line in lines.values() for row in line)

    def painter(mine: Topology) -> Callable[[Axes, Sequence[Topology]], None]:
        def paint(axes: Axes, rows: Sequence[Topology]) -> None:
            axes.set_yscale("log")
            axes.set_ylim(lowest / 1.6, highest * 6)
            if flood:
                axes.axvspan(*flood, color=LIGHT["flood"], linewidth=0)
                axes.text(
                    *(sum(flood) / 2, 0.96, "flood"),
                    ha="center",
                    va="top",
                    fontsize=8,
                    color=LIGHT["faint"],
                    transform=axes.get_xaxis_transform(),
                )
            for topology in (*(each for each in lines if each != mine), mine):
                seconds = [row[0] for row in lines[topology]]
                is_mine = topology == mine
                axes.plot(
                    seconds,
                    [row[2] for row in lines[topology]],
                    color=topology.color if is_mine else LIGHT["ghost"],
                    linewidth=2 if is_mine else 0.7,
                )
            axes.plot(seconds, [row[1] for row in lines[mine]], color=mine.color, linewidth=0.8)
            _log_ticks(axes, "y")
            axes.grid(axis="y")
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} s")
            axes.margins(x=0)

        return paint

    for topology, line in lines.items():
        worst = max(row[2] for row in line)
        yield Panel(
            kind="over-time",
            name=workload["name"],
            title=topology.title,
            alt=f"{workload['title']}, {topology.title}: {number(worst)} ms at worst.",
            paint=painter(topology),
            height=1.15,
            of=workload["title"],
        )


def _growth(curve: Mapping[str, Any], topologies: Mapping[str, Topology]) -> Iterable[Panel]:
    """A line for each topology, on logs."""
    figure = next((each["growth"]["figure"] for each in curve["results"] if each["growth"]), None)
    lines: dict[Topology, list[tuple[float, float]]] = {}
    verdicts: dict[Topology, str] = {}
    for result in curve["results"]:
        topology = topologies.get(result["topology"])
        points = [
            (point["value"], found["median"] / word(figure or "").scale)
            for point in result["points"]
            if (found := point["figures"].get(figure)) and found["median"]
        ]
        if topology and len(points) > 1:
            lines[topology] = points
            verdicts[topology] = result["growth"]["verdict"] if result["growth"] else ""
    if not lines or figure is None:
        return
    xs = sorted({x for points in lines.values() for x, _ in points})
    ys = [y for points in lines.values() for _, y in points]

    def paint(axes: Axes, rows: Sequence[Topology]) -> None:
        # A logarithm has no place for 0.
        if xs[0] > 0:
            axes.set_xscale("log")
        else:
            axes.set_xscale("symlog", linthresh=xs[1], linscale=0.5)
        axes.set_yscale("log")
        axes.set_ylim(min(ys) / 1.5, max(ys) * 1.6)
        for topology, points in lines.items():
            axes.plot(*zip(*points, strict=True), color=topology.color, marker="o", markersize=3.5)
        axes.set_xticks(xs, [number(x) for x in xs])
        axes.xaxis.set_minor_locator(NullLocator())
        # In the right third there are no points, and the names of the lines.
        transform = axes.transScale
        first, last = (transform.transform((x, 1))[0] for x in (xs[0], xs[-1]))
        space = last - first
        inverted = transform.inverted()
        axes.set_xlim(
            inverted.transform((first - space * 0.05, 0))[0],
            inverted.transform((last + space * 0.75, 0))[0],
        )
        _log_ticks(axes, "y")
        axes.grid(axis="y")
        ends = {topology: points[-1][1] for topology, points in lines.items()}
        for topology, y in _apart(ends, min(ys) / 1.5, max(ys) * 1.6).items():
            axes.annotate(
                f"{topology.title}\n{verdicts[topology]}",
                (lines[topology][-1][0], y),
                (8, 0),
                textcoords="offset points",
                va="center",
                color=topology.color,
                linespacing=1.1,
                fontsize=8,
            )

    yield Panel(
        kind="growth",
        name=curve["name"],
        title=f"{curve['title']}: {word(figure).title}",
        alt=f"{curve['title']}: "
        + ", ".join(f"{topology.title} {verdicts[topology]}" for topology in lines)
        + ".",
        paint=paint,
        height=1.9,
    )


def _apart(ends: Mapping[Topology, float], lowest: float, highest: float) -> dict[Topology, float]:
    """Where the names stand: as near to the ends as they can be without touching."""
    # Two lines of 8 points each, of the 1.9 inches that the axes have.
    distance = (math.log10(highest) - math.log10(lowest)) * 22 / (72 * 1.9)
    placed: dict[Topology, float] = {}
    below = -math.inf
    for topology, value in sorted(ends.items(), key=lambda item: item[1]):
        below = max(math.log10(value), below + distance)
        placed[topology] = below
    # What was pushed out at the top comes back, and pushes the others.
    above = math.log10(highest) - distance / 2
    for topology in reversed(list(placed)):
        placed[topology] = min(placed[topology], above)
        above = placed[topology] - distance
    return {topology: 10**value for topology, value in placed.items()}


def _name(axes: Axes, rows: Sequence[Topology]) -> None:
    """A row for each topology, from above, with its name."""
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(range(len(rows)), [topology.title for topology in rows])
    for label, topology in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_color(LIGHT["text"])
        if topology.group == "split":
            label.set_fontweight("bold")


def _number(axes: Axes, value: float | None, x: float, y: float, topology: Topology) -> None:
    """``value`` to the right of what ends at ``x``."""
    axes.annotate(
        number(value),
        (x, y),
        (5, 0),
        textcoords="offset points",
        va="center",
        fontweight="bold" if topology.group == "split" else "normal",
    )


def _log_ticks(axes: Axes, which: Literal["x", "y"]) -> None:
    """Plain numbers, and a few of them even if they span less than a power of ten."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = axes.get_xlim() if which == "x" else axes.get_ylim()
    # As many as there is room for, and matplotlib takes decades that are equally far apart.
    most = 4 if which == "x" else 6
    few = math.log10(high / low) < 2
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,), numticks=most))
    axis.set_major_formatter(lambda value, _: number(value))
    axis.set_minor_locator(NullLocator())


def _below(panel: Panel) -> float:
    """Bars say their numbers, and have no axis."""
    return 0.12 if panel.kind in {"throughput", "beside", "stream-memory"} else _BELOW


def _height(panel: Panel, rows: Sequence[Topology]) -> float:
    return len(rows) * _ROW if rows else panel.height


def _axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes at a place in inches."""
    across, up = figure.get_size_inches()
    return figure.add_axes((left / across, bottom / up, width / across, height / up))


def _composed(of_file: Sequence[Panel], footer: str) -> str:
    """One picture of several panels. Those with rows share them, and their names on the left."""
    first = of_file[0]
    about = _FILES[first.kind]
    # Four are two lines of two.
    columns = 2 if len(of_file) == 4 else min(about.columns, len(of_file))
    rows = sorted({row for panel in of_file for row in panel.rows}, key=lambda row: row.order)
    names = _NAMES if rows else 0.55
    across = 9.4
    # Of one workload: the scale is the same for all.
    shared = bool(first.of)
    gap = 0.25 if rows or shared else 0.62
    width = (across - names - _END - gap * (columns - 1)) / columns
    height = _height(first, rows)
    lines = -(-len(of_file) // columns)
    tallest = max(_wrapped(panel.title, width).count("\n") for panel in of_file)
    above = _ABOVE + 0.17 * tallest
    step = above + height + _below(first)
    head, foot = 0.62, 0.3
    up = head + lines * step + foot
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(across, up))
        figure.patch.set_facecolor(LIGHT["page"])
        title = f"{about.title}: {first.of}" if first.of else about.title
        figure.text(0.1 / across, 1 - 0.28 / up, title, fontsize=13, fontweight="bold")
        figure.text(0.1 / across, 1 - 0.5 / up, about.note, color=LIGHT["faint"])
        figure.text(0.1 / across, 0.1 / up, footer, color=LIGHT["faint"], fontsize=8)
        for index, panel in enumerate(of_file):
            line, column = divmod(index, columns)
            axes = _axes(
                figure,
                names + column * (width + gap),
                up - head - line * step - above - height,
                width,
                height,
            )
            panel.paint(axes, rows)
            axes.set_title(_wrapped(panel.title, width))
            if rows and column:
                axes.set_yticks([])
            elif shared and column:
                axes.set_yticklabels([])
        return _svg(figure, f"{title}. {' '.join(panel.alt for panel in of_file)}", first.file)


def _wrapped(title: str, width: float) -> str:
    """``title`` in lines that fit into ``width`` inches."""
    return textwrap.fill(title, int(width / 0.092), break_on_hyphens=False)


def _svg(figure: Figure, alt: str, name: str) -> str:
    """The figure as an SVG element, with ``alt`` as what it says to those who don't see it."""
    FigureCanvasSVG(figure)
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    # Several may stand in one page.
    prefix = re.sub(r"[^a-z0-9]+", "-", name.lower())
    svg = re.sub(r'(id="|href="#|url\(#)', rf"\1{prefix}-", svg)
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # Quotes inside of style="...".
    svg = re.sub(r"'DejaVu Sans'[^;\"]*", _FONT, svg)
    # More than anybody sees.
    svg = re.sub(
        r'(?<= )(?:d|x|y|transform)="[^"]*"',
        lambda found: re.sub(r"(\.\d\d)\d+", r"\1", found[0]),
        svg,
    )
    opening, rest = svg.split(">", 1)
    opening = re.sub(r'(width|height)="([\d.]+)pt"', r'\1="\2"', opening)
    return f'{opening} role="img" aria-label={quoteattr(alt)}>{rest}'


def _recolored(svg: str, colors: Mapping[str, str]) -> str:
    """The same picture in other colors than those of a light page."""
    names = {color: name for name, color in LIGHT.items()}

    def other(found: re.Match[str]) -> str:
        # What isn't known is no color, but a part of a title.
        return colors[names[found[0]]] if found[0] in names else found[0]

    return re.sub(r"#[0-9a-f]{6}\b", other, svg)


def _alt(title: str, figure: str, medians: Mapping[Topology, float]) -> str:
    found = ", ".join(
        f"{topology.title} {measured(figure, value)}" for topology, value in medians.items()
    )
    return f"{title}, {word(figure).title}: {found}."


def _footer(report: Mapping[str, Any]) -> str:
    """On what it was measured."""
    machine, versions, run = report["machine"], report["versions"], report["parameters"]
    return (
        f"{report['title']}. Python {versions['python']}, Django {versions['django']}, "
        f"{machine['cores']} cores of {machine['cpu']}; {run['processes']} processes each."
    )
