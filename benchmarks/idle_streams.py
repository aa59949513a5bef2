"""Idle server-sent event streams through nginx, in one process: threads, memory, what holds it.

    python benchmarks/idle_streams.py [--streams 10000] [--seconds 20] [--account] [--stock]

Opens the streams, waits for the first event of each, and then ``--seconds``, in which each gets
heartbeats. nginx and Uvicorn are connected by a Unix socket. Series:

- ``connection``: an ASGI application without Django that waits for the disconnect: what Uvicorn,
  uvloop and asyncio need for a stream;
- ``plain``: a ``StreamingHttpResponse`` of an async generator, by ``NativeASGIHandler`` with
  startproject's seven middleware;
- ``events``: the same with ``EventStreamResponse``, that is with heartbeats;
- ``instance, events``: all that ``asgi.py`` serves, with the counter of hops and the access log;
- with ``--stock``, ``stock, plain``: Django's handler and middleware. A thread is started for each.

``kb_each`` is resident memory above that of the process before the streams, divided by them;
``dropped`` is how many were not open any more in the end. ``--account`` adds what tracemalloc says:
KB each by the place that allocated it, in a process of its own, since it needs memory itself.

A stream takes an open file here, two in nginx and one in Uvicorn: see `ulimit -n`. Prints progress
on stderr and one JSON object on stdout.
"""

import json
import resource
import select
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import _servers as servers

HEARTBEAT = "5"
#: name: stack, path
SERIES = {
    "connection": ("bare", "/async/plain-stream/"),
    "plain": ("native", "/async/plain-stream/"),
    "events": ("native", "/async/events/"),
    "instance, events": ("instance", "/async/events/"),
}
STOCK = {"stock, plain": ("stock", "/async/plain-stream/")}
BARS = {"threads": 10, "kb_each": 22, "dropped": 0}
# Four workers, so that each stays below a limit of 20,000 open files; reuseport divides them.
CONFIGURATION = """
worker_processes 4;
daemon off;
pid %FOLDER%/nginx.pid;
error_log stderr error;
events { worker_connections 9000; }
http {
    %TEMPORARY%
    access_log off;
    upstream async_instance { server unix:%SOCKET%; keepalive 256; }
    server {
        listen 127.0.0.1:%PORT% backlog=4096 reuseport;
        location / {
            proxy_pass http://async_instance;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host 127.0.0.1;
            proxy_set_header X-Forwarded-For 127.0.0.1;
            proxy_buffering off;
            proxy_read_timeout 300s;
        }
    }
}
"""


def main() -> None:
    """Measure, and print."""
    given = servers.options(__doc__, streams=10_000, account=False, stock=False, seconds=20.0)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if given.streams > hard - 200:
        raise SystemExit(f"`ulimit -Hn` is {hard}: too few for {given.streams} streams.")
    series = SERIES | (STOCK if given.stock else {})
    found, accounts = {}, {}
    for name, (stack, path) in series.items():
        print(f"{name} ...", file=sys.stderr)
        with serving(stack) as (server, port):
            found[name] = measure(server, port, path, given.streams, given.seconds)
        print(f"{name}: {found[name]}", file=sys.stderr)
        if given.account and stack != "stock":
            with serving(stack, BENCHMARK_TRACEMALLOC="1") as (server, port):
                accounts[name] = account(server, port, path, min(given.streams, 2000))
    print(
        json.dumps(
            {
                "machine": servers.machine(),
                "streams": given.streams,
                "seconds": given.seconds,
                "series": found,
                "account_kb_each": accounts,
                "bars": BARS,
            }
        )
    )


@contextmanager
def serving(stack: str, **env: str) -> Iterator[tuple[servers.Server, int]]:
    """Uvicorn behind nginx, and nginx's port."""
    with servers.folder() as folder:
        socket_, port = str(folder / "async.sock"), servers.free_port()
        with (
            servers.uvicorn(
                stack, unix_socket=socket_, BENCHMARK_HEARTBEAT=HEARTBEAT, **env
            ) as server,
            servers.nginx(folder, CONFIGURATION, socket=socket_, port=port),
        ):
            yield server, port


class Streams:
    """Open streams, and what came on them."""

    def __init__(self, port: int, path: str) -> None:
        self._port = port
        self._request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        self._poll = select.epoll()
        self.open: dict[int, socket.socket] = {}
        self.received: dict[int, int] = {}

    def add(self, number: int, *, at_once: int = 200) -> None:
        """Open ``number`` more, and wait for the first event of each."""
        while number:
            some = min(number, at_once)
            for _ in range(some):
                stream = socket.create_connection(("127.0.0.1", self._port))
                stream.sendall(self._request)
                stream.setblocking(False)
                self.open[stream.fileno()] = stream
                self.received[stream.fileno()] = 0
                self._poll.register(stream.fileno(), select.EPOLLIN)
            waiting = set(list(self.open)[-some:])
            deadline = time.monotonic() + 60
            while waiting:
                waiting -= self.read(1, b"data: hello")
                if time.monotonic() > deadline:
                    raise SystemExit(f"{len(waiting)} streams got no first event.")
            number -= some

    def read(self, seconds: float, wanted: bytes = b"") -> set[int]:
        """Read what comes; return the streams on which ``wanted`` was."""
        found = set()
        for number, _ in self._poll.poll(seconds):
            data = self.open[number].recv(65536)
            if not data:
                self._poll.unregister(number)
                self.open.pop(number).close()
            self.received[number] += len(data)
            if wanted and wanted in data:
                found.add(number)
        return found

    def wait(self, seconds: float) -> None:
        """Read what comes for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.read(left)

    def close(self) -> None:
        for stream in self.open.values():
            stream.close()


def measure(
    server: servers.Server, port: int, path: str, number: int, seconds: float
) -> dict[str, float]:
    """Open the streams, and see what they take."""
    streams = Streams(port, path)
    # What is made once, and not for each: modules, threads, caches.
    streams.add(100)
    streams.close()
    time.sleep(1)
    before, threads_before = server.rss(), server.threads()
    streams = Streams(port, path)
    begun = time.monotonic()
    streams.add(number)
    opened = time.monotonic() - begun
    first = dict(streams.received)
    streams.wait(seconds)
    counts = server.counts()
    figures = {
        "kb_each": round((server.rss() - before) / 1024 / number, 2),
        "rss_mb": round(server.rss() / 1024**2, 1),
        "rss_mb_before": round(before / 1024**2, 1),
        # All of them: Python's, and those of uvloop and other libraries.
        "threads": server.threads(),
        "threads_before": threads_before,
        "python_threads": counts["threads"],
        "tasks": counts["tasks"],
        "opened_in_seconds": round(opened, 1),
        "dropped": number - len(streams.open),
        "with_a_heartbeat": sum(streams.received[each] > first[each] for each in streams.open),
    }
    streams.close()
    return figures


def account(server: servers.Server, port: int, path: str, number: int) -> dict[str, object]:
    """KB each by the place that allocated it, and objects each by type."""
    streams = Streams(port, path)
    streams.add(100)
    streams.close()
    time.sleep(1)
    server.get("/_memory/mark")
    streams = Streams(port, path)
    streams.add(number)
    streams.wait(2)
    found = json.loads(server.get(f"/_memory/since/{number}")[1])
    streams.close()
    return found


if __name__ == "__main__":
    main()
