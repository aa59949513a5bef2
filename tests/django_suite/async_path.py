"""Sends what a synchronous test does through the code that serves an async instance.

Each takes a class, ours or Django's own: that Django's own fails a test this way, too, is the one
reason for which a test may be left out.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from asgiref.sync import async_to_sync, iscoroutinefunction, sync_to_async

# What ``BaseHandler.load_middleware()`` looks for, and may be a coroutine function.
_HOOKS: Final = ("process_view", "process_exception", "process_template_response")


def client_handler(cls: type) -> type:
    """Return the handler of Django's synchronous test client with its chain in async mode."""

    class AsyncPathHandler(cls):
        def load_middleware(self, is_async: bool = True) -> None:
            super().load_middleware(is_async=True)

        def get_response(self, request: Any) -> Any:
            return _synchronously(self.get_response_async, request)

    return _named_like(cls, AsyncPathHandler)


def middleware(cls: type) -> type:
    """Return ``cls``, in its async mode even if it is given a synchronous ``get_response``.

    Then it can be called like the synchronous middleware that its caller believes it to be, and
    what it is given runs where the handler would run a synchronous view.
    """

    class AsyncPathMiddleware(cls):
        def __init__(self, get_response: Any, *args: Any, **kwargs: Any) -> None:
            self.is_called_synchronously = callable(get_response) and not iscoroutinefunction(
                get_response
            )
            if not self.is_called_synchronously:
                super().__init__(get_response, *args, **kwargs)
                return

            async def async_get_response(request: Any) -> Any:
                return await sync_to_async(get_response, thread_sensitive=True)(request)

            super().__init__(async_get_response, *args, **kwargs)
            _unmark(self)
            for name in _HOOKS:
                hook = getattr(self, name, None)
                if iscoroutinefunction(hook):
                    setattr(self, name, partial(_synchronously, hook))

        def __call__(self, request: Any) -> Any:
            _give_asgi_name(getattr(self, "header", None), request)
            if self.is_called_synchronously:
                return _synchronously(super().__call__, request)
            return super().__call__(request)

    return _named_like(cls, AsyncPathMiddleware)


def _synchronously(function: Callable[..., Any], *args: Any) -> Any:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return async_to_sync(function)(*args)
    # An asynchronous test that calls something synchronous.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(async_to_sync(function), *args).result()


def _unmark(instance: Any) -> None:
    """Undo ``markcoroutinefunction()``: whoever is given this calls it synchronously."""
    for name in [name for name in vars(instance) if name.startswith("_is_coroutine")]:
        delattr(instance, name)


def _give_asgi_name(header: str | None, request: Any) -> None:
    """Let a WSGI request have ``REMOTE_USER`` where Django looks for it in the async mode."""
    if header in request.META and hasattr(request, "environ"):
        request.META[f"HTTP_{header}"] = request.META[header]


def _named_like(cls: type, made: type) -> type:
    made.__module__ = cls.__module__
    made.__name__ = cls.__name__
    made.__qualname__ = cls.__qualname__
    made.__doc__ = cls.__doc__
    return made
