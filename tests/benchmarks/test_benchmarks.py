"""The benchmarks run, a moment each: what they measure then means nothing, that they do does."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil
import pytest

from benchmarks import _servers as servers
from benchmarks import _startproject
from tests import startproject
from tests.services import require_postgres

ROOT = Path(__file__).resolve().parents[2]
needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not on PATH")


def run(name, *arguments):
    """Run a benchmark and return what it prints last."""
    done = subprocess.run(
        [sys.executable, f"benchmarks/{name}.py", *arguments],
        cwd=ROOT,
        env={key: value for key, value in os.environ.items() if not key.startswith("DJANGO_")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_rounds_alternate_and_the_first_one_warms_up():
    seen = []

    def note(name):
        seen.append(name)
        return {"figure": float(len(seen))}

    found = servers.interleaved({"a": partial(note, "a"), "b": partial(note, "b")}, 2)

    assert seen == ["b", "a", "a", "b", "b", "a"]
    assert found == {"a": [{"figure": 3.0}, {"figure": 6.0}], "b": [{"figure": 4}, {"figure": 5}]}
    assert servers.ratio(found, "a", "b", "figure") == round((3 / 4 + 6 / 5) / 2, 3)
    assert servers.summary(found)["a"] == {"figure": 4.5, "spread": 0.33333}


def test_the_seven_are_those_of_startproject():
    assert _startproject.SEVEN == startproject.SEVEN


def test_outbound_calls_of_each_kind_are_measured():
    found = run("outbound", "--seconds", "0.5", "--rounds", "1", "--at-once", "4")

    series = found["at_once"]["4"]["series"]
    assert {"asyncio.sleep", "httpx", "this project"} <= series.keys()
    assert series["this project"]["new"] == 4
    # 40 a second is all there is to be had.
    assert 0 < series["this project"]["calls_per_second"] < 45


@needs_wrk
def test_they_are_from_a_view_too():
    found = run("outbound", "--view", "--seconds", "1", "--rounds", "1", "--at-once", "4")

    assert found["from"] == "a view"
    assert found["at_once"]["4"]["series"]["this project"]["calls_per_second"] > 0


def test_streams_are_held_and_none_is_dropped():
    found = run("idle_streams", "--streams", "50", "--seconds", "1", "--account")

    assert [each["dropped"] for each in found["series"].values()] == [0, 0, 0, 0]
    assert all(each["threads"] < 10 for each in found["series"].values())
    accounts = found["account_kb_each"]
    assert accounts.keys() == found["series"].keys()
    assert all(account["python_kb_each"] > 0 for account in accounts.values())


@needs_wrk
def test_an_async_view_makes_no_hop_and_starts_no_thread():
    found = run("async_json", "--seconds", "1", "--rounds", "1")

    assert found["counted"]["stock, seven"]["hops"] == 15
    for name in ("native, seven", "instance, seven"):
        assert found["counted"][name] == {"hops": 0, "threads_started": 0}
    assert all(each["ratio"] > 0 for each in found["ratios"].values())


@needs_wrk
@pytest.mark.parametrize("name", ["async_orm", "async_session"])
def test_the_database_is_used_in_one_hop_over_the_pools_connections(name):
    require_postgres()
    found = run(name, "--seconds", "1", "--rounds", "1", "--connections", "16", "--threads", "2")

    assert found["counted"]["native"] == {"hops": 1, "threads_started": 0}
    assert 1 <= found["most_connections"]["native"] <= 2


@needs_wrk
def test_the_async_database_needs_no_hop_and_no_more_connections_than_it_may():
    pytest.importorskip("django_async_backend")
    require_postgres()
    arguments = ("--seconds", "1", "--rounds", "1", "--connections", "16", "--threads", "2")
    found = run("async_database", *arguments, "--views", "five")["views"]["five"]

    assert [found["counted"][name]["hops"] for name in ("pool", "async")] == [5, 0]
    assert found["series"]["async"]["database_connections"] <= 2


@needs_wrk
def test_the_tail_behind_nginx_is_measured_twice():
    found = run("nginx_unix_socket", "--seconds", "1", "--rounds", "1")

    assert found["series"]["nginx"]["log_p99_ms"] > 0
    assert found["ratios"]["of direct"]["ratio"] > 0


@needs_wrk
def test_endurance_says_what_grew():
    found = run("endurance", "--requests", "2000", "--slice", "1000")

    assert found["requests"] >= 2000
    assert found["threads_started"] <= 2
    assert found["slices"][-1]["rss_mb"] > 0


@needs_wrk
@pytest.mark.parametrize(
    ("group", "names"),
    [
        ("own", ["async, without all of these"]),
        ("sync", ["without the access log"]),
        ("async", ["without gc.freeze()"]),
        ("cores", []),
        ("file", []),
    ],
)
def test_what_helps_is_compared_with_what_is_shipped(group, names):
    only = ["--only", *names] if names else []
    found = run("what_helps", group, "--seconds", "1", "--rounds", "1", *only)

    base, *others = found["series"]
    assert found["ratios"].keys() >= set(names)
    assert all(found["ratios"][name]["cpu_us"]["median"] > 0 for name in names or others[:1])
    assert all(each["requests_per_second"] > 0 for each in found["series"].values())
    assert base not in found["ratios"]


def test_what_helps_at_the_start_is_compared_too():
    found = run("what_helps", "start", "--rounds", "1", "--only", "preloaded")

    assert found["ratios"]["preloaded"]["seconds"]["median"] > 0


def test_a_process_that_sleeps_is_watched_while_others_compute():
    switch = Path("/proc/sys/kernel/sched_autogroup_enabled")
    if not switch.exists() or switch.read_text().strip() != "1":
        done = subprocess.run(
            [sys.executable, "benchmarks/scheduling_groups.py"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert "sched_autogroup_enabled is not 1" in done.stderr
        return

    found = run("scheduling_groups", "--seconds", "0.5", "--rounds", "1", "--computing", "2")

    assert {"one group", "a group each"} <= found["series"].keys()
    for each in found["series"].values():
        assert 0 < each["p50_ms"] <= each["p99_ms"] <= each["max_ms"]
    assert not [each for each in psutil.process_iter() if "os.fork() == 0" in " ".join(_said(each))]


def _said(process):
    with suppress(psutil.Error):
        return process.cmdline()
    return []
