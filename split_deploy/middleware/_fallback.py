from typing import Any

from django.http import HttpRequest

from split_deploy._loop import in_a_thread
from split_deploy.middleware._native import NativeMiddleware


class FallbackMiddleware(NativeMiddleware):
    """What looks into the database for another response than a 404: one hop then, else none."""

    process_response: Any

    def leave(self, request: HttpRequest, response: Any) -> Any:
        """Return what ``process_response()`` does, or a coroutine that does."""
        if response.status_code == 404:
            return in_a_thread(self.process_response, request, response)
        return self.process_response(request, response)
