"""What ``GranianHandler`` adds to Granian, and what nobody can: against the real server."""

import http.client
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest

from split_deploy.handlers.granian import FileWrapper, _Proxies
from split_deploy.run.commands import GRANIAN
from tests.e2e.stack import ROOT, clean_environment


class Server:
    """Granian with one worker, on a Unix socket."""

    def __init__(self, folder, ready="Started worker-1", **env):
        self.socket = folder / "g.sock"
        self.log = ""
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "granian", "tests.granian.site:application"),
                *("--interface", "wsgi", "--uds", str(self.socket)),
            ],
            cwd=ROOT,
            env=clean_environment()
            | GRANIAN
            | {"GRANIAN_WORKERS": "1", "PYTHONUNBUFFERED": "1", "DATABASE_PASSWORD": "secret-1"}
            | {"HTTP_PROXY": "http://of-the-process:3128"}
            | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.wait_for(ready)
        self.client = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(self.socket)),
            base_url="http://www.example.org:8080",
            timeout=20,
        )

    def _read(self):
        for line in self.process.stdout:
            self.log += line

    def wait_for(self, text):
        deadline = time.monotonic() + 20
        while text not in self.log:
            assert time.monotonic() < deadline, f"no {text!r} in\n{self.log}"
            time.sleep(0.02)
        return next(line for line in reversed(self.log.splitlines()) if text in line)

    def connect(self):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(20)
        connection.connect(str(self.socket))
        return connection

    def stop(self):
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(20)
        self._reader.join(5)
        self.process.stdout.close()
        return status


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("g"))
    yield server
    assert server.stop() == 0


def test_the_scheme_of_the_client_is_that_of_its_request(server):
    secure = server.client.get("/scheme/", headers={"X-Forwarded-Proto": "https"})
    assert secure.text == "https 8080"
    assert server.client.get("/scheme/", headers={"X-Forwarded-Proto": "http"}).text == "http 8080"


@pytest.mark.parametrize(
    ("host", "scheme", "name", "port"),
    [
        ("www.example.org", "http", "www.example.org", "80"),
        ("www.example.org", "https", "www.example.org", "443"),
        ("[::1]:8443", "https", "[::1]", "8443"),
    ],
)
def test_the_server_is_what_the_host_header_says(server, host, scheme, name, port):
    headers = {"Host": host, "X-Forwarded-Proto": scheme}
    meta = server.client.get("/meta/", headers=headers).json()
    assert (meta["SERVER_NAME"], meta["SERVER_PORT"]) == (name, port)


def test_the_environment_of_the_process_is_not_in_the_request(server):
    meta = server.client.get("/meta/").json()
    assert "DATABASE_PASSWORD" not in meta
    assert "HTTP_PROXY" not in meta, "it would be taken for a header"
    assert meta["HTTP_HOST"] == "www.example.org:8080"


def test_a_body_is_read_line_by_line(server):
    body = b"first\nsecond\n" + b"x" * 100_000 + b"\nlast"
    lines = server.client.post("/lines/", content=body).json()
    assert [len(line) for line in lines] == [6, 7, 100_001, 4]


@pytest.mark.parametrize("size", [0, 1, 3 * 1024**2])
def test_an_uploaded_file_arrives_whole(server, size):
    answer = server.client.post("/size/", files={"file": ("a.bin", b"x" * size)})
    assert answer.text == str(size)


