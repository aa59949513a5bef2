"""The tutorial's views one by one; tests/e2e/test_tutorial.py shows them between real servers."""

import asyncio
import logging
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import pytest
from asgiref.sync import iscoroutinefunction

from app import async_views, views
from app.http_client import lifespan

COUNTED = ["1", "2", "3", "4", "5"]


@pytest.fixture
def endpoint(settings):
    """An endpoint that answers 204, as TUTORIAL_ENDPOINT; the number of calls it got."""
    calls = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            calls.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        settings.TUTORIAL_ENDPOINT = f"http://127.0.0.1:{server.server_port}/called"
        yield calls
        server.shutdown()
        thread.join()


@pytest.fixture
def no_endpoint(settings):
    settings.TUTORIAL_ENDPOINT = "http://127.0.0.1:1/"


@pytest.fixture(autouse=True)
def lines(caplog):
    caplog.set_level(logging.INFO, "app")
    return caplog


def numbers(caplog, kind: str) -> list[str]:
    return [m.removeprefix(kind) for m in caplog.messages if m.startswith(kind)]


async def background_tasks_end() -> None:
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others)


def test_blocking_counts_and_calls_before_it_answers(client, endpoint, caplog):
    response = client.get("/sync/")
    assert response.text == "Blocking HTTP request"
    assert numbers(caplog, "Blocking count: ") == COUNTED
    assert endpoint == ["/called"]
    assert caplog.messages.index("Blocking count: 5") < next(
        index for index, message in enumerate(caplog.messages) if "answered 204" in message
    )


def test_blocking_says_which_endpoint_did_not_answer(client, no_endpoint, caplog):
    response = client.get("/sync/")
    assert response.status_code == 502
    assert response.text.startswith("TUTORIAL_ENDPOINT http://127.0.0.1:1/ did not answer")
    assert ("app.tutorial", logging.ERROR) in {(r.name, r.levelno) for r in caplog.records}


@pytest.mark.asyncio
@pytest.mark.urls("async_urls")
async def test_non_blocking_answers_before_it_counts(async_client, endpoint, caplog, settings):
    settings.TUTORIAL_STEP_SECONDS = 0.2
    async with lifespan():
        response = await async_client.get("/async/")
        assert response.text == "Non-blocking HTTP request"
        assert numbers(caplog, "Non-blocking count: ") == []
        await background_tasks_end()
    assert numbers(caplog, "Non-blocking count: ") == COUNTED
    assert endpoint == ["/called"]


@pytest.mark.asyncio
@pytest.mark.urls("async_urls")
async def test_sync_to_async_answers_before_the_thread_counts(
    async_client, endpoint, settings, caplog
):
    settings.TUTORIAL_STEP_SECONDS = 0.2
    response = await async_client.get("/async/sync_to_async/")
    assert response.text == "Non-blocking HTTP request (via sync_to_async)"
    assert numbers(caplog, "Blocking count: ") == []
    await background_tasks_end()
    assert numbers(caplog, "Blocking count: ") == COUNTED
    assert endpoint == ["/called"]
    counting = {r.threadName for r in caplog.records if r.message.startswith("Blocking count")}
    assert threading.current_thread().name not in counting


@pytest.mark.asyncio
@pytest.mark.urls("async_urls")
async def test_sync_to_async_uses_more_than_one_thread(async_client, endpoint, settings, caplog):
    """In a thread of its own the second doesn't wait for the first."""
    settings.TUTORIAL_STEP_SECONDS = 0.05
    await async_client.get("/async/sync_to_async/")
    await async_client.get("/async/sync_to_async/")
    await background_tasks_end()
    counts = numbers(caplog, "Blocking count: ")
    assert sorted(counts) == sorted(COUNTED * 2)
    assert counts != COUNTED * 2
    threads = {r.threadName for r in caplog.records if r.message.startswith("Blocking count")}
    assert len(threads) == 2


@pytest.mark.asyncio
@pytest.mark.urls("async_urls")
@pytest.mark.parametrize("path", ["/async/", "/async/sync_to_async/"])
async def test_a_background_task_that_fails_is_logged(async_client, no_endpoint, caplog, path):
    async with lifespan():
        assert (await async_client.get(path)).status_code == 200
        await background_tasks_end()
    failures = [r for r in caplog.records if r.name == "split_deploy.tasks"]
    assert len(failures) == 1
    assert "tutorial: " in failures[0].message
    assert "ConnectError" in caplog.text


@pytest.mark.asyncio
@pytest.mark.urls("async_urls")
async def test_smoke_overlaps_its_two_calls(async_client, endpoint, caplog):
    async with lifespan():
        response = await async_client.get("/async/smoke_some_meats/")
    assert response.text.startswith("Smoked 6 meats with ")
    assert response.text.endswith("!")
    events = [m for m in caplog.messages if m.endswith(("started", "finished"))]
    assert set(events[:2]) == {"Smokables: started", "Flavor: started"}
    assert set(events[2:]) == {"Smokables: finished", "Flavor: finished"}
    assert endpoint == ["/called", "/called"]


@pytest.mark.asyncio
@pytest.mark.urls("async_urls")
async def test_smoke_says_which_endpoint_did_not_answer(async_client, no_endpoint):
    async with lifespan():
        response = await async_client.get("/async/smoke_some_meats/")
    assert response.status_code == 502
    assert response.text.startswith("TUTORIAL_ENDPOINT http://127.0.0.1:1/ did not answer")


@pytest.mark.asyncio
@pytest.mark.urls("async_urls")
async def test_burn_stops_the_loop_for_everybody(async_client, settings):
    settings.TUTORIAL_STEP_SECONDS = 0.02
    turns = []

    async def somebody_else():
        while True:
            turns.append(time.monotonic())
            await asyncio.sleep(0)

    waiting = asyncio.create_task(somebody_else())
    response = await async_client.get("/async/burn_some_meats/")
    await asyncio.sleep(0)
    waiting.cancel()
    assert response.text == "Burned some meats."
    assert max(later - earlier for earlier, later in pairwise(turns)) >= 5 * 0.02


def test_each_view_is_of_its_instances_kind():
    """The decorators must not turn one into the other."""
    for module, names, is_async in (
        (views, ("home", "board", "delete_watched_url", "blocking"), False),
        (
            async_views,
            (
                "hello",
                "check_board",
                "non_blocking",
                "smoke_some_meats",
                "burn_some_meats",
                "via_sync_to_async",
            ),
            True,
        ),
    ):
        assert all(iscoroutinefunction(getattr(module, name)) is is_async for name in names)
