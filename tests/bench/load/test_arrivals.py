"""The open model against a real server."""

import http.client
import time
from urllib.parse import urlsplit

import pytest

from split_deploy.bench.load import arrivals
from split_deploy.bench.load.arrivals import instants, opened, sliced
from split_deploy.bench.load.client import Client
from split_deploy.bench.load.figures import LoadError, Request, percentile
from split_deploy.bench.load.wire import address, encoded


def client(server, path, sent, *, most=100, timeout=10.0, **request):
    """One that has run."""
    wire = encoded(Request(path=path, **request), server.url)
    found = Client(address(server.url), wire, sent, most=most, timeout=timeout)
    found.run()
    return found


def test_a_known_delay_is_the_least_of_all_latencies(server, cores):
    found = opened(server.url, Request(path="/delay/20"), seconds=1, rate=100, cores=cores)

    assert found.timeline == []
    assert found.figures.keys() == {
        *("offered_per_second", "requests_per_second", "requests", "errors", "connections"),
        *("p50_ms", "p99_ms", "max_ms", "late_p99_ms"),
    }
    figures = found.figures
    assert 20 <= figures["p50_ms"] <= figures["p99_ms"] <= figures["max_ms"]
    assert (figures["requests"], figures["offered_per_second"], figures["errors"]) == (100, 100, 0)
    assert 0 < figures["requests_per_second"] <= 100
    # It didn't wait for an answer before it sent the next.
    assert figures["connections"] >= 2
    assert len(server.seen) == 100
    assert server.connections == figures["connections"]


def test_a_stall_shows_in_the_requests_that_came_meanwhile(server, cores):
    """A closed loop, beside it, has one slow request of all."""
    server.stall_at = 40
    found = opened(
        server.url, Request(path="/stall/"), seconds=2, rate=100, cores=cores, timeline=True
    )

    assert found.figures["errors"] == 0
    assert found.figures["max_ms"] >= 900
    # Half of what was sent came in that second, a tenth in its first fifth.
    assert found.figures["p99_ms"] >= 800
    slow = [p50 for _second, p50, _p99, _number in found.timeline if p50 >= 100]
    assert len(slow) >= 3
    assert sum(number for *_, number in found.timeline) == 200

    server.stall_at = len(server.seen) + 40
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
    took = []
    for _ in range(200):
        begun = time.monotonic()
        connection.request("GET", "/stall/")
        connection.getresponse().read()
        took.append(time.monotonic() - begun)
    connection.close()
    assert max(took) >= 0.9
    assert percentile(sorted(took), 99) < max(took)


def test_errors_are_no_throughput_and_count_as_what_timed_out(server, cores):
    found = opened(server.url, Request(path="/every-other/"), seconds=0.5, rate=40, cores=cores)

    assert (found.figures["requests"], found.figures["errors"]) == (20, 10)
    assert 0 < found.figures["requests_per_second"] <= 20
    assert found.figures["p50_ms"] < found.figures["max_ms"] == arrivals.TIMEOUT * 1000


def test_where_all_are_errors_it_says_which(server, cores):
    with pytest.raises(
        LoadError, match=r"Not one request to .*/status/500 .*: status 500 10 times"
    ):
        opened(server.url, Request(path="/status/500"), seconds=0.1, rate=100, cores=cores)


def test_a_server_that_is_not_there_is_said(cores):
    with pytest.raises(LoadError, match="ECONNREFUSED 10 times"):
        opened("http://127.0.0.1:1", Request(path="/"), seconds=0.1, rate=100, cores=cores)


def test_what_is_not_answered_in_time_has_failed(server):
    found = client(server, "/never/", [0.0, 0.05, 0.1], timeout=0.3)

    assert found.failures == {"time-out": 3}


def test_no_more_connections_are_opened_than_allowed(server):
    found = client(server, "/delay/1500", [number / 100 for number in range(20)], most=5)

    assert found.failures == {"no connection": 15}
    assert found.connections == server.connections == 5


def test_an_overloaded_server_is_a_finding(server, cores, monkeypatch):
    monkeypatch.setattr(arrivals, "TIMEOUT", 0.2)
    asked = {"what": "", "address": address(server.url), "seconds": 0.1, "rate": 100.0}
    wire = encoded(Request(path="/never/"), server.url)

    found = arrivals._measured(asked | {"timeline": True}, wire)

    assert found["figures"]["errors"] == found["figures"]["requests"] == 10
    assert found["figures"]["requests_per_second"] == 0
    assert found["figures"]["p50_ms"] == found["figures"]["max_ms"] == 200
    assert found["timeline"] == [[0.0, 200, 200, 10]]


def test_bodies_arrive(server):
    found = client(
        server, "/upload/", [0.0, 0.1], method="POST", body_size=20_000_000, upload_field="file"
    )

    assert found.failures == {}
    assert [len(each.body) > 20_000_000 for each in server.seen] == [True, True]


def test_large_answers_arrive(server):
    found = client(server, "/size/5000000", [0.0, 0.2])

    assert found.failures == {}


def test_an_idle_connection_is_used_again(server):
    found = client(server, "/json/", [number / 20 for number in range(20)])

    assert found.failures == {}
    assert found.connections == server.connections < len(server.seen)


def test_one_that_the_server_says_it_closes_is_not(server):
    found = client(server, "/close/", [number / 20 for number in range(5)], timeout=5)

    assert (found.failures, server.connections) == ({}, 5)


def test_one_whose_request_was_refused_midway_is_not(server):
    found = client(server, "/refuse/", [0.0, 0.5], method="POST", body_size=20_000_000, timeout=5)

    assert found.failures == {"status 413": 2}
    assert server.connections == 2


def test_one_that_the_server_closed_meanwhile_is_no_error(server):
    """At once, and so while the next request is on its way or before it."""
    found = client(server, "/forget/", [number / 2000 for number in range(200)])

    assert found.failures == {}
    assert len(server.seen) == 200


def test_what_is_no_http_is_an_error(server):
    found = client(server, "/nonsense/", [0.0])

    assert found.failures == {"no HTTP": 1}


def test_one_that_breaks_without_an_answer_is_an_error(server):
    found = client(server, "/hang-up/", [0.0, 0.05])

    assert found.failures == {"closed": 2}


def test_a_head_request_has_no_content_to_wait_for(server):
    found = client(server, "/size/1000", [number / 20 for number in range(20)], method="HEAD")

    assert found.failures == {}
    assert server.connections < len(server.seen)


def test_arrivals_are_as_far_from_each_other():
    assert instants(0.5, 10) == [0, 0.1, 0.2, 0.3, 0.4]
    assert instants(0.1, 1) == [0]


def test_a_timeline_has_the_slices_in_which_something_was_sent():
    sent = [0.0, 0.1, 0.2, 0.3, 0.8]

    assert sliced(sent, [1, 2, 3, 4, 5]) == [
        [0.0, 2, 3, 3],
        [0.25, 4, 4, 1],
        [0.75, 5, 5, 1],
    ]
