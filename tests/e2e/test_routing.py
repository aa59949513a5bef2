"""Which instance answers what: request targets sent byte for byte, through each supported nginx.

And with one instance for all of it, which changes who answers and nothing else.
"""

from collections.abc import Iterator
from typing import Final

import pytest

from tests.e2e._proxy_lab import Response, nginx_binaries, send_raw
from tests.e2e.stack import Stack

# Who answers. The parsers of Gunicorn and Uvicorn answer before Django, and so without X-Served-By.
SYNC, ASYNC, NGINX = "sync", "async", "nginx"
GUNICORN, UVICORN = "gunicorn's parser", "uvicorn's parser"

CORPUS: Final[list[tuple[bytes, str, int]]] = [
    # The plain cases.
    (b"/", SYNC, 200),
    (b"/healthz/", SYNC, 200),
    (b"/healthz", SYNC, 404),
    (b"/async/hello/", ASYNC, 200),
    (b"/async/healthz/", ASYNC, 200),
    (b"/async/unknown/", ASYNC, 404),
    (b"/unknown/", SYNC, 404),
    # The prefix without its slash.
    (b"/async", NGINX, 308),
    (b"/async?next=/x&y=%2F", NGINX, 308),
    (b"/async?", NGINX, 308),
    (b"/async#", NGINX, 308),
    (b"/%61sync", NGINX, 308),
    # A missing slash further down is Django's to redirect.
    (b"/async/hello", ASYNC, 301),
    # What only begins like the prefix.
    (b"/asyncx", SYNC, 404),
    (b"/asyncx/hello/", SYNC, 404),
    (b"/async-x/", SYNC, 404),
    (b"/async_instance/", SYNC, 404),
    (b"/async.html", SYNC, 404),
    (b"/async.", SYNC, 404),
    (b"/async~/", SYNC, 404),
    (b"/async+/", SYNC, 404),
    (b"/async:8000/", SYNC, 404),
    (b"/async@localhost/", SYNC, 404),
    (b"/async,/", SYNC, 404),
    (b"/async$/", SYNC, 404),
    (b"/async|/", SYNC, 404),
    (b"/async'/", SYNC, 404),
    (b'/async"/', SYNC, 404),
    (b"/x/async/hello/", SYNC, 404),
    # Paths are case-sensitive.
    (b"/ASYNC/", SYNC, 404),
    (b"/ASYNC/hello/", SYNC, 404),
    (b"/Async/hello/", SYNC, 404),
    (b"/async/HELLO/", ASYNC, 404),
    # Encoded letters and slashes: nginx and Django decode them alike, once.
    (b"/%61sync/hello/", ASYNC, 200),
    (b"/%61%73%79%6e%63/hello/", ASYNC, 200),
    (b"/async%2Fhello/", ASYNC, 200),
    (b"/async%2fhello/", ASYNC, 200),
    (b"/async/hello%2F", ASYNC, 200),
    (b"/async/%2Fhello/", ASYNC, 404),
    (b"/async%252Fhello/", SYNC, 404),
    (b"/%2561sync/hello/", SYNC, 404),
    (b"%2Fasync/hello/", NGINX, 400),
    # Double slashes: nginx merges them to choose, and passes them on. Neither instance knows them.
    (b"//async/hello/", ASYNC, 404),
    (b"///async/hello/", ASYNC, 404),
    (b"/%2Fasync/hello/", ASYNC, 404),
    (b"/async//hello/", ASYNC, 404),
    (b"/async/hello//", ASYNC, 404),
    (b"//healthz/", SYNC, 404),
    (b"//", SYNC, 404),
    # Dot segments: resolved to choose, passed on as they are. No way from one instance's URLs
    # to the other's.
    (b"/./async/hello/", ASYNC, 404),
    (b"/async/./hello/", ASYNC, 404),
    (b"/async/.", ASYNC, 404),
    (b"/sync/../async/hello/", ASYNC, 404),
    (b"/async/../healthz/", SYNC, 404),
    (b"/async/..", SYNC, 404),
    (b"/async/../", SYNC, 404),
    (b"/async/%2e/hello/", ASYNC, 404),
    (b"/async/%2e%2e/healthz/", SYNC, 404),
    (b"/async/%2E%2E/healthz/", SYNC, 404),
    (b"/async/.%2e/healthz/", SYNC, 404),
    (b"/async/..%2fhealthz/", SYNC, 404),
    (b"/async/%2e%2e%2fhealthz/", SYNC, 404),
    (b"/async/%252e%252e/healthz/", ASYNC, 404),
    (b"/async/.../hello/", ASYNC, 404),
    (b"/async/../../", NGINX, 400),
    (b"/../async/hello/", NGINX, 400),
    (b"/%2e%2e/async/hello/", NGINX, 400),
    (b"/..", NGINX, 400),
    # ;params are part of a segment, nothing more.
    (b"/async;x/hello/", SYNC, 404),
    (b"/async;/hello/", SYNC, 404),
    (b"/async..;/hello/", SYNC, 404),
    (b"/;/async/hello/", SYNC, 404),
    (b"/async/;x=1", ASYNC, 404),
    (b"/async/..;/healthz/", ASYNC, 404),
    (b"/async/hello/;x=1", ASYNC, 404),
    (b"/async/hello;v=1/", ASYNC, 404),
    # A backslash is not a slash.
    (b"/async\\hello/", SYNC, 404),
    (b"/\\async/hello/", SYNC, 404),
    (b"/async%5Chello/", SYNC, 404),
    (b"/async%5c..%5chealthz/", SYNC, 404),
    (b"/async/..\\healthz/", ASYNC, 404),
    (b"\\async/", NGINX, 400),
    # Broken escapes, zero bytes, control characters, spaces.
    (b"/%", NGINX, 400),
    (b"/%2", NGINX, 400),
    (b"/async/%zz/", NGINX, 400),
    (b"/%00", NGINX, 400),
    (b"/async/hello/%00", NGINX, 400),
    (b"/async%00/hello/", NGINX, 400),
    (b"/async\x00/", NGINX, 400),
    (b"/async /", NGINX, 400),
    (b"/async\t/", NGINX, 400),
    (b"/async/%0d%0aX-Evil:1/", ASYNC, 404),
    (b"/async/%0a", ASYNC, 404),
    (b"/async/%20", ASYNC, 404),
    (b"/async%20/", SYNC, 404),
    # Not UTF-8, or not ASCII: encoded it is a path like any other, raw it is not HTTP.
    (b"/%ff%fe", SYNC, 404),
    (b"/async/%FF%FE", ASYNC, 404),
    (b"/async/h%C3%A9llo/", ASYNC, 404),
    (b"/%C0%AE%C0%AE/async/", SYNC, 404),
    (b"/async/%C0%AFhello/", ASYNC, 404),
    (b"/%ef%bc%8fasync/hello/", SYNC, 404),
    (b"/\xff\xfe", GUNICORN, 400),
    (b"/as\xc2\xadync/", GUNICORN, 400),
    (b"/async/\xff\xfe", UVICORN, 400),
    (b"/async/h\xc3\xa9llo/", UVICORN, 400),
    # Query strings and fragments do not route.
    (b"/?/async/hello/", SYNC, 200),
    (b"/healthz/?x=/async/", SYNC, 200),
    (b"/async/hello/?/../healthz/", ASYNC, 200),
    (b"/async/hello/?a=b?c=d", ASYNC, 200),
    (b"/async/hello/?q=%00%ff", ASYNC, 200),
    (b"/async/hello/#fragment", ASYNC, 200),
    # Long ones: the buffers of nginx end at 8 KiB, for the whole request line.
    (b"/healthz/?" + b"q" * 3000, SYNC, 200),
    (b"/async/hello/?" + b"q" * 7000, ASYNC, 200),
    (b"/async/" + b"a" * 7000, ASYNC, 404),
    (b"/" + b"a" * 9000, NGINX, 414),
    (b"/async/" + b"a" * 9000, NGINX, 414),
    (b"/" + b"a" * 40_000, NGINX, 414),
    # Absolute form: the host in it counts, whatever the Host header says.
    (b"http://127.0.0.1/async/hello/", ASYNC, 200),
    (b"http://127.0.0.1/healthz/", SYNC, 200),
    (b"http://127.0.0.1", SYNC, 200),
    (b"http://localhost:1/async/hello/", ASYNC, 200),
    (b"HTTP://LOCALHOST/async/hello/", ASYNC, 200),
    (b"http://localhost/async", NGINX, 308),
    (b"http://other.example/async/hello/", NGINX, 421),
    (b"http://user@localhost/async/hello/", NGINX, 400),
    (b"http:///async/hello/", NGINX, 400),
    (b"http:/async/hello/", NGINX, 400),
    # No path at all.
    (b"async/hello/", NGINX, 400),
    (b"localhost:80", NGINX, 400),
    (b"*", NGINX, 400),
    (b"", NGINX, 400),
    # Static files are nginx's; what climbs out of them is not.
    (b"/static/missing.css", NGINX, 404),
    (b"/static/", NGINX, 403),
    (b"/static", SYNC, 404),
    (b"/STATIC/x.css", SYNC, 404),
    (b"/static../db.sqlite3", SYNC, 404),
    (b"/static/../db.sqlite3", SYNC, 404),
    (b"/static/%2e%2e/db.sqlite3", SYNC, 404),
    (b"/static/..%2fdb.sqlite3", SYNC, 404),
    (b"/static/..%2f..%2fdb.sqlite3", NGINX, 400),
    (b"/static/../async/hello/", ASYNC, 404),
    (b"/async/static/x.css", ASYNC, 404),
    # Locations of the configuration that are no one's URL.
    (b"/@error_json", SYNC, 404),
]


