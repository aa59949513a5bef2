"""Thread hops, event loops and threads are counted; what is served stays the same."""

import asyncio
import json
import threading

import pytest
from asgiref.sync import async_to_sync, sync_to_async

from split_deploy.bench.counting import PATH, CountingASGI, CountingWSGI
from split_deploy.bench.tally import Tally


@pytest.fixture
def tally():
    """One that counts threads, until the end of the test."""
    found = Tally()
    before = threading.getprofile()
    found.count_threads()
    yield found
    threading.setprofile(before)


async def work():
    await asyncio.sleep(0)


def ask(application, path="/"):
    """Status and body of the response to a WSGI request."""
    said = []
    response = application({"PATH_INFO": path}, lambda status, headers: said.append(status))
    try:
        return said[0], b"".join(response)
    finally:
        if hasattr(response, "close"):
            response.close()


def test_under_wsgi_each_event_loop_is_a_hop(tally):
    def application(environ, start_response):
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/async/":
            async_to_sync(work)()
        return [b"body"]

    counting = CountingWSGI(application, tally)

    assert ask(counting) == ask(counting, "/async/") == ("200 OK", b"body")
    # As asgiref has it, an event loop in a thread of its own.
    expected = {"requests": 2, "hops": 1, "event_loops": 1, "threads_started": 1}
    assert tally.so_far() == expected
    assert ask(counting, PATH) == ("200 OK", json.dumps(expected).encode())


def test_under_wsgi_a_body_that_is_read_in_an_event_loop_counts_and_is_closed(tally):
    class Body:
        closed = False

        def __iter__(self):
            async_to_sync(work)()
            yield b"bo"
            async_to_sync(work)()
            yield b"dy"

        def close(self):
            self.closed = True

    body = Body()

    def application(environ, start_response):
        start_response("200 OK", [])
        return body

    assert ask(CountingWSGI(application, tally)) == ("200 OK", b"body")
    assert body.closed
    assert (tally.so_far()["hops"], tally.so_far()["requests"]) == (2, 1)


async def answer(application, path="/"):
    """The body of the response to an ASGI request."""
    sent = []

    async def send(message):
        sent.append(message)

    await application({"type": "http", "path": path}, None, send)
    return b"".join(message.get("body", b"") for message in sent)


@pytest.mark.asyncio
async def test_under_asgi_what_goes_to_a_thread_is_a_hop(tally):
    async def application(scope, receive, send):
        if scope["path"] == "/threads/":
            await sync_to_async(int)()
            await sync_to_async(int)()
            await asyncio.to_thread(int)
        await send({"type": "http.response.body", "body": b"body"})

    counting = CountingASGI(application, tally)

    assert await answer(counting) == await answer(counting, "/threads/") == b"body"
    counts = json.loads(await answer(counting, PATH))
    assert (counts["requests"], counts["hops"], counts["event_loops"]) == (2, 3, 0)
    assert counts["threads_started"] >= 2


@pytest.mark.asyncio
async def test_a_request_that_fails_counts_too(tally):
    async def application(scope, receive, send):
        await sync_to_async(int)()
        raise RuntimeError("as it was")

    with pytest.raises(RuntimeError, match="as it was"):
        await answer(CountingASGI(application, tally))

    assert (tally.so_far()["requests"], tally.so_far()["hops"]) == (1, 1)


@pytest.mark.asyncio
async def test_what_is_no_request_is_passed_on(tally):
    seen = []

    async def application(scope, receive, send):
        seen.append(scope)

    await CountingASGI(application, tally)({"type": "lifespan"}, None, None)

    assert seen == [{"type": "lifespan"}]
    assert tally.so_far()["requests"] == 0
