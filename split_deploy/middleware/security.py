from functools import cached_property
from types import SimpleNamespace
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.middleware.security import SecurityMiddleware as DjangoSecurityMiddleware

from split_deploy.middleware._headers import DefaultHeader
from split_deploy.middleware._native import NativeMiddleware


class SecurityMiddleware(NativeMiddleware, DjangoSecurityMiddleware):
    """Django's ``SecurityMiddleware``, on the event loop: it compares and sets headers."""

    # With the first response: a subclass may change what Django's has read from the settings.

    @cached_property
    def _headers(self) -> list[DefaultHeader]:
        return self._django_s(is_secure=False)

    @cached_property
    def _headers_if_secure(self) -> list[DefaultHeader]:
        return self._django_s(is_secure=True)

    @cached_property
    def _differ(self) -> bool:
        return len(self._headers) != len(self._headers_if_secure)

    def _django_s(self, *, is_secure: bool) -> list[DefaultHeader]:
        """What Django sets in a response without headers, to a request over HTTPS or not.

        Each is set in any other response too, if it isn't there.
        """
        request: Any = SimpleNamespace(is_secure=lambda: is_secure)
        response = HttpResponse()
        before = dict(response.headers)
        super().process_response(request, response)
        return [
            DefaultHeader(name, value)
            for name, value in response.headers.items()
            if name not in before
        ]

    def process_response(self, request: HttpRequest, response: Any) -> Any:
        """Set the headers."""
        is_secure = self._differ and request.is_secure()
        for header in self._headers_if_secure if is_secure else self._headers:
            header.set(response)
        return response
