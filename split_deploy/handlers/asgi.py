"""One HTTP request, from the server's call to the end of the response."""

from functools import partial
from types import AsyncGeneratorType
from typing import IO, Any

from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.core.signals import request_finished, request_started
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from split_deploy import signals
from split_deploy._asgi_types import Message, Receive, Scope, Send
from split_deploy.handlers.base import NativeHandler
from split_deploy.handlers.body import close_body, read_body
from split_deploy.handlers.closing import close, thread_is_done
from split_deploy.handlers.disconnect import Disconnect
from split_deploy.handlers.request import NativeASGIRequest
from split_deploy.middleware._headers import stored
from split_deploy.pool import PooledContext, current_lease


class NativeASGIHandler(NativeHandler, ASGIHandler):
    """Django's ``ASGIHandler`` without a thread hop where nothing blocks."""

    request_class = NativeASGIRequest
    #: Seconds after which the handler begins to listen for a disconnect; 0: at once, like Django.
    disconnect_delay = 0.02

    def __init__(self) -> None:
        super().__init__()
        signals.take_over(type(self))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await super().__call__(dict(scope), receive, send)  # raises
        async with PooledContext():
            await self.handle(scope, receive, send)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, in the thread-sensitive context that ``__call__()`` has entered.

        Follows Django 6.1, with the view in the server's own task. However it ends, what was begun
        is ended: the response is closed and ``request_finished`` sent if ``request_started`` was.
        """
        try:
            body_file = await self.read_body(receive)
        except RequestAborted:
            return
        try:
            set_script_prefix(get_script_prefix(scope))
            await signals.asend(request_started, type(self), scope=scope)
            request, error_response = self.create_request(scope, body_file)
            if request is None:
                await self._refuse(error_response, send)
                return

            response: HttpResponseBase | None = None
            disconnect = Disconnect(
                partial(self.listen_for_disconnect, receive), self.disconnect_delay
            )
            try:
                with disconnect:
                    response = await self.run_get_response(request)
                    await self.send_response(response, send)
            finally:
                try:
                    await disconnect.ended()
                    await thread_is_done(was_cancelled=response is None)
                finally:
                    # Also if the server cancels once more, meanwhile.
                    if response is None:
                        await signals.asend(request_finished, type(self))
                    else:
                        await close(response)
        finally:
            await close_body(body_file)

    async def _refuse(self, response: Any, send: Send) -> None:
        try:
            await self.send_response(response, send)
        finally:
            await close(response)

    async def read_body(self, receive: Receive) -> IO[bytes]:
        """Return a file with the request's body.

        Raises ``RequestAborted`` if the client goes away before its end.
        """
        return await read_body(receive)

    async def send_response(self, response: HttpResponseBase, send: Send) -> None:
        """Send ``response``.

        A stream gives the request's thread back first. However it ends, its generator is at its end
        then, its ``finally`` blocks included: Django leaves that to the garbage collector.
        """
        if not response.streaming:
            if (headers := _plain_headers(response)) is None:
                await super().send_response(response, send)
                return
            # As Django does, but for the way to the headers.
            await send(
                {
                    "type": "http.response.start",
                    "status": response.status_code,
                    "headers": headers,
                }
            )
            for chunk, last in self.chunk_bytes(response.content):  # type: ignore[attr-defined]
                await send({"type": "http.response.body", "body": chunk, "more_body": not last})
            return
        if (lease := current_lease()) is not None:
            lease.begin_streaming()
        try:
            await super().send_response(response, partial(_without_its_headers, send))
        finally:
            iterator = getattr(response, "_iterator", None)
            if isinstance(iterator, AsyncGeneratorType):
                await iterator.aclose()


def _plain_headers(response: HttpResponseBase) -> list[tuple[bytes, bytes]] | None:
    """What ASGI wants of the headers; ``None`` if Django had better say, as for cookies.

    Django goes through three layers of iterators, of which the last has looked each header up by
    its name: it takes as long as to resolve the URL.
    """
    headers = stored(response.headers)
    if not headers or response.cookies or type(response).items is not HttpResponseBase.items:
        return None
    return [(name.encode("ascii"), value.encode("latin1")) for name, value in headers.values()]


async def _without_its_headers(send: Send, message: Message) -> None:
    """Send ``message``, and empty the list of headers that Django would keep during the stream."""
    if message["type"] == "http.response.start":
        headers = message["headers"]
        message = {**message, "headers": headers.copy()}
        headers.clear()
    await send(message)
