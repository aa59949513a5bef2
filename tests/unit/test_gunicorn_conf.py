"""What ``gunicorn.conf.py`` adds to Gunicorn: its access log, and the cores of its workers."""

import logging
import os
import re
import runpy
import signal
import socket
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from gunicorn import glogging
from gunicorn.config import Config

from tests.e2e.stack import clean_environment

ROOT = Path(__file__).resolve().parents[2]
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
needs_cores = pytest.mark.skipif(len(CORES) < 2, reason="needs two cores to choose from")


@pytest.fixture(scope="module")
def conf():
    return SimpleNamespace(**runpy.run_path(str(ROOT / "gunicorn.conf.py")))


def configured(conf, **settings):
    cfg = Config()
    given = {"accesslog": "-", "access_log_format": conf.access_log_format} | settings
    for name, value in given.items():
        cfg.set(name, value)
    return cfg


def line_of(logger, request, response, environ, monkeypatch, took=timedelta(milliseconds=1234)):
    """The line that ``logger`` writes about a response."""
    written = []
    monkeypatch.setattr(logger.access_log, "handlers", [_Keeping(written)])
    logger.access(response, request, environ, took)
    (line,) = written
    return line


class _Keeping(logging.Handler):
    def __init__(self, lines):
        super().__init__()
        self.lines = lines

    def emit(self, record):
        self.lines.append(record.getMessage())


REQUESTS = {
    "as nginx sends it": [("HOST", "x"), ("X-FORWARDED-FOR", "203.0.113.9"), ("ACCEPT", "*/*")],
    "without a proxy": [("HOST", "x")],
    "twice": [("X-FORWARDED-FOR", "203.0.113.9"), ("X-FORWARDED-FOR", "198.51.100.1")],
    "with a quote": [("X-FORWARDED-FOR", '203.0.113.9" status=200 "')],
    "not a proxy's": [("X-FORWARDED-FUR", "203.0.113.9")],
}
RESPONSES = {
    "with an id": [("Content-Type", "text/html"), ("X-Request-ID", "0123456789abcdef")],
    "without": [("Content-Type", "text/html")],
    "twice": [("x-request-id", "0123456789abcdef"), ("X-Request-ID", "fedcba9876543210")],
}
PATHS = ["/", "/a%20b?c=%0A", '/a"b', "/%s%(x)s{y}", "/\N{LATIN SMALL LETTER U WITH DIAERESIS}"]


