from typing import Any, Final

from django.http.response import HttpResponseBase
from django.test import AsyncClient, Client
from django.test.client import AsyncClientHandler, ClientHandler

from split_deploy import hops
from split_deploy.conf import Role
from split_deploy.handlers import NativeHandler
from split_deploy.testing.counting import counting
from split_deploy.testing.role_settings import in_force

_OUTER: Final = "split_deploy.hops"


class SyncRoleClient(Client):
    """Django's ``Client``, whose requests are served under the settings of ``role``.

    By the handler of the sync instance.
    """

    def __init__(self, role: Role = "sync", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.role = role
        self.handler = _SyncHandler(self.handler.enforce_csrf_checks)

    def request(self, **request: Any) -> Any:
        """Serve a request under the role's settings."""
        with in_force(self.role):
            return super().request(**request)


class AsyncRoleClient(AsyncClient):
    """Django's ``AsyncClient``, whose requests are served under the settings of ``role``.

    The response has ``thread_hops``, a ``split_deploy.hops.Hops``: those of the middleware and the
    view. What the client does around them, to stand in for a server, doesn't count.
    """

    def __init__(self, role: Role = "async", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.role = role
        self.handler = _CountingHandler(self.handler.enforce_csrf_checks)

    async def request(self, **request: Any) -> Any:
        """Serve a request under the role's settings."""
        with in_force(self.role):
            return await super().request(**request)


class _SyncHandler(NativeHandler, ClientHandler):
    """Django's, with what ``NativeWSGIHandler`` has."""


class _CountingHandler(NativeHandler, AsyncClientHandler):
    async def __call__(self, scope: Any) -> Any:
        scope[_OUTER] = hops.current()
        with hops.counted_into(None):
            return await super().__call__(scope)

    async def get_response_async(self, request: Any) -> HttpResponseBase:
        async with counting(request.scope[_OUTER]) as counted:
            response: HttpResponseBase = await super().get_response_async(request)
        response.thread_hops = counted  # type: ignore[attr-defined]
        return response
