"""Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from django.http import StreamingHttpResponse

logger = logging.getLogger("split_deploy.event_stream")

# Seconds of silence after which a comment is sent, so that no proxy takes the stream for dead and a
# client that went away is noticed. The standard advises "every 15 seconds or so".
HEARTBEAT: Final = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSentEvent:
    """One event. ``data`` may have several lines; ``retry`` is in milliseconds.

    Raises ``ValueError`` for a line break in ``event`` or ``id``, which would end the field.
    """

    data: str
    event: str | None = None
    id: str | None = None
    retry: int | None = None

    def __post_init__(self) -> None:
        for name in ("event", "id"):
            value = getattr(self, name)
            if value is not None and any(char in value for char in "\r\n\0"):
                raise ValueError(f"{name}={value!r} has a line break or a null in it.")

    def encode(self) -> bytes:
        """Return the event as it goes over the wire, in UTF-8."""
        fields = [("event", self.event), ("id", self.id), ("retry", self.retry)]
        lines = [f"{name}: {value}" for name, value in fields if value is not None]
        # The three line ends that the standard knows; splitlines() knows more.
        data = self.data.replace("\r\n", "\n").replace("\r", "\n")
        lines += [f"data: {line}" for line in data.split("\n")]
        return ("\n".join(lines) + "\n\n").encode()


class EventStreamResponse(StreamingHttpResponse):
    """Stream ``events`` as they come, for an ``EventSource`` in the browser.

    ``events`` is an async iterable of ``ServerSentEvent``. When the client goes away the iterable
    is closed, so its ``finally`` blocks run. ``heartbeat`` is in seconds.
    """

    def __init__(
        self, events: AsyncIterable[ServerSentEvent], *, heartbeat: float = HEARTBEAT, **kwargs: Any
    ) -> None:
        super().__init__(
            _encoded(events, heartbeat), content_type="text/event-stream; charset=utf-8", **kwargs
        )
        self.headers["Cache-Control"] = "no-cache"
        # nginx then passes each event on at once, in whatever location it is served.
        self.headers["X-Accel-Buffering"] = "no"


async def _encoded(
    events: AsyncIterable[ServerSentEvent], heartbeat: float
) -> AsyncIterator[bytes]:
    # One task reads the iterable from end to end: a wait that times out would cancel it midway, and
    # a task group or a timeout inside it has to be left in the task that entered it.
    queue: asyncio.Queue[bytes] = asyncio.Queue(maxsize=1)

    async def read() -> None:
        try:
            async for event in events:
                await queue.put(event.encode())
        finally:
            if isinstance(events, AsyncGenerator):
                await events.aclose()

    reader = asyncio.create_task(read())
    waiting: asyncio.Task[bytes] | None = None
    try:
        while True:
            waiting = waiting or asyncio.create_task(queue.get())
            await asyncio.wait(
                {waiting, reader}, timeout=heartbeat, return_when=asyncio.FIRST_COMPLETED
            )
            if reader.done() and not queue.empty():
                await asyncio.wait({waiting})
            if waiting.done():
                yield waiting.result()
                waiting = None
            elif reader.done():
                reader.result()  # raises what the iterable raised
                return
            else:
                yield b":\n\n"
    finally:
        if waiting is not None:
            waiting.cancel()
        if not reader.done():
            reader.cancel()
            (outcome,) = await asyncio.gather(reader, return_exceptions=True)
            if isinstance(outcome, Exception):
                logger.error("An event stream did not end cleanly.", exc_info=outcome)
