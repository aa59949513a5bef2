import io
import os
import pty
import re
from contextlib import suppress

import pytest

from split_deploy.bench.report import live as module
from split_deploy.bench.report.live import Live
from split_deploy.bench.report.progress import Progress


class Clock:
    """A clock that stands still until it is told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def progress(clock) -> Progress:
    return Progress(clock)


def run(live: Live) -> None:
    """Two rounds of two workloads on two topologies."""
    with live:
        live.plan(8, 60)
        live.message("Warming up.")
        for number in (1, 2):
            for workload in ("JSON", "Page"):
                for topology, title, requests in (
                    ("split", "Split", 1000.0),
                    ("mixed", "Mixed", 500.0),
                ):
                    live.cell(workload, title, number, 2)
                    found = {"requests_per_second": requests * number, "p99_ms": 5.0, "hops": None}
                    live.measured(workload.lower(), topology, found, 1.0)


@pytest.fixture
def terminal(monkeypatch):
    """Run on a pseudo-terminal with an environment, and return what was printed."""

    def printed(**env: str) -> str:
        monkeypatch.delenv("NO_COLOR", raising=False)
        defaults = {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"}
        for name, value in (defaults | env).items():
            monkeypatch.setenv(name, value)
        ours, theirs = pty.openpty()
        # What is printed is less than what the terminal holds until it is read.
        with open(theirs, "w", encoding="utf-8") as stream:
            run(Live(stream))
        return all_of(ours)

    return printed


def all_of(terminal: int) -> str:
    """Read what was printed on a terminal that nobody prints on any more."""
    output = b""
    with suppress(OSError):  # EIO on Linux, which is the end
        while chunk := os.read(terminal, 1 << 16):
            output += chunk
    os.close(terminal)
    return output.decode()


def test_a_file_gets_a_plain_line_for_each_cell(tmp_path, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    path = tmp_path / "log"
    with open(path, "w", encoding="utf-8") as stream:
        run(Live(stream))
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    assert lines[:2] == [
        "Warming up.",
        "[1/8, 30 s left] JSON, round 1/2, Split: requests/s 1,000, p99 5 ms",
    ]
    assert len(lines) == 9
    assert lines[-1].startswith("[8/8, 0 s left] Page, round 2/2, Mixed: requests/s 1,000")
    assert text.replace("\n", "").isprintable()


def test_a_terminal_gets_a_table_with_medians_and_ratios(terminal):
    output = terminal()
    assert "\x1b[" in output
    assert re.search(r"Split.*1,500.*5", output)
    assert "2\N{NO-BREAK SPACE}×" in output  # noqa: RUF001
    assert "8 of 8" in output


def test_the_medians_are_of_all_rounds_of_a_workload(progress):
    for number in (1, 2, 3):
        for workload, requests in (("JSON", 100.0 * number), ("Page", 1.0)):
            progress.begin(workload, "Split", number, 3)
            progress.add("split", {"requests_per_second": requests}, 1)
    progress.begin("JSON", "Split", 3, 3)
    assert progress.workload.series["split"].median("requests_per_second") == 200


def test_a_table_stays_when_its_last_round_is_over(terminal):
    lines = [
        re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line).strip() for line in terminal().splitlines()
    ]
    # Without the number of the round, and once.
    assert lines.count("JSON") == 1


def test_no_color_leaves_the_colors_out(terminal):
    colors = re.compile(r"\x1b\[[0-9;]*3[0-9](?:;[0-9]+)*m")
    assert colors.search(terminal())
    assert not colors.search(terminal(NO_COLOR="1"))


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_terminal_that_can_not_draw_gets_lines(terminal, term):
    output = terminal(TERM=term)
    assert "\x1b" not in output
    assert "[1/8, 30 s left] JSON, round 1/2, Split" in output


def test_without_rich_a_terminal_gets_lines(terminal, monkeypatch):
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    assert "\x1b" not in terminal()


def test_markup_and_control_characters_of_others_do_nothing_on_a_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = pty.openpty()
    with open(theirs, "w", encoding="utf-8") as stream, Live(stream) as live:
        live.message("a\x1b[31mred\x07 [bold]line[/bold]")
    output = all_of(ours)
    assert "a?[31mred? [bold]line[/bold]" in output


def test_markup_and_control_characters_of_others_do_nothing_in_a_file():
    stream = io.StringIO()
    with Live(stream) as live:
        live.message("a\x1b[31mred\x07 [bold]line[/bold]\nand another")
    assert stream.getvalue() == "a?[31mred? [bold]line[/bold]\nand another\n"


def test_a_reader_that_is_gone_ends_nothing():
    class Gone(io.StringIO):
        writes = 0

        def write(self, text: str) -> int:
            self.writes += 1
            raise BrokenPipeError(32, "Broken pipe")

    stream = Gone()
    run(Live(stream))
    assert stream.writes == 1


def test_an_encoding_that_lacks_a_character_loses_no_line():
    raw = io.BytesIO()
    with Live(io.TextIOWrapper(raw, encoding="ascii")) as live:
        live.message("5 µs – done")  # noqa: RUF001
        assert b"5 \\xb5s \\u2013 done\n" in raw.getvalue()


def test_stderr_is_the_default(capsys):
    run(Live())
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Warming up." in captured.err


def test_what_is_left_goes_by_the_plan_until_something_is_measured(progress, clock):
    progress.plan(10, 100)
    assert progress.seconds_left == 100
    clock.now = 4
    assert progress.seconds_left == 96


def test_what_is_left_goes_by_what_cells_took(progress, clock):
    progress.plan(10, 100)
    for _ in range(5):
        progress.begin("JSON", "Split", 1, 1)
        clock.now += 2
        progress.add("split", {}, 2)
    # Five of 2 seconds, and the plan's 10 once.
    assert progress.done == 5
    assert progress.seconds_left == pytest.approx(5 * 20 / 6)


def test_what_is_left_is_no_more_than_there_may_be(progress, clock):
    clock.now = 5
    progress.plan(10, 100, 30)
    assert progress.seconds_left == 30
    clock.now = 15
    assert progress.seconds_left == 20
    progress.plan(1, 10)
    assert progress.seconds_left == 10


def test_what_is_left_does_not_become_less_than_nothing(progress, clock):
    progress.plan(1, 10)
    progress.begin("JSON", "Split", 1, 1)
    clock.now = 1000
    assert progress.seconds_left == 0


def test_a_cell_that_takes_long_takes_nothing_from_the_others(progress, clock):
    progress.plan(10, 100)
    progress.begin("JSON", "Split", 1, 1)
    clock.now = 1000
    assert progress.seconds_left == 90


def test_a_cell_that_failed_is_over_too(progress):
    progress.plan(3, 30)
    progress.begin("JSON", "Split", 1, 1)
    assert progress.done == 0
    progress.begin("JSON", "Mixed", 1, 1)
    assert progress.done == 1
    progress.add("mixed", {"p99_ms": None}, 1)
    assert progress.done == 2
    assert progress.workload.figures() == set()
    assert progress.workload.ratio("mixed", "p99_ms") is None


def test_a_plan_may_change(progress):
    progress.plan(10, 100)
    progress.begin("JSON", "Split", 1, 1)
    progress.add("split", {}, 10)
    progress.plan(2, 20)
    assert progress.cells == 3
    assert 0 < progress.seconds_left <= 20
