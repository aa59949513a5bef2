"""Streams that stay open."""

import asyncio
import os
from collections.abc import AsyncIterator
from itertools import count

from django.http import HttpRequest, StreamingHttpResponse

from split_deploy import EventStreamResponse, ServerSentEvent

HEARTBEAT = float(os.environ.get("BENCHMARK_HEARTBEAT", "15"))
# What a stream waits for is not what is measured: one event for all.
_silence = asyncio.Event()


async def events(request: HttpRequest) -> EventStreamResponse:
    """An event, and then silence."""
    return EventStreamResponse(_events(), heartbeat=HEARTBEAT)


async def _events() -> AsyncIterator[ServerSentEvent]:
    yield ServerSentEvent(data="hello")
    await _silence.wait()


async def ticks(request: HttpRequest) -> EventStreamResponse:
    """An event at once, and then one each ``?period=`` milliseconds, with its number."""
    period = float(request.GET.get("period", "1000")) / 1000
    return EventStreamResponse(_ticks(period), heartbeat=HEARTBEAT)


async def _ticks(seconds: float) -> AsyncIterator[ServerSentEvent]:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for number in count():
        # When it is due, and not so long after the last one: what is late once is on time again.
        await asyncio.sleep(max(0.0, begun + number * seconds - loop.time()))
        yield ServerSentEvent(data=str(number))


async def plain_stream(request: HttpRequest) -> StreamingHttpResponse:
    """One without help."""
    return StreamingHttpResponse(_chunks(), content_type="text/event-stream")


async def _chunks() -> AsyncIterator[bytes]:
    yield b"data: hello\n\n"
    await _silence.wait()
