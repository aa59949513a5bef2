"""The client of event streams: opens them, keeps them open, and notes when each event came."""

import errno
import math
import selectors
import socket
import sys
from array import array
from collections import Counter
from typing import Any, Final

import httptools

from split_deploy.bench.load.figures import Figures, LoadError, percentile
from split_deploy.bench.load.timing import Selector, clock
from split_deploy.bench.load.wire import Address

#: Streams of one local address, of whose ports Linux gives 28,000.
_PER_ADDRESS: Final = 20_000
#: Streams on their way at one time, fewer than wait in nginx's backlog.
_AT_ONCE: Final = 200
_CHUNK: Final = 64 * 1024


class Listener:
    """Streams of ``address``, each of which ``request`` opens.

    ``period``, in seconds, is that of their events, if they tick. ``what`` is for messages.
    """

    def __init__(
        self, address: Address, request: bytes, *, what: str, period: float | None
    ) -> None:
        self.selector = Selector()
        self.request = request
        #: When what is being read was there.
        self.now = clock()
        self.events = 0
        self._address = address
        self._what = what
        self._period = period
        self._asked = 0
        self._opened_per_second = 0.0
        self._opening: set[_Stream] = set()
        self._open: set[_Stream] = set()
        self._lost: Counter[str] = Counter()
        # Of each event since forget(): its stream, and by how much it came after the stream's
        # first one, in seconds, less the periods that it should have come after it.
        self._ticks_of: list[_Stream] = []
        self._ticks = array("d")

    def open(self, number: int, *, patience: float) -> None:
        """Open ``number`` streams, many at a time, until no more is answered for ``patience``.

        In seconds. Raises ``LoadError`` if not one was.
        """
        self._asked = number
        begun = progress = self.now = clock()
        left = number
        while left or self._opening:
            while left and len(self._opening) < _AT_ONCE:
                self._begin(number - left)
                left -= 1
            before = len(self._open)
            self.read(patience)
            if len(self._open) > before:
                progress = self.now
            elif self.now - progress > patience:
                break
        for stream in list(self._opening):
            self.lost(stream, "no answer")
        if not self._open:
            why = ", ".join(f"{name} {count} times" for name, count in self._lost.items())
            raise LoadError(f"Not one stream of {self._what} could be opened: {why}.")
        self._opened_per_second = len(self._open) / max(progress - begun, 1e-9)
        self.forget()

    def read(self, seconds: float) -> bool:
        """Read what comes, once; return whether there is something else of the selector's."""
        ready = self.selector.ready(seconds)
        # What is ready now was there by now; to read all of it takes a while.
        self.now = clock()
        has_other = False
        for key, events in ready:
            if isinstance(key.data, _Stream):
                key.data.handle(events)
            else:
                has_other = True
        return has_other

    def forget(self) -> None:
        """Count the events that come from now on, and how late they are."""
        self.events = 0
        self._ticks_of.clear()
        self._ticks = array("d")

    def figures(self) -> Figures:
        """Return what there is by now: see ``streams``."""
        figures = {
            "streams": float(len(self._open)),
            "dropped": float(self._asked - len(self._open)),
            "opened_per_second": self._opened_per_second,
            "events": float(self.events),
        }
        if self._period is not None:
            late = [
                tick - stream.schedule
                for stream, tick in zip(self._ticks_of, self._ticks, strict=True)
            ]
            late += self._overdue(self._period)
            late.sort()
            figures["tick_p50_ms"] = percentile(late, 50) * 1000
            figures["tick_p99_ms"] = percentile(late, 99) * 1000
            figures["tick_max_ms"] = percentile(late, 100) * 1000
        return figures

    def close(self) -> None:
        """Close all streams."""
        for stream in [*self._open, *self._opening]:
            stream.close()
        self.selector.close()

    def _overdue(self, period: float) -> list[float]:
        """By how much the events are late that should have come by now, and have not."""
        now = clock()
        found = []
        for stream in self._open:
            due = stream.next_due(period)
            while due < now:
                found.append(now - due)
                due += period
        return found

    def _begin(self, number: int) -> None:
        try:
            stream = _Stream(self, self._address, self._source(number))
        except OSError as error:
            self._lost[errno.errorcode.get(error.errno or 0, str(error))] += 1
            return
        self._opening.add(stream)

    def _source(self, number: int) -> str | None:
        """The local address of a stream, if it matters."""
        family, where = self._address
        is_loopback = family == socket.AF_INET and where[0].startswith("127.")
        if self._asked <= _PER_ADDRESS or not is_loopback or sys.platform != "linux":
            return None
        return f"127.0.0.{1 + number // _PER_ADDRESS}"

    # What the streams say.

    def opened(self, stream: "_Stream") -> None:
        """``stream`` was answered."""
        self._opening.discard(stream)
        self._open.add(stream)

    def event(self, stream: "_Stream") -> None:
        """An event came on ``stream``."""
        if stream not in self._open:
            return
        self.events += 1
        if self._period is not None:
            self._ticks_of.append(stream)
            self._ticks.append(stream.tick(self.now, self._period))

    def lost(self, stream: "_Stream", why: str) -> None:
        """``stream`` ended, or never was."""
        if stream in self._opening:
            self._lost[why] += 1
        self._opening.discard(stream)
        self._open.discard(stream)
        stream.close()


