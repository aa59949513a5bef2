from collections.abc import Callable
from contextvars import Token
from typing import Any, Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from split_deploy import request_id
from split_deploy.conf import get_config
from split_deploy.middleware.base import SyncAndAsyncMiddleware

SERVED_BY: Final = "X-Served-By"


class InstanceMiddleware(SyncAndAsyncMiddleware):
    """Put the role in ``X-Served-By``, and the request id in ``X-Request-ID`` and the logs.

    The id is that of the request's ``X-Request-ID`` header if it is valid, else a new one; views
    find it in ``request.request_id``. Belongs first in ``MIDDLEWARE``.
    """

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)
        self.role = get_config().role

    def handle(self, request: HttpRequest) -> HttpResponseBase:
        token = self._enter(request)
        try:
            return self._labelled(request, self.get_response(request))
        finally:
            # The thread goes on to another request.
            request_id.current.reset(token)

    async def ahandle(self, request: HttpRequest) -> HttpResponseBase:
        # No reset: the context ends with the request's task, and a streaming body still needs it.
        self._enter(request)
        return self._labelled(request, await self.get_response(request))

    def _enter(self, request: HttpRequest) -> Token[str]:
        id_ = request_id.accept_or_make(request.headers.get(request_id.HEADER))
        request.request_id = id_  # type: ignore[attr-defined]
        return request_id.current.set(id_)

    def _labelled(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        response.headers[SERVED_BY] = self.role
        response.headers[request_id.HEADER] = request.request_id  # type: ignore[attr-defined]
        return response
