from typing import Any

from django.http import HttpRequest
from django.middleware.http import ConditionalGetMiddleware as DjangoConditionalGetMiddleware

from split_deploy._loop import in_a_thread
from split_deploy.middleware._native import NativeMiddleware


class ConditionalGetMiddleware(NativeMiddleware, DjangoConditionalGetMiddleware):
    """Django's ``ConditionalGetMiddleware``: in a thread when it may refuse, which is logged.

    That takes a request with ``If-Match`` or ``If-Unmodified-Since``. All else is to hash the
    response and to compare.
    """

    def leave(self, request: HttpRequest, response: Any) -> Any:
        """Return what ``process_response()`` does, or a coroutine that does."""
        if "HTTP_IF_MATCH" in request.META or "HTTP_IF_UNMODIFIED_SINCE" in request.META:
            return in_a_thread(self.process_response, request, response)
        return self.process_response(request, response)
