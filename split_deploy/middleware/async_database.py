from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest
from django.http.response import HttpResponseBase, StreamingHttpResponse

from split_deploy import async_database
from split_deploy.middleware.base import SyncAndAsyncMiddleware


class AsyncDatabaseMiddleware(SyncAndAsyncMiddleware):
    """Give a request's async database connections back before the first byte of its response.

    And what a stream takes afterwards when it ends. Belongs last in ``MIDDLEWARE``, next to the
    view: a query of a middleware before it would keep its connection.
    """

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)
        if not (self._is_async and async_database.is_on()):
            raise MiddlewareNotUsed

    async def ahandle(self, request: HttpRequest) -> HttpResponseBase:
        _begin()
        try:
            response: HttpResponseBase = await self.get_response(request)
        finally:
            await async_database.release()
        if isinstance(response, StreamingHttpResponse) and response.is_async:
            # Not streaming_content, a generator around the project's: closed while it waits to be
            # read on, it leaves what the project's does in the end to the garbage collector.
            parts: Any = response._iterator  # type: ignore[attr-defined]
            response.streaming_content = _released_at_the_end(parts)
        return response


def _begin() -> None:
    """Make what stands for a connection in this context, of which a task of the view has a copy.

    A query of such a task would otherwise take a connection that nobody here knows to give back.
    """
    from django_async_backend.db import async_connections

    async_connections.all()


async def _released_at_the_end(parts: Any) -> AsyncIterator[bytes]:
    _begin()
    try:
        async for part in parts:
            yield part
    finally:
        try:
            if isinstance(parts, AsyncGenerator):
                await parts.aclose()
        finally:
            await async_database.release()
