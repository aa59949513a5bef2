"""The example through nginx: a login on the sync instance, and a stream of the async one.

In each topology, but for what starts a stack of its own.
"""

import json
import re
import socket
from collections.abc import Iterator

import httpx
import pytest

LOGIN = "/accounts/login/"
BOARD = "/board/"
CHECK = "/async/board/check/"
#: Two instances, or one on Gunicorn.
EITHER = pytest.mark.parametrize(
    "options", [{}, {"TOPOLOGY": "mixed", "WEB_CONCURRENCY": "2"}], ids=["split", "mixed"]
)


@pytest.fixture
def browser(any_stack) -> Iterator[httpx.Client]:
    """An HTTP client with cookies, not logged in."""
    with httpx.Client(base_url=any_stack.url, timeout=20) as client:
        yield client


def log_in(browser: httpx.Client) -> None:
    response = post(browser, LOGIN, username="admin", password="admin", next=BOARD)
    assert (response.status_code, response.headers["Location"]) == (302, BOARD)


def post(browser: httpx.Client, path: str, **data: str) -> httpx.Response:
    """Send a form as a browser does: with the token of the page that it is on."""
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get(path).text)[1]
    return browser.post(path, data={"csrfmiddlewaretoken": token, **data})


def events(response: httpx.Response) -> Iterator[tuple[str, dict]]:
    name = ""
    for line in response.iter_lines():
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


def test_each_hello_comes_from_its_instance(browser, any_stack):
    for path, role in (("/", "sync"), ("/async/hello/", "async")):
        response = browser.get(path)
        assert response.status_code == 200
        assert f"Hello from the {role} instance" in response.text
        assert response.headers["X-Served-By"] == any_stack.served_by(role)


def test_the_static_files_of_the_pages_are_served(browser):
    page = browser.get(BOARD).text + browser.get("/").text
    found = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page))
    assert {path.rsplit("/", 1)[1] for path in found} >= {"app.css", "icon.svg"}
    for path in found:
        assert browser.get(path).status_code == 200


def test_the_admin_is_served_with_its_style(browser):
    page = browser.get("/admin/login/").text
    style = re.search(r'href="(/static/admin/css/base[^"]*\.css)"', page)[1]
    assert browser.get(style).headers["Content-Type"].startswith("text/css")


def test_a_login_without_the_csrf_token_is_refused(browser):
    browser.get(LOGIN)
    response = browser.post(LOGIN, data={"username": "admin", "password": "admin"})
    assert response.status_code == 403
    assert "sessionid" not in browser.cookies


def test_the_check_needs_a_login(browser, any_stack):
    response = browser.get(CHECK)
    assert response.status_code == 401
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["X-Served-By"] == any_stack.served_by("async")


def test_the_login_of_the_sync_instance_holds_on_the_async_one_until_the_logout(browser, any_stack):
    log_in(browser)
    with browser.stream("GET", CHECK) as response:
        assert response.status_code == 200
        assert response.headers["X-Served-By"] == any_stack.served_by("async")
        assert response.headers["Content-Type"].startswith("text/event-stream")
    token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', browser.get(BOARD).text)[1]
    browser.post("/accounts/logout/", data={"csrfmiddlewaretoken": token})
    assert browser.get(CHECK).status_code == 401


def test_a_private_url_is_refused_by_default(browser, any_stack):
    log_in(browser)
    response = post(browser, BOARD, url=f"{any_stack.url}/healthz/")
    assert response.status_code == 200
    assert "WATCH_ALLOW_PRIVATE_TARGETS=1" in response.text


@EITHER
def test_results_stream_as_they_arrive(start_stack, options):
    """The slow target is added and listed first; the fast one's result is there before it ends."""
    stack = start_stack(WATCH_ALLOW_PRIVATE_TARGETS="1", TUTORIAL_STEP_SECONDS="0.4", **options)
    slow, fast = f"{stack.url}/%73ync/", f"{stack.url}/healthz/"
    with httpx.Client(base_url=stack.url, timeout=20) as browser:
        log_in(browser)
        for url in (slow, fast):
            assert post(browser, BOARD, url=url).status_code == 302
        with browser.stream("GET", CHECK) as response:
            stream = events(response)
            assert next(stream) == ("start", {"total": 2})
            name, first = next(stream)
            assert (name, first["url"], first["status"]) == ("result", fast, 200)
            # The slow one has not counted to five yet.
            assert "Blocking count: 5" not in stack.log()
            name, second = next(stream)
            assert (name, second["url"], second["status"]) == ("result", slow, 200)
            assert next(stream) == ("done", {"total": 2})
            assert next(stream, None) is None
    assert second["ms"] >= 5 * 400 > first["ms"]


@EITHER
def test_when_the_client_goes_away_the_checks_are_cancelled(start_stack, options):
    """Seen from the target: its connection is closed long before the deadline of a check."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(10)
        stack = start_stack(WATCH_ALLOW_PRIVATE_TARGETS="1", **options)
        with httpx.Client(base_url=stack.url, timeout=20) as browser:
            log_in(browser)
            post(browser, BOARD, url=f"http://127.0.0.1:{silent.getsockname()[1]}/")
            with browser.stream("GET", CHECK) as response:
                stream = events(response)
                assert next(stream)[0] == "start"
                connection, _ = silent.accept()
                with connection:
                    connection.settimeout(5)
                    assert connection.recv(4096).startswith(b"GET / HTTP/1.1\r\n")
                    response.close()
                    assert connection.recv(4096) == b""
