from collections.abc import Callable
from typing import Any

from django.core.signals import request_finished
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from split_deploy._current import Scope, end_request
from split_deploy.middleware.base import SyncAndAsyncMiddleware
from split_deploy.pool import current_lease


class ContextMiddleware(SyncAndAsyncMiddleware):
    """Let ``split_deploy.context`` know the request, from here to the end of its response.

    The user is whoever ``request.user`` is when somebody asks, so it need not stand after
    ``AuthenticationMiddleware``: it belongs before what is to be seen in the logs with its user,
    right after ``InstanceMiddleware`` and ``HealthMiddleware``.
    """

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)
        # Not when the response is made: a streaming body is still to come, and Django logs the
        # response. A native handler has this done on the event loop: see split_deploy.signals.
        request_finished.connect(end_request, dispatch_uid="split_deploy.context")

    def handle(self, request: HttpRequest) -> HttpResponseBase:
        with Scope(request):
            response: HttpResponseBase = self.get_response(request)
        return response

    async def ahandle(self, request: HttpRequest) -> HttpResponseBase:
        # Not Django's own handler, which runs this in one task and sends the signal from another.
        is_native = current_lease() is not None
        with Scope(request, always_finished=is_native) as scope:
            response: HttpResponseBase = await self.get_response(request)
        if not is_native:
            response._resource_closers.append(scope.end)  # type: ignore[attr-defined]
        return response