def test_a_body_arrives_whole_however_slowly_it_is_sent(server):
    with server.connect() as connection:
        connection.sendall(b"POST /size/ HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
        time.sleep(0.3)
        connection.sendall(b"def")
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.read() == b"6"


def test_a_file_is_sent_whole_and_in_large_blocks(server):
    size = 3 * 1024**2
    before = int(server.client.get("/reads/").text)
    assert len(server.client.get(f"/file/?size={size}").content) == size
    after = int(server.client.get("/reads/").text)
    assert after - before <= size / (256 * 1024) + 1


def test_a_file_is_closed_once_it_is_sent(server):
    before = int(server.client.get("/closed/").text)
    server.client.get("/file/?size=10")
    deadline = time.monotonic() + 10
    while int(server.client.get("/closed/").text) == before:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_block_is_never_smaller_than_what_was_asked_for():
    assert FileWrapper(None, 4096).blksize == 256 * 1024
    assert FileWrapper(None, 1024**2).blksize == 1024**2


def test_a_head_request_has_the_headers_and_no_body(server):
    with server.connect() as connection:
        connection.sendall(b"HEAD /reads/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = b""
        while part := connection.recv(4096):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert body == b""


def test_a_line_of_the_access_log_has_the_form_of_gunicorn_s(server):
    headers = {"X-Request-ID": "of-a-test-1", "X-Forwarded-For": "192.0.2.7"}
    server.client.get("/reads/?a=1", headers=headers)
    line = server.wait_for("request_id=of-a-test-1")
    assert re.fullmatch(
        r'role=sync client=192\.0\.2\.7 method=GET path="/reads/\?a=1" status=200 bytes=\d+ '
        r"duration_ms=\d+ request_id=of-a-test-1",
        line,
    )


def test_a_path_cannot_forge_a_line_of_the_access_log(server):
    headers = {"X-Request-ID": "of-a-test-2"}
    server.client.get("/a%0Arole=sync%22/?q=%22", headers=headers)
    line = server.wait_for("request_id=of-a-test-2")
    assert 'path="/a%0Arole=sync%22/?q=%22" status=404' in line


def test_a_stream_is_logged_when_it_has_ended_with_all_its_bytes(server):
    headers = {"X-Request-ID": "of-a-test-3"}
    assert server.client.get("/stream/?seconds=0.3", headers=headers).text == "one,two"
    line = server.wait_for("request_id=of-a-test-3")
    assert "bytes=7 " in line
    assert int(re.search(r"duration_ms=(\d+)", line)[1]) >= 300


def test_a_thread_keeps_its_connection_to_the_database(server):
    uses = [server.client.get("/connected/").text.split() for _ in range(12)]
    assert max(int(number) for *_, number in uses) > 1
    assert len({connection for _, connection, _ in uses}) <= int(
        GRANIAN["GRANIAN_BLOCKING_THREADS"]
    )


@pytest.mark.parametrize(
    ("allowed", "address", "is_one"),
    [
        ("127.0.0.1,::1", "127.0.0.1", True),
        ("127.0.0.1,::1", "192.0.2.1", False),
        ("10.0.0.0/8, 192.0.2.1", "10.1.2.3", True),
        ("*", "192.0.2.1", True),
        ("127.0.0.1", "", True),
    ],
)
def test_proxies_are_those_of_the_variable_and_who_comes_over_a_unix_socket(
    allowed, address, is_one
):
    assert (address in _Proxies(allowed)) is is_one


def test_a_stranger_is_not_believed_whose_scheme_and_address_he_names(tmp_path):
    """Over TCP, from an address that is not the proxy's."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "granian", "tests.granian.site:application"),
            *("--interface", "wsgi", "--port", str(port)),
        ],
        cwd=ROOT,
        env=clean_environment()
        | GRANIAN
        | {"GRANIAN_WORKERS": "1", "FORWARDED_ALLOW_IPS": "192.0.2.1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"}
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                meta = httpx.get(f"http://127.0.0.1:{port}/meta/", headers=headers).json()
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
    finally:
        process.terminate()
        process.wait(20)
    assert "HTTP_X_FORWARDED_FOR" not in meta
    assert meta["wsgi.url_scheme"] == "http"
    assert meta["REMOTE_ADDR"] == "127.0.0.1"


def test_a_worker_that_is_told_to_stop_while_it_loads_ends_at_once(tmp_path):
    """Else Granian would wait for it longer than ``stop`` does.

    What Granian logs doesn't tell: where two of its threads wait for a worker, it may say that it
    kills one that has already ended.
    """
    times = {"SITE_LOADS_FOR": "60", "GRANIAN_WORKERS_KILL_TIMEOUT": "40"}
    server = Server(tmp_path, ready="The site is loading", **times)
    assert server.stop() == 0


# What docs/granian.md warns of. When one of these fails, Granian has mended it: change the page.


def test_granian_loses_a_header_with_a_letter_that_is_not_ascii(server):
    with server.connect() as connection:
        connection.sendall(
            b"GET /meta/ HTTP/1.1\r\nHost: a\r\nCookie: sessionid=1; name=\xc3\xa9\r\n\r\n"
        )
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert b'"HTTP_COOKIE": ""' in answer.read()


def test_granian_ends_a_stream_that_breaks_as_if_it_were_whole(server):
    assert server.client.get("/stream/?broken=1").text == "one,"
    server.wait_for("RuntimeError: the stream breaks")


def test_granian_sends_a_header_that_is_not_ascii_as_utf_8_and_the_usual_reason(server):
    with server.connect() as connection:
        connection.sendall(b"GET /latin/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = b""
        while part := connection.recv(4096):
            answer += part
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"x-name: \xc3\xa9\r\n" in answer
