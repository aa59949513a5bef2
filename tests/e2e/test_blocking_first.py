"""The blocking-first views, through nginx, in each topology."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest

from tests.e2e.test_tutorial import Log

TARGET = "/async/blocking_first/"


@pytest.fixture
def client(any_stack):
    with httpx.Client(base_url=any_stack.url, timeout=20) as client:
        yield client


def test_the_summary_of_the_board(any_stack, client):
    response = client.get(TARGET)
    assert response.status_code == 200, response.text
    assert response.headers["X-Served-By"] == any_stack.served_by("async")
    assert response.json()["endpoint"] == 200
    assert response.json()["urls"] >= 0


def test_more_requests_than_threads_and_none_blocks_the_loop(any_stack, client):
    log = Log(any_stack)
    with ThreadPoolExecutor(40) as requests:
        responses = list(requests.map(client.get, [TARGET] * 80))
    assert {response.status_code for response in responses} == {200}
    assert not log.has("The event loop is blocked")
    assert not log.has("was never ended")


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_an_uploaded_list(client, size):
    content = b"https://nowhere.example/\n".ljust(size, b"\n")
    response = client.post(f"{TARGET}list/", files={"list": ("list.txt", content)})
    assert (response.status_code, response.json()) == (200, {"known": []})


def test_a_client_that_leaves_does_no_harm(any_stack, client):
    log = Log(any_stack)
    for _ in range(10):
        with suppress(httpx.ReadTimeout):
            httpx.get(any_stack.url + TARGET, timeout=httpx.Timeout(5, read=0.001))
    assert client.get(TARGET).status_code == 200
    assert not log.has("Traceback")
