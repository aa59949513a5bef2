"""What a middleware needs that runs in the mode of whatever it wraps.

https://docs.djangoproject.com/en/stable/topics/http/middleware/#asynchronous-support
"""

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase


class SyncAndAsyncMiddleware:
    """Calls ``handle()`` or awaits ``ahandle()``, as the instance asks."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        return self.ahandle(request) if self._is_async else self.handle(request)

    def handle(self, request: HttpRequest) -> HttpResponseBase:
        """Answer in the sync instance."""
        raise NotImplementedError

    async def ahandle(self, request: HttpRequest) -> HttpResponseBase:
        """Answer in the async instance."""
        raise NotImplementedError
