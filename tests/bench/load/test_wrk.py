"""The closed model, by wrk against a real server."""

import os
import shutil
import threading

import pytest

from split_deploy.bench.load import process, wrk
from split_deploy.bench.load.figures import LoadError, Request
from split_deploy.bench.load.wire import encoded
from split_deploy.bench.load.wrk import closed, flood

pytestmark = pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not on PATH")


def test_a_known_delay_is_the_least_of_all_latencies(server, cores):
    found = closed(server.url, Request(path="/delay/20"), seconds=1, connections=4, cores=cores)

    assert found.keys() == {
        *("requests_per_second", "requests", "errors", "bytes_per_second"),
        *("p50_ms", "p99_ms", "max_ms", "mean_ms"),
    }
    assert 20 <= found["p50_ms"] <= found["p99_ms"] <= found["max_ms"]
    # Four connections that get an answer each 20 ms.
    assert 0 < found["requests_per_second"] <= 200
    assert found["errors"] == 0
    assert found["requests"] <= len(server.seen)
    assert server.connections in {4, 5}  # wrk tries the address first


def test_less_than_a_second_is_possible(server, cores):
    found = closed(server.url, Request(path="/delay/1"), seconds=0.3, connections=1, cores=cores)

    assert found["requests"] > 0
    assert found["errors"] == 0


def test_the_same_bytes_arrive_as_from_any_tool(server, cores):
    request = Request(
        path="/upload/?a=b",
        method="POST",
        headers={"Cookie": "c=d", "Host": "example.com"},
        body_size=300_000,
        upload_field="file",
    )

    found = closed(server.url, request, seconds=1, connections=2, cores=cores)

    assert found["errors"] == 0
    seen = server.seen[0]
    assert (seen.method, seen.path) == ("POST", "/upload/?a=b")
    assert (seen.headers["Cookie"], seen.headers["Host"]) == ("c=d", "example.com")
    assert encoded(request, server.url).endswith(b"\r\n\r\n" + seen.body)
    assert len(seen.body) > 300_000


def test_bytes_are_those_of_the_answers(server, cores):
    found = closed(server.url, Request(path="/size/50000"), seconds=1, connections=1, cores=cores)

    assert found["bytes_per_second"] > 50_000 * found["requests_per_second"]


def test_answers_that_are_errors_are_counted_and_no_throughput(server, cores):
    found = closed(server.url, Request(path="/every-other/"), seconds=1, connections=1, cores=cores)

    # Of an odd number the first is an error.
    assert found["errors"] == (found["requests"] + 1) // 2
    assert 0 < found["requests_per_second"] < found["requests"] - found["errors"] + 1
    with pytest.raises(LoadError, match=r"/status/500 succeeded: \d+ answers of status 400"):
        closed(server.url, Request(path="/status/500"), seconds=1, connections=1, cores=cores)


def test_connections_that_fail_are_counted(server, cores):
    with pytest.raises(LoadError, match=r"Not one request .* [1-9]\d* failed connections"):
        closed(server.url, Request(path="/hang-up/"), seconds=1, connections=1, cores=cores)


def test_where_nothing_is_answered_all_of_the_wait_counts(server, cores):
    found = closed(server.url, Request(path="/never/"), seconds=1, connections=3, cores=cores)

    assert (found["requests"], found["requests_per_second"], found["errors"]) == (0, 0, 3)
    assert found["p50_ms"] == found["max_ms"] >= 1000


def test_a_flood_goes_on_until_it_is_left(server, cores):
    with flood(server.url, Request(path="/delay/1"), connections=8, cores=cores) as running:
        with pytest.raises(RuntimeError, match="when its context is left"):
            running.figures()
        threading.Event().wait(1)
        during = len(server.seen)
        assert during > 0

    assert running.figures()["requests"] > during / 2
    assert running.figures()["requests_per_second"] > 0
    after = len(server.seen)
    threading.Event().wait(0.3)
    assert len(server.seen) == after


def test_who_floods_pauses_for_as_long_as_it_is_told_on_average(server, cores):
    with flood(
        server.url, Request(path="/size/1"), connections=8, pause_ms=50, cores=cores
    ) as running:
        threading.Event().wait(1)

    # Eight connections, each of which would ask again at once: thousands of requests.
    assert 80 <= running.figures()["requests_per_second"] <= 240


def test_a_flood_of_errors_is_said(server, cores):
    with (
        pytest.raises(LoadError, match="Not one request"),
        flood(server.url, Request(path="/status/404"), connections=1, cores=cores),
    ):
        threading.Event().wait(0.3)


def test_a_flood_that_ends_too_early_is_said(server, cores, monkeypatch):
    monkeypatch.setattr(wrk, "_LONGEST_FLOOD", 1)
    with (
        pytest.raises(LoadError, match="delay/1 was over before it should"),
        flood(server.url, Request(path="/delay/1"), connections=1, cores=cores),
    ):
        threading.Event().wait(1.5)


def test_what_is_raised_in_a_flood_ends_it(server, cores):
    with (
        pytest.raises(KeyboardInterrupt),
        flood(server.url, Request(path="/delay/1"), connections=1, cores=cores),
    ):
        raise KeyboardInterrupt
    after = len(server.seen)
    threading.Event().wait(0.3)
    assert len(server.seen) == after


def test_a_server_that_is_not_there_is_said(cores):
    with pytest.raises(LoadError, match=r"unable to connect to 127\.0\.0\.1:1 "):
        closed("http://127.0.0.1:1", Request(path="/"), seconds=1, connections=1, cores=cores)


def test_what_wrk_cannot_ask_is_said(cores):
    with pytest.raises(LoadError, match="wrk can't ask with HEAD"):
        closed(
            "http://127.0.0.1:1",
            Request(path="/", method="HEAD"),
            seconds=1,
            connections=1,
            cores=cores,
        )


def test_without_wrk_it_says_how_to_install_it(monkeypatch, cores):
    monkeypatch.setenv("PATH", "/nonexistent")

    with pytest.raises(LoadError, match="apt-get install wrk, or brew install wrk"):
        closed("http://127.0.0.1:1", Request(path="/"), seconds=1, connections=1, cores=cores)


def test_a_tool_runs_on_its_cores_and_the_benchmark_where_it_did(cores):
    before = os.sched_getaffinity(0)
    running = process.started(["grep", "Cpus_allowed_list", "/proc/self/status"], cores)
    output, _ = running.communicate()

    assert output.split()[-1] == str(cores[0]).encode()
    assert os.sched_getaffinity(0) == before


def test_a_core_that_is_not_there_is_said():
    with pytest.raises(LoadError, match=r"may not run on the cores \[4000\]"):
        process.started(["true"], [4000])
