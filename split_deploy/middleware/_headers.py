"""Response headers that are set with every response, and checked once."""

from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase


class DefaultHeader:
    """A header that is set unless the response has it.

    ``response.headers`` encodes each name and value to see whether it is one, and looks a header up
    with an exception if there is none. So the four that ``SecurityMiddleware`` sets take as long as
    the middleware of a request that has no session. What was checked once is put beside them.
    """

    def __init__(self, name: str, value: str) -> None:
        self.name = name
        self.value = value
        headers = HttpResponse(headers={name: value}).headers
        self._key = name.lower()
        self._item = stored(headers).get(self._key)

    def set(self, response: HttpResponseBase) -> None:
        """Set it, unless the response has one of this name."""
        headers = stored(response.headers)
        if not headers or self._item is None:
            response.headers.setdefault(self.name, self.value)
        elif self._key not in headers:
            headers[self._key] = self._item


def put(response: HttpResponseBase, name: str, value: str) -> None:
    """Set a header of which it is known that both are ASCII and have no line break.

    That is all that ``response.headers`` would find out, anew for each response.
    """
    if headers := stored(response.headers):
        headers[name.lower()] = (name, value)
    else:
        response.headers[name] = value


def stored(headers: Any) -> dict[str, Any]:
    """What is behind Django's ``ResponseHeaders``; empty if it is something else one day."""
    stored: dict[str, Any] = getattr(headers, "_store", {})
    return stored
