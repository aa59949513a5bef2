from functools import lru_cache
from typing import Any

from django.http import HttpRequest
from django.middleware.clickjacking import XFrameOptionsMiddleware as DjangoXFrameOptionsMiddleware

from split_deploy.middleware._headers import DefaultHeader, stored
from split_deploy.middleware._native import NativeMiddleware


class XFrameOptionsMiddleware(NativeMiddleware, DjangoXFrameOptionsMiddleware):
    """Django's ``XFrameOptionsMiddleware``, on the event loop: it sets a header."""

    def process_response(self, request: HttpRequest, response: Any) -> Any:
        """Set the header."""
        # As Django's, but for the way in which the header is looked for and set.
        if "x-frame-options" in stored(response.headers):
            return response
        if not getattr(response, "xframe_options_exempt", False):
            _header(self.get_xframe_options_value(request, response)).set(response)
        return response


@lru_cache(maxsize=8)
def _header(value: str) -> DefaultHeader:
    return DefaultHeader("X-Frame-Options", value)