@pytest.fixture(scope="module", params=[*nginx_binaries, pytest.param("mixed", id="mixed")])
def project(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """The project itself behind one of the supported versions of nginx, and as one instance."""
    options = {"NGINX": str(request.param)}
    if request.param == "mixed":
        # With DEBUG it has static files too.
        options = {"TOPOLOGY": "mixed", "WEB_CONCURRENCY": "2", "DJANGO_DEBUG": "false"}
    with Stack(tmp_path_factory.mktemp("routing"), **options) as running:
        yield running


def answerer(project: Stack, answers: str) -> str:
    """Who answers in this topology, what ``answers`` does where there are two instances."""
    if project.served_by(SYNC) == SYNC:
        return answers
    return {SYNC: "mixed", ASYNC: "mixed", GUNICORN: UVICORN}.get(answers, answers)


def ask(project: Stack, target: bytes, method: bytes = b"GET") -> Response:
    head = b"%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % (method, target, project.port)
    return send_raw(project.port, head + b"Connection: close\r\n\r\n")


def who_answered(response: Response) -> str:
    if "x-served-by" in response.headers:
        return response.headers["x-served-by"]
    if b"<center>nginx</center>" in response.body or response.status == 421:
        return NGINX
    if response.body.startswith(b"Invalid HTTP request"):
        return UVICORN
    if b"<h1><p>Bad Request</p></h1>" in response.body:
        return GUNICORN
    return "who knows"


def name(value: object) -> str | None:
    return ascii(value)[2:-1][:40] if isinstance(value, bytes) else None


def test_the_corpus_has_no_target_twice() -> None:
    targets = [target for target, _, _ in CORPUS]
    assert len(targets) == len(set(targets)) >= 60


@pytest.mark.parametrize(("target", "answers", "status"), CORPUS, ids=name)
def test_target_reaches_its_instance(
    project: Stack, target: bytes, answers: str, status: int
) -> None:
    response = ask(project, target)
    expected = (answerer(project, answers), status)
    assert (who_answered(response), response.status) == expected, response.raw[:500]
    assert "x-request-id" in response.headers


@pytest.mark.parametrize(
    ("method", "target", "answers", "status"),
    [
        (b"HEAD", b"/async/hello/", ASYNC, 200),
        (b"HEAD", b"/healthz/", SYNC, 200),
        (b"POST", b"/async", NGINX, 308),
        (b"OPTIONS", b"*", NGINX, 400),
        (b"TRACE", b"/async/hello/", NGINX, 405),
        (b"get", b"/async/hello/", NGINX, 400),
    ],
    ids=name,
)
def test_method_and_target_reach_their_instance(
    project: Stack, method: bytes, target: bytes, answers: str, status: int
) -> None:
    response = ask(project, target, method)
    expected = (answerer(project, answers), status)
    assert (who_answered(response), response.status) == expected, response.raw[:500]


def test_connect_is_refused(project: Stack) -> None:
    # Newer versions parse the target before they refuse the method.
    assert ask(project, b"127.0.0.1:80", b"CONNECT").status in {400, 405}


@pytest.mark.parametrize(
    ("target", "location"),
    [
        (b"/async", "/async/"),
        (b"/async?next=/x&y=%2F", "/async/?next=/x&y=%2F"),
        (b"/%61sync?a=%0d%0aSet-Cookie:x=1", "/async/?a=%0d%0aSet-Cookie:x=1"),
        (b"http://localhost/async?a", "/async/?a"),
    ],
    ids=name,
)
def test_the_missing_slash_is_a_relative_redirect_with_the_query(
    project: Stack, target: bytes, location: str
) -> None:
    assert ask(project, target).headers["location"] == location
