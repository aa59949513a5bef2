"""The client of the open model: sends at instants that are given, whatever was answered by then."""

import errno
import math
import selectors
import socket
from collections import Counter, OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import httptools

from split_deploy.bench.load.timing import Selector, clock
from split_deploy.bench.load.wire import Address

#: Seconds until the first instant, in which nothing else has to be done any more.
_LEAD: Final = 0.05
_READ: Final = selectors.EVENT_READ
_WRITE: Final = selectors.EVENT_WRITE
_CHUNK: Final = 256 * 1024


class Client:
    """Sends ``request`` at each of ``instants``, in seconds from the start and in order.

    Over an idle connection or, if there is none, a new one, up to ``most``. What isn't answered
    ``timeout`` seconds after its instant has failed.
    """

    def __init__(
        self,
        address: Address,
        request: bytes,
        instants: Sequence[float],
        *,
        most: int,
        timeout: float,
    ) -> None:
        #: Seconds from each instant to the end of a good answer, infinite for one that failed.
        self.latencies = [math.inf] * len(instants)
        #: Seconds from each instant to when its request was begun.
        self.lateness = [0.0] * len(instants)
        #: Why requests failed: ``status 500``, ``ECONNRESET``, ``no connection``, ``time-out``.
        self.failures: Counter[str] = Counter()
        #: The most connections at one time.
        self.connections = 0
        #: Seconds from the start to the last answer.
        self.ended = 0.0
        self.request = request
        self.has_no_content = request.startswith(b"HEAD ")
        self.selector = Selector()
        self._address = address
        self._instants = instants
        self._most = most
        self._timeout = timeout
        self._begun = 0.0
        self._open: set[_Connection] = set()
        self._idle: list[_Connection] = []
        # Which connection each request is on that has no answer yet, the oldest first.
        self._waiting: OrderedDict[int, _Connection] = OrderedDict()

    def run(self) -> None:
        """Send all, and wait until each is answered or has failed."""
        self._begun = clock() + _LEAD
        following, number = 0, len(self._instants)
        while following < number or self._waiting:
            now = clock() - self._begun
            while following < number and self._instants[following] <= now:
                self._send(following)
                following += 1
            self._time_out(now)
            until = self._instants[following] if following < number else math.inf
            if self._waiting:
                oldest = next(iter(self._waiting))
                until = min(until, self._instants[oldest] + self._timeout)
            if until < math.inf:
                for key, events in self.selector.ready(until - (clock() - self._begun)):
                    key.data.handle(events)
        for connection in list(self._open):
            self.closed(connection)
        self.selector.close()

    def _send(self, number: int) -> None:
        self.lateness[number] = clock() - self._begun - self._instants[number]
        if self._idle:
            self._waiting[number] = connection = self._idle.pop()
            connection.send(number)
        else:
            self._connect(number)

    def _connect(self, number: int) -> None:
        if len(self._open) >= self._most:
            self._failed(number, "no connection")
            return
        try:
            connection = _Connection(self, self._address, number)
        except OSError as error:
            self._failed(number, _explained(error))
            return
        self._open.add(connection)
        self.connections = max(self.connections, len(self._open))
        self._waiting[number] = connection

    def _time_out(self, now: float) -> None:
        while self._waiting:
            number, connection = next(iter(self._waiting.items()))
            if self._instants[number] + self._timeout > now:
                return
            self.closed(connection)
            self._failed(number, "time-out")

    def _failed(self, number: int, why: str) -> None:
        self._waiting.pop(number, None)
        self.failures[why] += 1

    # What the connections say.

    def answered(self, connection: "_Connection", status: int, *, is_reusable: bool) -> None:
        """The request of ``connection`` has its answer."""
        self.ended = clock() - self._begun
        number = connection.number
        if status < 400:
            del self._waiting[number]
            self.latencies[number] = self.ended - self._instants[number]
        else:
            self._failed(number, f"status {status}")
        if is_reusable:
            self._idle.append(connection)
        else:
            self.closed(connection)

    def broken(self, connection: "_Connection", error: OSError | str) -> None:
        """``connection`` ended without an answer."""
        self.closed(connection)
        number = connection.number
        if number not in self._waiting:
            with suppress(ValueError):
                self._idle.remove(connection)
        elif connection.was_used and not connection.has_begun:
            # The server had closed it when the request was on its way, as it may: every client
            # then asks again.
            self._connect(number)
        else:
            self._failed(number, error if isinstance(error, str) else _explained(error))

    def closed(self, connection: "_Connection") -> None:
        """``connection`` is not to be used any more."""
        self._open.discard(connection)
        connection.close()


class _Connection:
    """One keep-alive connection, and the request on it."""

    def __init__(self, client: Client, address: Address, number: int) -> None:
        self.number = number
        #: It has had an answer; something of the present one came.
        self.was_used = self.has_begun = False
        self._client = client
        self._left = memoryview(client.request)
        self._parser = httptools.HttpResponseParser(self)
        family, where = address
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        status = self._socket.connect_ex(where)
        if status not in (0, errno.EINPROGRESS):
            self._socket.close()
            raise OSError(status, "")
        client.selector.add(self._socket, _READ | _WRITE, self)

    def send(self, number: int) -> None:
        """Send a further request."""
        self.number = number
        self.has_begun = False
        self._left = memoryview(self._client.request)
        try:
            self._write()
        except OSError as error:
            self._client.broken(self, error)
            return
        if self._left:
            self._client.selector.change(self._socket, _READ | _WRITE, self)

    def handle(self, events: int) -> None:
        """Do what can be done."""
        try:
            # First what came: it may be a refusal, after which nothing can be sent.
            if events & _READ:
                self._read()
            if events & _WRITE and self._socket.fileno() >= 0:
                self._write()
                if not self._left:
                    self._client.selector.change(self._socket, _READ, self)
        except BlockingIOError:
            return  # on second thoughts it isn't ready
        except OSError as error:
            self._client.broken(self, error)

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self._client.selector.remove(self._socket)
            self._socket.close()

    def _write(self) -> None:
        with suppress(BlockingIOError):
            self._left = self._left[self._socket.send(self._left) :]

    def _read(self) -> None:
        data = self._socket.recv(_CHUNK)
        if not data:
            self._client.broken(self, "closed")
            return
        self.has_begun = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            raise  # a mistake here
        except httptools.HttpParserError:
            self._client.broken(self, "no HTTP")

    # What the parser says.

    def on_headers_complete(self) -> None:
        if self._client.has_no_content:
            # The parser can't know, and takes what follows for the content.
            self._end(self._parser)
            self._parser = httptools.HttpResponseParser(self)

    def on_message_complete(self) -> None:
        if not self._client.has_no_content:
            self._end(self._parser)

    def _end(self, parser: Any) -> None:
        status = parser.get_status_code()
        if status < 200:  # "103 Early Hints", and the answer comes yet
            return
        self.was_used = True
        # An answer before the whole request was sent is a refusal.
        is_reusable = parser.should_keep_alive() and not self._left
        self._client.answered(self, status, is_reusable=is_reusable)


def _explained(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, type(error).__name__)