class _Stream:
    """One connection with an event stream."""

    __slots__ = (
        "_events",
        "_left",
        "_listener",
        "_opened",
        "_parser",
        "_rest",
        "_socket",
        "schedule",
    )

    def __init__(self, listener: Listener, address: Address, source: str | None) -> None:
        #: When the first event should have come, by the earliest of all.
        self.schedule = math.inf
        self._events = 0
        self._opened = 0.0
        self._listener = listener
        self._left = listener.request
        self._rest = b""
        self._parser = httptools.HttpResponseParser(self)
        family, where = address
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            self._socket.setblocking(False)
            if source is not None:
                self._socket.bind((source, 0))
            status = self._socket.connect_ex(where)
            if status not in (0, errno.EINPROGRESS):
                raise OSError(status, "")
        except OSError:
            self._socket.close()
            raise
        listener.selector.add(self._socket, selectors.EVENT_WRITE, self)

    def tick(self, now: float, period: float) -> float:
        """Note an event; return when the first should have come by it."""
        tick = now - self._events * period
        self._events += 1
        self.schedule = min(self.schedule, tick)
        return tick

    def next_due(self, period: float) -> float:
        """When the next event should come; the first one a period after the answer."""
        first = self.schedule if self._events else self._opened + period
        return first + self._events * period

    def handle(self, events: int) -> None:
        """Do what can be done."""
        try:
            if events & selectors.EVENT_WRITE:
                self._left = self._left[self._socket.send(self._left) :]
                if not self._left:
                    self._listener.selector.change(self._socket, selectors.EVENT_READ, self)
            if events & selectors.EVENT_READ:
                data = self._socket.recv(_CHUNK)
                if data:
                    self._parser.feed_data(data)
                else:
                    self._listener.lost(self, "closed")
        except BlockingIOError:
            return
        except OSError as error:
            self._listener.lost(self, errno.errorcode.get(error.errno or 0, str(error)))
        except httptools.HttpParserCallbackError:
            raise  # a mistake here
        except httptools.HttpParserError:
            self._listener.lost(self, "no HTTP")

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self._listener.selector.remove(self._socket)
            self._socket.close()

    # What the parser says.

    def on_headers_complete(self) -> None:
        status = self._status()
        if status == 200:
            self._opened = self._listener.now
            self._listener.opened(self)
        elif status >= 200:
            self._listener.lost(self, f"status {status}")

    def on_body(self, data: bytes) -> None:
        *blocks, self._rest = (self._rest + data).replace(b"\r\n", b"\n").split(b"\n\n")
        for block in blocks:
            # Not a comment, which is what keeps a silent stream alive.
            if block.startswith(b"data:") or b"\ndata:" in block:
                self._listener.event(self)

    def on_message_complete(self) -> None:
        if self._status() >= 200:
            self._listener.lost(self, "closed")

    def _status(self) -> int:
        parser: Any = self._parser
        return int(parser.get_status_code())
