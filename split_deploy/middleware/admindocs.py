from typing import Any, cast

from django.contrib.admindocs.middleware import XViewMiddleware as DjangoXViewMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from split_deploy.middleware._native import NativeMiddleware
from split_deploy.middleware.auth import with_user


class XViewMiddleware(NativeMiddleware, DjangoXViewMiddleware):
    """Django's ``XViewMiddleware``: one hop, for a HEAD request that has a session to be loaded."""

    async def aprocess_view(self, request: HttpRequest, *args: Any) -> HttpResponseBase | None:
        """Answer a HEAD request of those who may know."""
        process_view: Any = type(self).process_view
        if request.method == "HEAD":
            response = await with_user(request, process_view, self, request, *args)
        else:
            response = process_view(self, request, *args)
        return cast("HttpResponseBase | None", response)
