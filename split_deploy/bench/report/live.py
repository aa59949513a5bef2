"""What a run is doing, while it does it: on a terminal a table that fills, elsewhere lines."""

from __future__ import annotations

import importlib.util
import math
import os
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TextIO

from split_deploy.bench.report.progress import SPLIT, Progress, Workload
from split_deploy.bench.report.words import duration, measured, primary, said, times, word

if TYPE_CHECKING:
    from rich.console import RenderableType

#: The columns of the table and the figures of a line: what there is of them.
_SHOWN = (
    *("requests_per_second", "p50_ms", "p99_ms", "open_p99_ms", "streams", "bytes_per_stream"),
    *("tick_p99_ms", "cpu_us", "memory_bytes", "errors"),
)


class _View(Protocol):
    """Where the progress is shown."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def say(self, text: str) -> None: ...
    def begun(self, before: Workload | None) -> None: ...
    def added(self, topology: str, figures: Mapping[str, float | None]) -> None: ...


class Live:
    """Shows how a run goes, as a context manager around it.

    On a terminal it is a table of the workload at hand, with the medians so far, a progress bar
    and the time left, drawn twice a second; tables that are complete stay above it. On anything
    but a UTF-8 terminal, or without the rich package, it is a plain line for each cell, without
    control characters. ``NO_COLOR`` in the environment leaves the colors out. ``stream`` is stderr
    by default.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        stream = sys.stderr if stream is None else stream
        self._progress = Progress()
        self._view: _View = (
            _Screen(stream, self._progress) if _can_draw(stream) else _Lines(stream, self._progress)
        )

    def __enter__(self) -> Self:
        self._view.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._view.stop()

    def plan(self, cells: int, seconds: float, most: float = math.inf) -> None:
        """Say how many cells are to come, and how long they are thought to take together.

        After ``most`` seconds no other is begun. May be called again when cells are left out.
        """
        self._progress.plan(cells, seconds, most)

    def cell(self, workload_title: str, topology_title: str, round: int, rounds: int) -> None:  # noqa: A002
        """Say what is measured from now on: ``round`` of ``rounds``, counted from 1."""
        before = self._progress.begin(workload_title, topology_title, round, rounds)
        self._view.begun(before)

    def measured(
        self,
        workload_name: str,
        topology_name: str,
        figures: Mapping[str, float | None],
        seconds: float,
    ) -> None:
        """Show what the cell found, and that it took ``seconds``."""
        self._progress.add(topology_name, figures, seconds)
        self._view.added(topology_name, figures)

    def message(self, text: str) -> None:
        """Show ``text``, which stays."""
        self._view.say(text)


def _can_draw(stream: TextIO) -> bool:
    return (
        stream.isatty()
        and "utf" in (stream.encoding or "").lower()
        and os.environ.get("TERM") not in (None, "", "dumb", "unknown")
        and importlib.util.find_spec("rich") is not None
    )


def _printable(text: str) -> str:
    """What a server printed may have colors, or worse, of its own."""
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in text)


class _Lines:
    """A line for each cell."""

    def __init__(self, stream: TextIO, progress: Progress) -> None:
        self._stream, self._progress = stream, progress
        self._is_read = True

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def say(self, text: str) -> None:
        if not self._is_read:
            return
        text = _printable(text)
        try:
            print(text, file=self._stream, flush=True)
        except UnicodeEncodeError:
            print(ascii(text)[1:-1], file=self._stream, flush=True)
        except OSError:
            # Who read us is gone; what was started must still be measured and stopped.
            self._is_read = False

    def begun(self, before: Workload | None) -> None:
        pass

    def added(self, topology: str, figures: Mapping[str, float | None]) -> None:
        progress = self._progress
        found = ", ".join(said(name, figures[name]) for name in _SHOWN if name in figures)
        self.say(
            f"[{progress.done}/{progress.cells}, {duration(progress.seconds_left)} left] "
            f"{progress.workload.title}, round {progress.round}/{progress.rounds}, "
            f"{progress.topology}: {found or 'nothing'}"
        )


class _Screen:
    """A table that fills, and below it how far the run is."""

    def __init__(self, stream: TextIO, progress: Progress) -> None:
        # Imported here, as nothing else than a terminal needs the package.
        from rich.console import Console
        from rich.live import Live as RichLive
        from rich.text import Text

        self._progress = progress
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._table: RenderableType = Text()
        # Twice a second: it shares the machine with what is measured.
        self._live = RichLive(
            get_renderable=self._render, console=self._console, refresh_per_second=2
        )

    def start(self) -> None:
        self._live.start()

    def stop(self) -> None:
        self._live.stop()

    def say(self, text: str) -> None:
        self._console.print(_printable(text))

    def begun(self, before: Workload | None) -> None:
        if before is not None:
            self._console.print(_table(before, before.title, self._console.width))
        self._draw(self._progress.topology)

    def added(self, topology: str, figures: Mapping[str, float | None]) -> None:
        self._draw()

    def _draw(self, under_way: str = "") -> None:
        progress = self._progress
        title = f"{progress.workload.title}, round {progress.round} of {progress.rounds}"
        self._table = _table(progress.workload, title, self._console.width, under_way)

    def _render(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        progress = self._progress
        bar = Table.grid(padding=(0, 2, 0, 0), expand=True)
        bar.add_column(ratio=1)
        bar.add_column(justify="right", no_wrap=True)
        bar.add_row(
            ProgressBar(total=max(progress.cells, 1), completed=progress.done),
            f"{progress.done} of {progress.cells}, {duration(progress.seconds_left)} left",
        )
        return Group(self._table, bar)


def _table(workload: Workload, title: str, width: int, under_way: str = "") -> RenderableType:
    """The medians so far, in ``width`` columns; ``under_way`` is the topology being measured."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    found = workload.figures()
    deciding = primary(found)
    # The names take 25 and the ratios 13.
    room = max((width - 38) // 11, 2)
    shown = [name for name in _SHOWN if name in found][:room]
    table = Table(title=Text(title), title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    table.add_column("", no_wrap=True)
    for name in shown:
        table.add_column(word(name).title, justify="right")
    table.add_column("the split has", justify="right")
    for name, series in workload.series.items():
        ratio = workload.ratio(name, deciding) if deciding else None
        table.add_row(
            Text(series.title, style="bold" if name == SPLIT else ""),
            *(measured(figure, series.median(figure)) for figure in shown),
            "" if name == SPLIT else times(ratio),
            style="cyan" if series.title == under_way else "",
        )
    if under_way and under_way not in {series.title for series in workload.series.values()}:
        table.add_row(Text(under_way, style="cyan"), "...")
    return table
