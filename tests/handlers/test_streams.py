"""A response that is sent in parts: how it begins, and all the ways in which it ends."""

import asyncio
import threading

import pytest
from asgiref.sync import sync_to_async
from django.core.signals import request_finished
from django.http import FileResponse, StreamingHttpResponse
from django.urls import path

from split_deploy import EventStreamResponse, ServerSentEvent, pool
from tests.handlers.client import Exchange, ask, is_on_the_loop

pytestmark = [pytest.mark.asyncio, pytest.mark.urls(__name__)]


class Notes:
    def __init__(self):
        self.events = []
        self.tasks = set()


@pytest.fixture(autouse=True)
def events():
    global noted
    noted = Notes()

    async def finished(**_):
        note("request finished")

    request_finished.connect(finished)
    yield noted.events
    request_finished.disconnect(finished)


def note(event):
    noted.events.append(event)
    noted.tasks.add(asyncio.current_task())


class Response(StreamingHttpResponse):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._resource_closers.append(self.note)

    def note(self):
        noted.events.append("response closed")


async def parts(after_the_first):
    try:
        yield b"1"
        await after_the_first()
        yield b"2"
    finally:
        await asyncio.sleep(0)
        note("generator ended")


async def nothing():
    pass


async def for_ever():
    await asyncio.Event().wait()


async def failure():
    raise LookupError


async def whole(request):
    return Response(parts(nothing))


async def endless(request):
    return Response(parts(for_ever))


async def failing(request):
    return Response(parts(failure))


async def flooding(request):
    async def flood():
        try:
            while True:
                yield b"x" * 70_000
        finally:
            note("generator ended")

    return Response(flood())


async def failing_to_clean_up(request):
    async def generator():
        try:
            yield b"1"
            await for_ever()
        finally:
            raise LookupError

    return Response(generator())


async def from_a_sync_iterator(request):
    def generator():
        yield b"on the loop" if is_on_the_loop() else b"in a thread"

    return StreamingHttpResponse(generator())


async def file(request):
    return FileResponse(open(__file__, "rb"))  # noqa: ASYNC230


async def after_a_query(request):
    await sync_to_async(threading.get_ident)()

    async def generator():
        yield str(pool.current_lease().worker).encode()

    return StreamingHttpResponse(generator())


async def events_of_a_server(request):
    async def generator():
        try:
            yield ServerSentEvent(data="1")
            await for_ever()
        finally:
            note("generator ended")

    return EventStreamResponse(generator())


urlpatterns = [
    path("", whole),
    path("endless/", endless),
    path("failing/", failing),
    path("flooding/", flooding),
    path("failing-to-clean-up/", failing_to_clean_up),
    path("sync/", from_a_sync_iterator),
    path("file/", file),
    path("query/", after_a_query),
    path("events/", events_of_a_server),
]

IN_ORDER = ["generator ended", "response closed", "request finished"]


async def test_a_stream_that_comes_to_its_end(events):
    exchange = await ask("/")

    assert [message.get("body") for message in exchange.sent[1:]] == [b"1", b"2", None]
    assert events == IN_ORDER
    assert noted.tasks == {exchange.task}


async def test_a_client_that_leaves_while_the_stream_waits(events):
    exchange = Exchange("/endless/").begin()
    await exchange.started.wait()
    await asyncio.sleep(0.03)
    exchange.leave()
    await exchange.end()

    assert exchange.content == b"1"
    assert events == IN_ORDER
    assert noted.tasks == {exchange.task}


async def test_a_client_that_leaves_while_the_server_is_slow_to_send(events):
    """The generator is at a ``yield``, where no cancellation reaches it."""

    class Slow(Exchange):
        async def send(self, message):
            await super().send(message)
            if len(self.sent) == 3:
                await for_ever()

    exchange = Slow("/flooding/").begin()
    await exchange.started.wait()
    await asyncio.sleep(0.03)
    exchange.leave()
    await exchange.end()

    assert events == IN_ORDER
    assert noted.tasks == {exchange.task}


async def test_a_stream_that_fails_to_clean_up_is_an_error_for_the_server(events):
    exchange = Exchange("/failing-to-clean-up/").begin()
    await exchange.started.wait()
    await asyncio.sleep(0.03)
    exchange.leave()
    with pytest.raises(LookupError):
        await exchange.end()
    assert events == IN_ORDER[1:]


async def test_a_server_that_fails_to_send(events):
    class Broken(Exchange):
        async def send(self, message):
            await super().send(message)
            if len(self.sent) == 3:
                raise OSError("broken pipe")

    with pytest.raises(OSError, match="broken pipe"):
        await Broken("/flooding/").begin().end()
    assert events == IN_ORDER


async def test_a_server_that_fails_to_send_the_head(events):
    class Broken(Exchange):
        async def send(self, message):
            raise OSError("broken pipe")

    with pytest.raises(OSError, match="broken pipe"):
        await Broken("/").begin().end()
    # It has not begun, so it has nothing to clean up.
    assert events == IN_ORDER[1:]


async def test_a_stream_that_fails_tells_the_server(events):
    with pytest.raises(LookupError):
        await ask("/failing/")
    assert events == IN_ORDER


async def test_a_server_that_stops(events):
    exchange = Exchange("/endless/").begin()
    await exchange.started.wait()
    exchange.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await exchange.end()
    assert events == IN_ORDER


async def test_server_sent_events_end_with_the_client(events):
    exchange = Exchange("/events/").begin()
    while not exchange.content:
        await asyncio.sleep(0.01)
    exchange.leave()
    await exchange.end()

    assert exchange.content == b"data: 1\n\n"
    assert events == ["generator ended", "request finished"]


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
async def test_a_sync_iterator_is_read_in_a_thread():
    exchange = await ask("/sync/")
    assert exchange.content == b"in a thread"
    assert exchange.hops.count == 1  # at its end there is nothing to close


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
async def test_a_file_is_read_and_closed_in_a_thread(recwarn):
    exchange = await ask("/file/")
    assert exchange.content.startswith(b'"""A response that is sent in parts')
    assert exchange.headers[b"Content-Length"] == str(len(exchange.content)).encode()
    assert exchange.hops.count == 2
    # Not even a warning that it was left open.
    assert [w for w in recwarn if w.category is ResourceWarning] == []


async def test_the_thread_is_given_back_before_the_first_byte():
    exchange = await ask("/query/")
    assert exchange.content == b"None"
