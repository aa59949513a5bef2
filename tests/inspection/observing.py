"""What really happens when a view is called: where its code runs, under each handler."""

import asyncio
import contextlib
import gc
import inspect
import sys
from types import SimpleNamespace
from typing import NamedTuple
from wsgiref.util import setup_testing_defaults

from asgiref.sync import iscoroutinefunction
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse
from django.utils.decorators import sync_and_async_middleware


class Observed(NamedTuple):
    #: Whether the code that ran is a coroutine's or a plain function's.
    code: str
    #: Whether an event loop was running in its thread.
    thread: str


_noted: list[Observed] = []


def note(*, depth: int = 1) -> None:
    """Called by a view: write down what calls it and where."""
    flags = sys._getframe(depth).f_code.co_flags
    is_async = flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        thread = "a thread"
    else:
        thread = "the loop"
    _noted.append(Observed("async" if is_async else "sync", thread))


def seen() -> HttpResponse:
    """``note()`` for a view that has nothing to say: ``return seen()``."""
    note(depth=2)
    return HttpResponse("seen")


async def _granted(perms: object) -> bool:
    return True


USER = SimpleNamespace(
    is_authenticated=True,
    is_active=True,
    is_staff=True,
    pk=1,
    has_perms=lambda perms: True,
    ahas_perms=_granted,
    has_perm=lambda perm: True,
    has_module_perms=lambda label: True,
)


@sync_and_async_middleware
def logged_in(get_response):
    """Give every request a user, without a database."""

    async def auser():
        return USER

    if iscoroutinefunction(get_response):

        async def middleware(request):
            request.user, request.auser = USER, auser
            return await get_response(request)

    else:

        def middleware(request):
            request.user, request.auser = USER, auser
            return get_response(request)

    return middleware


def call_under_wsgi(path: str, method: str) -> Observed | None:
    """Return what a real ``WSGIHandler`` made the view do; ``None`` if its code never ran."""
    environ = {"PATH_INFO": path, "REQUEST_METHOD": method}
    setup_testing_defaults(environ)
    environ["SERVER_NAME"] = environ["HTTP_HOST"] = "testserver"
    return _observe(lambda: list(WSGIHandler()(environ, lambda status, headers: None)))


def call_under_asgi(path: str, method: str) -> Observed | None:
    """Return what a real ``ASGIHandler`` made the view do; ``None`` if its code never ran."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [(b"host", b"testserver")],
        "server": ("testserver", 80),
    }

    requests = [{"type": "http.request", "body": b""}]

    async def receive():
        return requests.pop() if requests else await asyncio.Event().wait()

    async def send(message):
        pass

    async def call() -> None:
        await asyncio.wait_for(ASGIHandler()(scope, receive, send), 10)

    return _observe(lambda: asyncio.run(call()))


def _observe(call) -> Observed | None:
    _noted.clear()
    with contextlib.suppress(Exception):  # what isn't a response fails outside the views, too
        call()
    gc.collect()  # a coroutine that nobody awaited warns here, and not in another test
    return _noted[0] if _noted else None
