from collections.abc import Callable
from typing import Any, Final

from django.core.signals import request_finished
from django.http import HttpRequest

from split_deploy import hops, request_id
from split_deploy.conf import get_config
from split_deploy.middleware._headers import put
from split_deploy.middleware._native import NativeMiddleware

SERVED_BY: Final = "X-Served-By"
_REQUEST_ID: Final = f"HTTP_{request_id.HEADER.upper().replace('-', '_')}"


class InstanceMiddleware(NativeMiddleware):
    """Put the role in ``X-Served-By``, and the request id in ``X-Request-ID`` and the logs.

    The id is that of the request's ``X-Request-ID`` header if it is valid, else a new one; views
    find it in ``request.request_id``. Belongs first in ``MIDDLEWARE``.
    """

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)
        self.role = get_config().role
        if not self.async_mode:
            # Not before: Django still logs the response, and a streaming body is still being made.
            # In the async instance the context ends with the request's task.
            request_finished.connect(_forget_request_id, dispatch_uid="split_deploy.request_id")

    def process_request(self, request: HttpRequest) -> None:
        """Give the request its id."""
        # Not request.headers, which would be made and kept for this one.
        id_ = request_id.accept_or_make(request.META.get(_REQUEST_ID))
        request.request_id = id_  # type: ignore[attr-defined]
        request_id.current.set(id_)
        if self.async_mode and (counted := hops.current()):
            counted.request = request

    def process_response(self, request: HttpRequest, response: Any) -> Any:
        """Set the two headers."""
        put(response, SERVED_BY, self.role)
        put(response, request_id.HEADER, request.request_id)  # type: ignore[attr-defined]
        return response


def _forget_request_id(**_: Any) -> None:
    # The thread goes on to another request.
    request_id.current.set(request_id.NONE)
