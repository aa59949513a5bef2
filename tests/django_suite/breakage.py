"""Classes that do nothing, to see that Django's tests would notice."""

from typing import Any

from django.core.handlers.base import BaseHandler


def doing_nothing(cls: type) -> type:
    """Return ``cls`` broken: a middleware lets all through, a handler serves nonsense."""
    return _senseless(cls) if issubclass(cls, BaseHandler) else _idle(cls)


def _idle(cls: Any) -> type:
    class Idle(cls):
        def __call__(self, request: Any) -> Any:
            return self.get_response(request)

        def process_request(self, request: Any) -> None:
            return None

        def process_response(self, _request: Any, response: Any) -> Any:
            return response

        def process_view(self, *_: Any) -> None:
            return None

        aprocess_request = aprocess_view = None

    return Idle


def _senseless(cls: Any) -> type:
    class Senseless(cls):
        def get_response(self, request: Any) -> Any:
            response = super().get_response(request)
            response.status_code = 599
            return response

        async def send_response(self, response: Any, send: Any) -> None:
            response.status_code = 599
            await super().send_response(response, send)

    return Senseless
