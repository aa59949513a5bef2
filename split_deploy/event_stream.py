"""Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final
from weakref import WeakKeyDictionary

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
        self._encoded = _encoded(events, heartbeat)
        super().__init__(self._encoded, content_type="text/event-stream; charset=utf-8", **kwargs)
        self.headers["Cache-Control"] = "no-cache"
        # nginx then passes each event on at once, in whatever location it is served.
        self.headers["X-Accel-Buffering"] = "no"

    def __aiter__(self) -> AsyncIterator[bytes]:
        # Django's goes through two more generators, which turn text into bytes: a tenth of what an
        # idle stream takes. A middleware may have put another iterator in the place of this one.
        if self._is_wrapped():
            return super().__aiter__()
        return self._encoded

    def _is_wrapped(self) -> bool:
        return getattr(self, "_iterator", None) is not self._encoded


async def _encoded(
    events: AsyncIterable[ServerSentEvent], heartbeat: float
) -> AsyncIterator[bytes]:
    # One task reads the iterable from end to end: a wait that times out would cancel it midway, and
    # a task group or a timeout inside it has to be left in the task that entered it.
    slot = _Slot()
    reader = asyncio.create_task(_read(events, slot))
    reader.add_done_callback(slot.wake)
    try:
        while True:
            if slot.chunk is None and not reader.done():
                await slot.changed(heartbeat)
            if slot.chunk is not None:
                yield slot.take()
            elif reader.done():
                reader.result()  # raises what the iterable raised
                return
            else:
                yield b":\n\n"
    finally:
        if not reader.done():
            reader.cancel()
            (outcome,) = await asyncio.gather(reader, return_exceptions=True)
            if isinstance(outcome, Exception):
                logger.error("An event stream did not end cleanly.", exc_info=outcome)


async def _read(events: AsyncIterable[ServerSentEvent], slot: "_Slot") -> None:
    try:
        async for event in events:
            chunk = event.encode()
            del event  # which may be large, and the next one far away
            await slot.put(chunk)
            del chunk
    finally:
        if isinstance(events, AsyncGenerator):
            await events.aclose()


class _Slot:
    """A place for one chunk between two tasks.

    A queue and a task that waits for it would do, and be a third of what an idle stream takes.
    """

    __slots__ = ("_emptied", "_waiter", "chunk")

    def __init__(self) -> None:
        self.chunk: bytes | None = None
        self._emptied: asyncio.Future[None] | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def put(self, chunk: bytes) -> None:
        """Wait until the place is free, and put ``chunk`` into it."""
        if self.chunk is not None:
            self._emptied = asyncio.get_running_loop().create_future()
            await self._emptied
        self.chunk = chunk
        self.wake()

    def take(self) -> bytes:
        """Take the chunk that is there."""
        chunk, self.chunk = self.chunk, None
        assert chunk is not None  # noqa: S101
        if self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)
        return chunk

    async def changed(self, seconds: float) -> None:
        """Wait for ``wake()``, at most so long."""
        self._waiter = asyncio.get_running_loop().create_future()
        silences = _Silences.of(seconds)
        silences.begin(self)
        try:
            await self._waiter
        finally:
            silences.end(self)

    def wake(self, _task: object = None) -> None:
        """End the wait for a change."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class _Silences:
    """Wakes the streams of an event loop that are silent for too long, with one timer for all.

    ``seconds`` is the same for all, so they wait in the order in which their time is over.
    """

    _of_loops: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, dict[float, "_Silences"]]] = (
        WeakKeyDictionary()
    )

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._has_timer = False
        self._ends: OrderedDict[_Slot, float] = OrderedDict()

    @classmethod
    def of(cls, seconds: float) -> "_Silences":
        """Return those of the running event loop for ``seconds``."""
        by_seconds = cls._of_loops.setdefault(asyncio.get_running_loop(), {})
        if seconds not in by_seconds:
            by_seconds[seconds] = cls(seconds)
        return by_seconds[seconds]

    def begin(self, slot: _Slot) -> None:
        """From now on ``slot`` is silent."""
        loop = asyncio.get_running_loop()
        if not self._has_timer:
            self._has_timer = True
            loop.call_later(self._seconds, self._wake, loop)
        self._ends[slot] = loop.time() + self._seconds

    def end(self, slot: _Slot) -> None:
        """It is silent no longer."""
        self._ends.pop(slot, None)

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        while self._ends:
            slot, end = next(iter(self._ends.items()))
            if end > now:
                loop.call_at(end, self._wake, loop)
                return
            del self._ends[slot]
            slot.wake()
        self._has_timer = False
