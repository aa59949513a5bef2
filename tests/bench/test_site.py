"""Every page of the reference workloads, from every server that is compared, behind nginx."""

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks._servers import nginx_binary
from split_deploy.bench.config import Config
from split_deploy.bench.load.figures import Request
from split_deploy.bench.load.wire import encoded
from split_deploy.bench.project import answering_late
from split_deploy.bench.servers import Cores, Servers
from split_deploy.bench.topologies import TOPOLOGIES, Size
from tests.services import DATABASE_URL, require_postgres

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "benchmarks" / "bench.toml"
CONFIG = Config.read(FILE)
# What only the all-WSGI topologies don't serve.
STREAMS = {each.path for each in CONFIG.workload if each.streams}
# It needs the pool of threads that stock Django hasn't.
BLOCKING_FIRST = "/async/call-blocking-first/"


@pytest.fixture(scope="module")
def prepared():
    """The environment of the site's servers, and the variables that its setup command prints."""
    require_postgres()
    with tempfile.TemporaryDirectory() as folder, answering_late(()) as slow:
        env = {
            "BENCHMARK_FOLDER": folder,
            "BENCHMARK_DATABASE_URL": DATABASE_URL,
            "BENCHMARK_SCHEMA": "benchmarks_in_a_test",
            "SPLIT_DEPLOY_BENCH_SLOW_URL": slow,
        }
        command = [sys.executable, "-m", "benchmarks._site.prepare"]
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | env, stdout=subprocess.PIPE, text=True, check=True
        )
        name, _, value = done.stdout.strip().partition("=")
        yield env, {name: value}
        subprocess.run([*command, "--remove"], cwd=ROOT, env=os.environ | env, check=True)
        assert [path.name for path in Path(folder).iterdir()] == ["100MB.bin"]


@pytest.fixture(scope="module", params=TOPOLOGIES)
def servers(request, prepared):
    """One process of each server of a topology, which count."""
    topology = TOPOLOGIES[request.param]
    with tempfile.TemporaryDirectory() as folder:
        running = Servers(
            topology,
            CONFIG.project,
            Size(processes=2 if topology.group == "split" else 1, async_processes=1, threads=4),
            folder=Path(folder, "servers"),
            nginx=Path(nginx_binary()),
            prefix="async/",
            cores=Cores.found(pin=False),
            counting=True,
            env=prepared[0],
        )
        with running:
            yield running


@contextmanager
def asked(servers: Servers, request: Request):
    """The response to ``request``, through nginx."""
    with socket.create_connection(("127.0.0.1", servers.port), timeout=60) as connection:
        connection.sendall(encoded(request, servers.url))
        response = http.client.HTTPResponse(connection, method=request.method)
        response.begin()
        yield response
        response.close()


def test_each_workload_is_answered(servers, prepared):
    requests = {}
    for each in (*CONFIG.workload, *CONFIG.curve):
        if servers.topology.is_wsgi and each.path in STREAMS:
            continue
        if each.path == BLOCKING_FIRST and not servers.topology.is_native:
            continue
        request = each.request(wsgi=servers.topology.is_wsgi, variables=prepared[1])
        requests[request.method, request.path, bool(request.headers)] = request
        if getattr(each, "beside", None):
            beside = each.beside.request(
                wsgi=servers.topology.is_wsgi, headers={}, variables=prepared[1]
            )
            requests["GET", beside.path, False] = beside

    for request in requests.values():
        with asked(servers, request) as response:
            assert response.status in {200, 201}, request.path
            if request.path.startswith(("/async/events", "/async/ticks")):
                assert response.readline().startswith(b"data: "), request.path
            elif "download" in request.path:
                assert sum(map(len, iter(lambda: response.read(1 << 20), b""))) == 100_000_000
            elif "upload" in request.path:
                assert json.load(response) == {"size": 10_000_000}
            elif "session" in request.path:
                assert json.load(response) == {"user": "alice"}
            elif "page" in request.path:
                assert response.read().count(b"<tr") == 20
            else:
                assert json.load(response)


@pytest.mark.parametrize(
    "servers", [name for name, each in TOPOLOGIES.items() if not each.is_wsgi], indirect=True
)
def test_a_tick_has_its_number(servers):
    with asked(servers, Request(path="/async/ticks/?period=20")) as response:
        lines = [response.readline() for _ in range(8)]
    assert lines[::2] == [b"data: 0\n", b"data: 1\n", b"data: 2\n", b"data: 3\n"]


def counted(servers: Servers, path: str, requests: int = 3) -> dict[str, float]:
    """What a request to ``path`` costs, once what is done once has been."""
    found = []
    for number in (2, requests):
        for _ in range(number):
            with asked(servers, Request(path=path)) as response:
                assert response.status == 200
                response.read()
        time.sleep(0.2)  # a request is counted when all of it is over
        total = {}
        for spec in servers.specs:
            for name, value in json.loads(servers.ask(spec, "/__bench__/counts")[1]).items():
                total[name] = total.get(name, 0) + value
        found.append(total)
    before, after = found
    return {name: (after[name] - before[name]) / requests for name in after}


def test_hops_are_counted(servers):
    # Threads only where each request has its own: elsewhere a pool may still grow.
    group = servers.topology.group
    sync, async_ = counted(servers, "/json/"), counted(servers, "/async/json/")
    read = counted(servers, "/async/read/postgresql/")

    assert sync["requests"] == async_["requests"] == read["requests"] == 1
    if group == "split":
        assert sync["hops"] == async_["hops"] == 0
        assert read["hops"] == 1
    elif group == "native":
        assert (sync["hops"], async_["hops"], read["hops"]) == (1, 0, 1)
    elif group == "asgi":
        # A thread for each request, to and fro which its middleware go.
        assert async_["hops"] > 5
        assert min(async_["threads_started"], sync["threads_started"]) >= 1
    else:
        # An event loop for each async view, in a thread of its own.
        assert (sync["hops"], sync["event_loops"]) == (0, 0)
        assert (async_["hops"], async_["event_loops"]) == (1, 1)
    if group != "wsgi":
        assert sync["event_loops"] == async_["event_loops"] == 0