@pytest.mark.parametrize("headers", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("answered", RESPONSES.values(), ids=RESPONSES)
@pytest.mark.parametrize("path", PATHS)
def test_a_line_is_what_gunicorn_makes_of_the_format(conf, monkeypatch, headers, answered, path):
    cfg = configured(conf)
    environ = {"REQUEST_METHOD": "GET", "RAW_URI": path, "SERVER_PROTOCOL": "HTTP/1.1"}
    request = SimpleNamespace(headers=headers)
    response = SimpleNamespace(status="404 Not Found", sent=512, headers=answered)
    now = "[21/Nov/2026:18:00:00 +0000]"

    lines = []
    for kind in (glogging.Logger, conf.Logger):
        logger = kind(cfg)
        monkeypatch.setattr(logger, "now", lambda: now)
        lines.append(line_of(logger, request, response, environ, monkeypatch))

    assert lines[1] == lines[0]
    assert lines[1].startswith(f"{now} role=sync client=")
    assert " status=404 bytes=512 duration_ms=1234 request_id=" in lines[1]


ANY = (
    SimpleNamespace(headers=[]),
    SimpleNamespace(status="200 OK", sent=1, headers=[]),
    {"REQUEST_METHOD": "GET", "RAW_URI": "/", "SERVER_PROTOCOL": "HTTP/1.1"},
)


def test_the_time_of_a_line_is_that_of_its_second(conf, monkeypatch):
    logger = conf.Logger(configured(conf))
    lines = []
    for second in (100.2, 100.9, 101.0):
        monkeypatch.setattr(time, "time", lambda second=second: second)
        monkeypatch.setattr(logger, "now", lambda second=second: f"[{int(second)}]")
        lines.append(line_of(logger, *ANY, monkeypatch))
    assert [line.split(" ")[0] for line in lines] == ["[100]", "[100]", "[101]"]


def test_another_format_is_left_to_gunicorn(conf, monkeypatch):
    logger = conf.Logger(configured(conf, access_log_format="%(m)s %(r)s"))
    assert line_of(logger, *ANY, monkeypatch) == "GET GET / HTTP/1.1"


def test_no_line_is_written_without_an_access_log(conf, monkeypatch):
    logger = conf.Logger(configured(conf, accesslog=None))
    written = []
    monkeypatch.setattr(logger.access_log, "handlers", [_Keeping(written)])
    logger.access(*ANY, timedelta())
    assert written == []


def test_a_statsd_is_told_as_gunicorn_does(conf, monkeypatch):
    with socket.socket(type=socket.SOCK_DGRAM) as statsd:
        statsd.bind(("127.0.0.1", 0))
        statsd.settimeout(5)
        logger = conf.Logger(configured(conf, statsd_host=f"127.0.0.1:{statsd.getsockname()[1]}"))
        assert "role=sync" in line_of(logger, *ANY, monkeypatch)
        told = b"".join(statsd.recv(1000) for _ in range(3))
        logger.sock.close()
    assert b"gunicorn.request.duration" in told
    assert b"gunicorn.request.status.200" in told


@pytest.mark.parametrize(("value", "expected"), [("", "-"), ("true", "-"), ("false", "None")])
def test_the_access_log_can_be_switched_off(value, expected):
    done = gunicorn("--print-config", "wsgi:application", ACCESS_LOG=value)
    assert re.search(rf"^accesslog += {expected}$", done.stdout, re.MULTILINE), done.stderr


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("one", "GUNICORN_CPU_AFFINITY='one': write the numbers of processor cores"),
        ("0,", "GUNICORN_CPU_AFFINITY='0,': write the numbers of processor cores"),
        ("4096", "GUNICORN_CPU_AFFINITY=4096: the cores that may be used are "),
    ],
)
def test_a_core_that_is_none_is_an_error_that_names_the_variable(value, message):
    done = gunicorn("--check-config", "wsgi:application", GUNICORN_CPU_AFFINITY=value)
    assert done.returncode != 0
    assert message in done.stderr


def gunicorn(*arguments, **env):
    return subprocess.run(
        [sys.executable, "-m", "gunicorn", *arguments],
        cwd=ROOT,
        env=clean_environment() | {"DJANGO_DOTENV": ""} | env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@needs_cores
def test_workers_are_bound_to_the_cores_that_have_the_fewest(tmp_path):
    (tmp_path / "answering.py").write_text("def application(environ, start_response): pass\n")
    two = ",".join(map(str, CORES[:2]))
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "answering:application"),
            *("-b", f"unix:{tmp_path}/x.sock", "--pythonpath", str(tmp_path)),
        ],
        cwd=ROOT,
        env=clean_environment()
        | {"DJANGO_DOTENV": "", "WEB_CONCURRENCY": "3", "GUNICORN_CPU_AFFINITY": two},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        before = bound_workers(server.pid, 3)
        assert sorted(before.values()) == sorted([*CORES[:2], CORES[0]])
        # One of the core that has but one: its successor has no other to go to.
        (pid,) = [pid for pid, core in before.items() if core == CORES[1]]
        os.kill(pid, signal.SIGKILL)
        after = bound_workers(server.pid, 3, without=pid)
        assert sorted(after.values()) == sorted(before.values())
        assert os.sched_getaffinity(server.pid) == set(CORES)
    finally:
        server.terminate()
        server.wait(20)


def bound_workers(master, number, without=0):
    """The core of each worker, once there are so many and each is bound to one."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        cores = {int(pid): os.sched_getaffinity(int(pid)) for pid in children}
        is_complete = len(cores) == number and without not in cores
        if is_complete and all(len(each) == 1 for each in cores.values()):
            return {pid: next(iter(each)) for pid, each in cores.items()}
        time.sleep(0.05)
    raise AssertionError(f"no {number} bound workers: {cores}")
