import asyncio
from contextlib import aclosing

import pytest

from split_deploy import EventStreamResponse, ServerSentEvent


@pytest.mark.parametrize(
    ("event", "wire"),
    [
        (ServerSentEvent(data="hello"), b"data: hello\n\n"),
        (ServerSentEvent(data=""), b"data: \n\n"),
        (ServerSentEvent(data="two\nlines"), b"data: two\ndata: lines\n\n"),
        (ServerSentEvent(data="a\r\nb\rc"), b"data: a\ndata: b\ndata: c\n\n"),
        (ServerSentEvent(data="line\u2028separator"), "data: line\u2028separator\n\n".encode()),
        (
            ServerSentEvent(data="x", event="result", id="7", retry=500),
            b"event: result\nid: 7\nretry: 500\ndata: x\n\n",
        ),
    ],
)
def test_an_event_goes_over_the_wire_as_the_standard_has_it(event, wire):
    assert event.encode() == wire


@pytest.mark.parametrize("field", ["event", "id"])
@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\0b"])
def test_a_field_cannot_smuggle_another(field, value):
    with pytest.raises(ValueError, match=field):
        ServerSentEvent(data="", **{field: value})


def test_headers_keep_proxies_from_holding_it_back():
    async def events():
        yield ServerSentEvent(data="x")

    response = EventStreamResponse(events())

    assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["X-Accel-Buffering"] == "no"


@pytest.mark.asyncio
async def test_events_come_in_order_and_the_stream_ends_with_them():
    async def events():
        for number in range(3):
            yield ServerSentEvent(data=str(number))

    chunks = [chunk async for chunk in EventStreamResponse(events())]

    assert chunks == [b"data: 0\n\n", b"data: 1\n\n", b"data: 2\n\n"]


@pytest.mark.asyncio
async def test_silence_is_filled_with_heartbeats_that_disturb_nothing():
    async def events():
        async with asyncio.timeout(5):  # has to be left in the task that entered it
            yield ServerSentEvent(data="before")
            await asyncio.sleep(0.1)
            yield ServerSentEvent(data="after")

    chunks = [chunk async for chunk in EventStreamResponse(events(), heartbeat=0.02)]

    assert chunks[0] == b"data: before\n\n"
    assert chunks[-1] == b"data: after\n\n"
    assert chunks[1:-1]
    assert set(chunks[1:-1]) == {b":\n\n"}


@pytest.mark.asyncio
async def test_an_error_of_the_iterable_ends_the_stream_with_it():
    async def events():
        yield ServerSentEvent(data="x")
        raise LookupError("gone")

    stream = aiter(EventStreamResponse(events()))
    assert await anext(stream) == b"data: x\n\n"
    with pytest.raises(LookupError, match="gone"):
        await anext(stream)


@pytest.mark.asyncio
async def test_a_cancellation_inside_the_iterable_ends_the_stream():
    async def events():
        yield ServerSentEvent(data="x")
        raise asyncio.CancelledError

    stream = aiter(EventStreamResponse(events(), heartbeat=0.01))
    assert await anext(stream) == b"data: x\n\n"
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(anext(stream), 2)


@pytest.mark.asyncio
async def test_an_error_while_it_is_closed_is_logged(caplog):
    async def events():
        try:
            while True:
                yield ServerSentEvent(data="x")
                await asyncio.sleep(60)
        finally:
            raise OSError("lost")

    async def serve():
        async for _ in EventStreamResponse(events()):
            pass

    serving = asyncio.create_task(serve())
    await asyncio.sleep(0.05)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert "An event stream did not end cleanly." in caplog.text
    assert "lost" in caplog.text


@pytest.mark.parametrize("reading", [True, False], ids=["while it waits", "while it has more"])
@pytest.mark.asyncio
async def test_a_client_that_goes_away_closes_the_iterable(reading):
    closed = asyncio.Event()

    async def events():
        try:
            while True:
                yield ServerSentEvent(data="x")
                if reading:
                    await asyncio.sleep(60)
        finally:
            closed.set()

    async def serve():
        async for _ in EventStreamResponse(events()):
            await asyncio.sleep(0.01)

    serving = asyncio.create_task(serve())
    await asyncio.sleep(0.05)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving

    await asyncio.wait_for(closed.wait(), 2)


@pytest.mark.asyncio
async def test_streams_with_heartbeats_of_their_own_do_not_wait_for_each_other():
    never = asyncio.Event()

    async def events():
        await never.wait()
        yield ServerSentEvent(data="never")

    async def first_heartbeat(heartbeat):
        response = EventStreamResponse(events(), heartbeat=heartbeat)
        async with aclosing(aiter(response)) as chunks:
            assert await anext(chunks) == b":\n\n"
            return heartbeat

    async with asyncio.timeout(10):
        streams = [asyncio.create_task(first_heartbeat(seconds)) for seconds in (0.2, 0.01, 0.1)]
        in_order = [await ended for ended in asyncio.as_completed(streams)]
        # A stream that begins while others are silent, and one after all of them have ended.
        assert await first_heartbeat(0.1) == 0.1

    assert in_order == [0.01, 0.1, 0.2]


@pytest.mark.asyncio
async def test_a_middleware_can_wrap_the_stream():
    async def events():
        yield ServerSentEvent(data="x")

    async def upper(chunks):
        async for chunk in chunks:
            yield chunk.upper()

    response = EventStreamResponse(events())
    response.streaming_content = upper(response.streaming_content)

    assert [chunk async for chunk in response] == [b"DATA: X\n\n"]
