"""Event streams of a real server, held by another process."""

import json
import subprocess
import sys
import time

import pytest

from split_deploy.bench.load import listener, process
from split_deploy.bench.load.figures import LoadError, Request
from split_deploy.bench.load.streams import streams
from split_deploy.bench.load.wire import address, encoded

TICKS = {"tick_p50_ms", "tick_p99_ms", "tick_max_ms"}


def opened(server, cores, query, **given):
    defaults = {"number": 5, "cores": cores, "period_ms": 100.0}
    return streams(server.url, Request(path=f"/events/?{query}"), **defaults | given)


def until(ready):
    """Wait until it is so."""
    deadline = time.monotonic() + 20
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_streams_are_opened_and_their_events_counted(server, cores):
    with opened(server, cores, "period=0.1", number=300) as held:
        found = held.figures()
        assert (found["streams"], found["dropped"]) == (300, 0)
        assert found["opened_per_second"] > 0
        until(lambda: held.figures()["events"] >= 900)

    found = held.figures()
    assert found.keys() == {"streams", "dropped", "opened_per_second", "events", *TICKS}
    assert 0 <= found["tick_p50_ms"] <= found["tick_p99_ms"] <= found["tick_max_ms"]
    assert server.connections == 300
    assert {each.headers["Accept"] for each in server.seen} == {"text/event-stream"}


def test_a_tick_that_comes_late_counts_with_its_lateness(server, cores):
    with opened(server, cores, "period=0.1&stall=5", number=1) as held:
        until(lambda: held.figures()["events"] >= 12)

    # It stalled for half a second after a tick, and the next was due after a tenth.
    assert held.figures()["tick_max_ms"] >= 350


def test_a_tick_that_does_not_come_is_late_too(server, cores):
    with opened(server, cores, "period=0.1&last=2", number=1) as held:
        time.sleep(1.5)

    found = held.figures()
    assert found["streams"] == 1
    assert found["tick_max_ms"] >= 1000
    assert found["tick_p50_ms"] >= 300


def test_events_before_the_measurement_can_be_left_out(server, cores):
    with opened(server, cores, "period=0.1&stall=2", number=1) as held:
        until(lambda: held.figures()["events"] >= 12)
        before = held.figures()
        held.forget()
        after = held.figures()

    assert before["tick_max_ms"] >= 350
    assert after["events"] < before["events"]
    assert after["tick_max_ms"] < before["tick_max_ms"]


def test_without_a_period_nothing_is_late(server, cores):
    with opened(server, cores, "period=0.1", period_ms=None) as held:
        until(lambda: held.figures()["events"] >= 5)

    assert held.figures().keys() == {"streams", "dropped", "opened_per_second", "events"}


def test_streams_that_end_are_dropped(server, cores):
    with opened(server, cores, "period=0.05&drop=20") as held:
        until(lambda: held.figures()["dropped"] == 5)

    assert held.figures()["streams"] == 0
    # Twenty events each and as many comments, the first ones of which came before all were open.
    assert 5 <= held.figures()["events"] <= 100


def test_a_server_that_takes_no_more_has_those_that_it_took(server, cores):
    server.most_streams = 3
    with opened(server, cores, "period=0.1", patience=0.5) as held:
        pass

    assert (held.figures()["streams"], held.figures()["dropped"]) == (3, 2)


def test_where_none_is_opened_it_says_why(server, cores):
    request = Request(path="/status/404")
    with (
        pytest.raises(LoadError, match=r"Not one stream of .*/status/404 .*: status 404 5 times"),
        streams(server.url, request, number=5, cores=cores, period_ms=None),
    ):
        pass


def test_a_server_that_is_not_there_is_said(cores):
    with (
        pytest.raises(LoadError, match="ECONNREFUSED 2 times"),
        streams("http://127.0.0.1:1", Request(path="/"), number=2, cores=cores, period_ms=None),
    ):
        pass


def test_they_are_closed_with_the_context(server, cores):
    with pytest.raises(KeyboardInterrupt), opened(server, cores, "period=0.05"):
        raise KeyboardInterrupt
    with opened(server, cores, "period=0.05", number=1):
        pass

    # A stream's task ends when it can't write any more.
    until(lambda: not server._tasks)


def test_the_process_ends_with_the_benchmark(server, cores):
    running = process.started(process.module("streams"), cores, talks=True)
    request = encoded(Request(path="/events/?period=0.05"), server.url).decode()
    asked = {"what": "", "address": address(server.url), "request": request, "number": 3}
    running.stdin.write(json.dumps(asked | {"period": None, "patience": 5}).encode() + b"\n")
    running.stdin.flush()
    assert running.stdout.readline() == b"{}\n"

    running.stdin.close()
    assert running.wait(20) == 0
    running.stdin = None
    process.end(running)


def test_a_process_that_dies_is_said(server, cores):
    with (
        pytest.raises(LoadError, match=r"client of the streams of .* failed: it said nothing"),
        opened(server, cores, "period=0.05") as held,
    ):
        subprocess.run(["kill", "-9", str(held._process.pid)], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="there is only one address of loopback")
def test_more_streams_than_one_address_has_ports_come_from_several(server, monkeypatch):
    monkeypatch.setattr(listener, "_PER_ADDRESS", 2)
    request = encoded(Request(path="/events/?period=1"), server.url)
    listening = listener.Listener(address(server.url), request, what="", period=None)
    listening.open(5, patience=5)

    assert listening.figures()["streams"] == 5
    assert server.peers == {"127.0.0.1", "127.0.0.2", "127.0.0.3"}
    listening.close()


def test_more_streams_than_this_machine_has_files_are_refused(server, cores):
    with (
        pytest.raises(LoadError, match="`ulimit -Hn` is less"),
        opened(server, cores, "period=1", number=2**31),
    ):
        pass
