"""An HTTPX transport whose cost for a request doesn't grow with the number of its connections.

The pool of httpcore 1.0, HTTPX's own, looks at every connection when a request begins and again
when it ends, asks the kernel about each idle one, and may hand one idle connection to many requests
at once, of which all but one come back and look again. From some 50 concurrent calls on that is
most of what a client does: docs/outbound.md has the figures. Only the pool is replaced. The
connections are httpcore's, public and unchanged.

HTTP/1.1 alone is spoken, so a connection has one request at a time.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress

import httpcore
import httpx

Connection = httpcore.AsyncHTTPConnection
#: Scheme, host and port: what a connection leads to.
Origin = tuple[bytes, bytes, int]


class PooledTransport(httpx.AsyncBaseTransport):
    """An HTTPX transport over a ``ConnectionPool``.

    ``backend`` makes its connections; by default that is httpcore's own.
    """

    def __init__(
        self, limits: httpx.Limits, backend: httpcore.AsyncNetworkBackend | None = None
    ) -> None:
        self._pool = ConnectionPool(
            limits,
            ssl_context=httpx.create_ssl_context(),
            network_backend=backend or httpcore.AnyIOBackend(),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        with _exceptions_of_httpx():
            response, connection = await self._pool.send(
                httpcore.Request(
                    method=request.method,
                    url=httpcore.URL(
                        scheme=request.url.raw_scheme,
                        host=request.url.raw_host,
                        port=request.url.port,
                        target=request.url.raw_path,
                    ),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        return httpx.Response(
            status_code=response.status,
            headers=response.headers,
            stream=_ResponseStream(response, connection, self._pool),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


class _ResponseStream(httpx.AsyncByteStream):
    """A body that is being read; closing it frees the connection."""

    def __init__(
        self, response: httpcore.Response, connection: Connection, pool: "ConnectionPool"
    ) -> None:
        self._response = response
        self._connection = connection
        self._pool = pool
        self._is_closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            with _exceptions_of_httpx():
                async for chunk in self._response.aiter_stream():
                    yield chunk
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        try:
            await self._response.aclose()
        finally:
            await self._pool.give_back(self._connection)


class ConnectionPool:
    """At most ``max_connections`` connections, which are kept while idle and used again.

    The one that was used last is used first, so that those which a quiet time doesn't need expire.
    Who has to wait for one is served in the order of arrival.
    """

    def __init__(
        self,
        limits: httpx.Limits,
        *,
        ssl_context: ssl.SSLContext,
        network_backend: httpcore.AsyncNetworkBackend,
    ) -> None:
        self._limits = limits
        self._ssl_context = ssl_context
        self._network_backend = network_backend
        self._connections: dict[Connection, Origin] = {}
        # Both in the order in which they became idle: a dict is Python's ordered set.
        self._idle: dict[Connection, None] = {}
        self._idle_by_origin: dict[Origin, dict[Connection, None]] = {}
        self._waiting: deque[tuple[httpcore.Origin, asyncio.Future[Connection]]] = deque()

    @property
    def size(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    @property
    def idle(self) -> int:
        """How many of them have no request."""
        return len(self._idle)

    async def send(self, request: httpcore.Request) -> tuple[httpcore.Response, Connection]:
        """Send ``request``; return the response, and the connection on which its body arrives.

        ``give_back()`` the connection when the response is closed. Raises httpcore's exceptions:
        ``PoolTimeout`` if no connection gets free in time.
        """
        connection = await self._take(request)
        try:
            return await connection.handle_async_request(request), connection
        except BaseException:
            await self.give_back(connection)
            raise

    async def give_back(self, connection: Connection) -> None:
        """Keep ``connection`` for a later request if it can take one, and serve who waits."""
        # One that failed to connect calls itself both idle and closed.
        is_idle = connection.is_idle() and not connection.is_closed()
        if connection in self._connections and is_idle:
            self._add_idle(connection)
            surplus = self._beyond_the_limits()
        else:
            surplus = [self._remove(connection)]
        surplus += self._serve_waiting()
        await _close(surplus)

    async def aclose(self) -> None:
        """Close all connections, those in use as well."""
        for _, future in self._waiting:
            if not future.done():
                future.set_exception(httpcore.ConnectError("the connection pool was closed"))
        self._waiting.clear()
        await _close([self._remove(connection) for connection in list(self._connections)])

    async def _take(self, request: httpcore.Request) -> Connection:
        origin = request.url.origin
        connection, surplus = self._find(origin)
        if connection is None:
            connection = await self._wait(origin, request.extensions.get("timeout", {}).get("pool"))
        try:
            await _close(surplus)
        except BaseException:
            await self.give_back(connection)
            raise
        return connection

    async def _wait(self, origin: httpcore.Origin, seconds: float | None) -> Connection:
        future: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self._waiting.append((origin, future))
        try:
            async with asyncio.timeout(seconds):
                return await future
        except BaseException as error:
            with suppress(ValueError):
                self._waiting.remove((origin, future))
            # It was given one in the very moment in which it stopped to wait.
            if future.done() and not future.cancelled() and future.exception() is None:
                await self.give_back(future.result())
            if isinstance(error, TimeoutError):
                raise httpcore.PoolTimeout(
                    f"all {self._limits.max_connections} connections were in use for {seconds:g} s"
                ) from error
            raise

    def _serve_waiting(self) -> list[Connection]:
        """Give connections to those who wait; return those that had to go."""
        surplus: list[Connection] = []
        while self._waiting:
            origin, future = self._waiting[0]
            if not future.done():
                connection, closed = self._find(origin)
                surplus += closed
                if connection is None:
                    break
                future.set_result(connection)
            self._waiting.popleft()
        return surplus

    def _find(self, origin: httpcore.Origin) -> tuple[Connection | None, list[Connection]]:
        """Return a connection to ``origin``, if there can be one, and those that had to go."""
        key = (origin.scheme, origin.host, origin.port)
        surplus = []
        while idle := self._idle_by_origin.get(key):
            connection = next(reversed(idle))
            if not connection.has_expired():
                self._remove_idle(connection)
                return connection, surplus
            surplus.append(self._remove(connection))
        most = self._limits.max_connections
        if most is not None and self.size >= most:
            if not self._idle:
                return None, surplus
            surplus.append(self._remove(next(iter(self._idle))))
        connection = Connection(
            origin,
            ssl_context=self._ssl_context,
            keepalive_expiry=self._limits.keepalive_expiry,
            network_backend=self._network_backend,
        )
        self._connections[connection] = key
        return connection, surplus

    def _beyond_the_limits(self) -> list[Connection]:
        """Remove, and return, what has been idle for too long, or is one too many."""
        surplus: list[Connection] = []
        most = self._limits.max_keepalive_connections
        while self._idle and not self._waiting:
            longest = next(iter(self._idle))
            if not longest.has_expired() and (most is None or self.idle <= most):
                break
            surplus.append(self._remove(longest))
        return surplus

    def _add_idle(self, connection: Connection) -> None:
        self._idle[connection] = None
        self._idle_by_origin.setdefault(self._connections[connection], {})[connection] = None

    def _remove_idle(self, connection: Connection) -> None:
        del self._idle[connection]
        origin = self._connections[connection]
        del self._idle_by_origin[origin][connection]
        if not self._idle_by_origin[origin]:
            del self._idle_by_origin[origin]

    def _remove(self, connection: Connection) -> Connection:
        if connection in self._idle:
            self._remove_idle(connection)
        self._connections.pop(connection, None)
        return connection


async def _close(connections: list[Connection]) -> None:
    for connection in connections:
        await connection.aclose()


@contextmanager
def _exceptions_of_httpx() -> Iterator[None]:
    """Raise HTTPX's exception for httpcore's: each has one of the same name.

    But for ``ConnectionNotAvailable``: the pool was closed before the request was sent.
    """
    try:
        yield
    except Exception as error:
        kind = type(error)
        if getattr(httpcore, kind.__name__, None) is not kind:
            raise
        raise getattr(httpx, kind.__name__, httpx.ConnectError)(str(error)) from error
