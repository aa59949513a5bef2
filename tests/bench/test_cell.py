"""What is waited for between two measurements, and what a flood does to what is measured."""

import shutil
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

import pytest

from split_deploy.bench import cell
from split_deploy.bench.cell import Cell, measure, over_time
from split_deploy.bench.load.figures import LoadError, Request
from split_deploy.bench.servers import Usage
from tests.bench.load.server import Server

needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not on PATH")


@dataclass
class Servers:
    """What a cell asks of servers, of which each look finds more processor time used."""

    url: str = ""
    cpu: list[float] = field(default_factory=lambda: [0.0])

    def usage(self) -> Usage:
        return Usage(self.cpu.pop(0) if len(self.cpu) > 1 else self.cpu[0], 1)

    def memory(self) -> int:
        return 1


@pytest.fixture
def slept(monkeypatch):
    """The seconds that were slept, which take none."""
    found: list[float] = []
    monkeypatch.setattr(cell.time, "sleep", found.append)
    return found


@pytest.mark.parametrize(("rate", "seconds"), [(32, 2), (6400, 0.01), (0.5, cell._SETTLE)])
def test_what_is_left_of_a_load_is_waited_for_at_the_rate_of_its_answers(slept, rate, seconds):
    cell._let_out(Servers(), 64, {"requests_per_second": rate})
    assert slept == [seconds]


def test_where_nothing_was_answered_the_servers_have_to_be_idle(slept):
    cell._let_out(Servers(cpu=[0, 0.2, 0.4, 0.41]), 64, {"requests_per_second": 0})
    assert slept == [cell._IDLE_INTERVAL] * 3


@needs_wrk
def test_a_flood_is_over_and_let_out_before_anything_else_is_measured(monkeypatch):
    said = []
    monkeypatch.setattr(cell, "_let_out", lambda _servers, number, found: said.append(number))
    monkeypatch.setattr(cell, "_settle", lambda _servers: said.append("settled"))
    with Server() as server:
        asked = Cell(
            request=Request(path="/size/1"),
            connections=2,
            seconds=0.3,
            beside=Request(path="/delay/1"),
            beside_connections=3,
        )
        found = measure(Servers(server.url), asked, cores=(), database_ports=())
        during = [each for each in server.seen if each.path == "/delay/1"]
        assert len(during) > 3
    assert said == [3, "settled"]
    assert found["beside_per_second"] > 0
    assert "cpu_us" not in found


@pytest.mark.parametrize(
    ("error", "settled"), [(LoadError("no answer"), ["settled"]), (KeyboardInterrupt(), [])]
)
def test_what_a_failure_leaves_is_waited_for_and_what_a_ctrl_c_leaves_is_not(
    monkeypatch, slept, error, settled
):
    def fails(*_, **__):
        raise error

    said = []
    monkeypatch.setattr(cell, "_flood", lambda *_: nullcontext())
    monkeypatch.setattr(cell, "_settle", lambda _servers: said.append("settled"))
    monkeypatch.setattr(cell, "closed", fails)
    asked = Cell(request=Request(path="/"), connections=1, seconds=1, beside=Request(path="/"))
    with pytest.raises(type(error)):
        measure(Servers(), asked, cores=(), database_ports=())
    assert said == settled


def test_a_ctrl_c_ends_a_flood_that_comes_and_goes(monkeypatch):
    """It would go on for ten minutes, and begin in another ten."""
    waited = []

    @contextmanager
    def flood(*_):
        yield
        waited.append("flooded")

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(cell, "_flood", flood)
    monkeypatch.setattr(cell, "opened", interrupted)
    monkeypatch.setattr(cell, "_QUIET", 600)
    asked = Cell(request=Request(path="/"), connections=1, seconds=600, rate=1)
    with pytest.raises(KeyboardInterrupt):
        over_time(Servers(), asked, cores=())
    assert waited == ["flooded"]
