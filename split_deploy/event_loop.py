"""The event loop of the async instance: uvloop, which accepts new connections as they come.

libuv, on which uvloop is built, has accepted one connection an iteration since its release 1.45
(https://github.com/libuv/libuv/pull/3696). An iteration of a busy server takes as long as all its
requests together, so that of 64 connections that come at once under load the last waits for 64 of
them: 0.4 s instead of 10 ms. Each stream through nginx is such a new connection, and each request
that finds none of nginx's idle ones. docs/measurements.md has the figures.

Name it as ``uvicorn --loop split_deploy.event_loop:new_event_loop``, or in ``UVICORN_LOOP``.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final

import uvloop

# How many are accepted beyond the one that libuv accepts, at the most. Few enough to leave some to
# the other processes that listen on the same socket.
_MORE: Final = 31

ProtocolFactory = Callable[[], asyncio.BaseProtocol]


def new_event_loop() -> "EventLoop":
    """Return a new event loop: what ``uvicorn --loop`` and ``asyncio.Runner`` take."""
    return EventLoop()


class EventLoop(uvloop.Loop):
    """uvloop's, whose servers accept up to 32 connections in an iteration.

    Those with TLS, which nginx ends elsewhere, accept one as ever.
    """

    async def create_server(  # type: ignore[override]
        self, protocol_factory: ProtocolFactory, *args: Any, **kwargs: Any
    ) -> asyncio.AbstractServer:
        accepting = _Accepting(self, protocol_factory)
        server = await super().create_server(accepting, *args, **kwargs)
        if not kwargs.get("ssl"):
            accepting.server = server
        return server

    async def create_unix_server(  # type: ignore[override]
        self, protocol_factory: ProtocolFactory, *args: Any, **kwargs: Any
    ) -> asyncio.AbstractServer:
        accepting = _Accepting(self, protocol_factory)
        server = await super().create_unix_server(accepting, *args, **kwargs)
        if not kwargs.get("ssl"):
            accepting.server = server
        return server


class _Accepting:
    """A protocol factory, which is called for a new connection and looks for more."""

    def __init__(self, loop: EventLoop, protocol_factory: ProtocolFactory) -> None:
        self.server: Any = None
        self._loop = loop
        self._protocol_factory = protocol_factory
        self._tasks: set[asyncio.Task[Any]] = set()

    def __call__(self) -> asyncio.BaseProtocol:
        if self.server is not None:
            for listening in self.server.sockets:
                self._accept(listening)
        return self._protocol_factory()

    def _accept(self, listening: Any) -> None:
        # uvloop's object for a listening socket has no accept(). This one borrows its number.
        borrowed = socket.socket(
            listening.family, listening.type, listening.proto, fileno=listening.fileno()
        )
        borrowed.setblocking(False)
        try:
            for _ in range(_MORE):
                connection, _address = borrowed.accept()
                connection.setblocking(False)
                task = self._loop.create_task(
                    self._loop.connect_accepted_socket(self._protocol_factory, connection)
                )
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        except OSError:
            # None is left. Or one went away, or there are too many open files: libuv will see.
            pass
        finally:
            borrowed.detach()
