"""A project as stock Django serves it: ``split_deploy.bench.stock:asgi`` and ``:wsgi``.

Under ``split_deploy.bench.stock_settings``. They are Django's handlers; under ASGI the context
managers of ``SPLIT_DEPLOY["LIFESPAN"]`` are entered around them, which stock Django leaves to
whoever serves it and without which a project may not answer.
"""

from __future__ import annotations

from collections.abc import Awaitable
from contextlib import AsyncExitStack
from functools import cache
from typing import Any

from asgiref.sync import markcoroutinefunction
from django.core.asgi import get_asgi_application
from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application
from django.utils.module_loading import import_string

from split_deploy._asgi_types import ASGIApplication, Receive, Scope, Send
from split_deploy.conf import get_config


class StockApplication:
    """Django's ASGI handler, and the project's lifespan, of which it knows nothing."""

    def __init__(self, http: ASGIApplication) -> None:
        self.http = http

    # What the handler returns and not a coroutine around it: what is compared has to be Django's.
    @markcoroutinefunction
    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "lifespan":
            return _lifespan(receive, send)
        return self.http(scope, receive, send)


async def _lifespan(receive: Receive, send: Send) -> None:
    await receive()
    async with AsyncExitStack() as stack:
        try:
            for path in get_config().lifespan:
                await stack.enter_async_context(import_string(path)())
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": repr(error)})
            raise
        await send({"type": "lifespan.startup.complete"})
        await receive()
    await send({"type": "lifespan.shutdown.complete"})


@cache
def _asgi() -> StockApplication:
    return StockApplication(get_asgi_application())


@cache
def _wsgi() -> WSGIHandler:
    return get_wsgi_application()


def __getattr__(name: str) -> Any:
    # Made when a server asks for it, and only the one that it serves.
    if name == "asgi":
        return _asgi()
    if name == "wsgi":
        return _wsgi()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
