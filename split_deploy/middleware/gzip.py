from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware as DjangoGZipMiddleware
from django.middleware.gzip import re_accepts_gzip

from split_deploy._loop import in_a_thread
from split_deploy.middleware._native import NativeMiddleware

#: Bytes that are compressed on the event loop: about a millisecond.
_SMALL: Final = 2**16


class GZipMiddleware(NativeMiddleware, DjangoGZipMiddleware):
    """Django's ``GZipMiddleware``: in a thread when it compresses more than 64 KiB at once.

    A stream is compressed a chunk at a time where it is made, as in Django.
    """

    def leave(self, request: HttpRequest, response: Any) -> Any:
        """Return what ``process_response()`` does, or a coroutine that does."""
        if _takes_long(request, response):
            return in_a_thread(self.process_response, request, response)
        return self.process_response(request, response)


def _takes_long(request: HttpRequest, response: HttpResponseBase) -> bool:
    return (
        isinstance(response, HttpResponse)
        and len(response.content) > _SMALL
        and not response.has_header("Content-Encoding")
        and re_accepts_gzip.search(request.META.get("HTTP_ACCEPT_ENCODING", "")) is not None
    )
