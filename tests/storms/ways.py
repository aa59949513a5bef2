"""Views of each other way, which notice when they meet what belongs to another request."""

import asyncio
import time
from collections.abc import Callable
from threading import Event
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth import get_user_model
from django.db import transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path

from split_deploy import blocking_first, io, parallel_ops
from split_deploy.context import current_user_id, get_current_request, get_current_user, impersonate
from split_deploy.tasks import background, run_in_process, run_in_thread
from tests.storms import site


def somebody() -> Any:
    """A user that nobody else has."""
    return get_user_model()(username="somebody")


def expect(
    request: HttpRequest, user: Any, where: str, may_have_ended: Callable[[], bool] = lambda: False
) -> None:
    """Note it if another request is current, or another user; ``None``: the request's own.

    ``may_have_ended``: whether there may be no request any more.
    """
    current = get_current_request()
    if current is not request and not (current is None and may_have_ended()):
        site.violations.append(f"{where}: {request} is not current, {current} is")
    if user is None:
        if current_user_id() != "-":
            site.violations.append(f"{where}: user {current_user_id()} is current")
    elif get_current_user() is not user:
        site.violations.append(f"{where}: {get_current_user()!r} is current, and not {user!r}")


async def aexpect(request: HttpRequest, user: Any, where: str) -> None:
    await asyncio.sleep(0.002)
    expect(request, user, where)
    await sync_to_async(expect)(request, user, f"{where}, in a thread")


async def expect_in_any_thread(request: HttpRequest, user: Any) -> None:
    """In a thread of asgiref's. If the request is cancelled nobody waits for it: it may be late."""
    is_given_up = Event()

    def late() -> None:
        time.sleep(0.002)
        expect(request, user, "any thread", is_given_up.is_set)

    try:
        await sync_to_async(late, thread_sensitive=False)()
    except asyncio.CancelledError:
        is_given_up.set()
        raise


async def acting(request: HttpRequest) -> HttpResponse:
    """Somebody else acts for a while: in threads, in tasks, and on the way back from a thread."""
    expect(request, None, "acting")
    user = somebody()
    with impersonate(user):
        await asyncio.gather(*(aexpect(request, user, "gather") for _ in range(3)))
        await sync_to_async(async_to_sync(aexpect))(request, user, "there and back")
        other = somebody()
        with impersonate(other):
            await expect_in_any_thread(request, other)
        expect(request, user, "after the inner one")
    expect(request, None, "after all")
    return HttpResponse("acting")


async def acting_stream(request: HttpRequest) -> HttpResponse:
    async def parts() -> Any:
        user = somebody()
        with impersonate(user):
            for _ in range(5):
                await aexpect(request, user, "stream")
                yield b"x" * 100
        expect(request, None, "the stream's end")
        yield b"acting in a stream"

    return StreamingHttpResponse(parts())


def operation(request: HttpRequest, user: Any, number: int) -> int:
    expect(request, user, "operation")
    get_user_model().objects.exists()
    return number


@blocking_first
async def blocking(request: HttpRequest) -> HttpResponse:
    """Blocking code, sections on the loop, and operations side by side."""
    expect(request, None, "blocking")
    with transaction.atomic():
        site._query("UPDATE account SET amount = amount - 1 WHERE id = 1")
        site._query("UPDATE account SET amount = amount + 1 WHERE id = 2")
    user = somebody()
    try:
        with impersonate(user):
            for _ in range(2):
                async with io:
                    await aexpect(request, user, "section")
                operation(request, user, 0)
            async with parallel_ops() as ops:
                handles = [ops.run(operation, request, user, number) for number in range(3)]
            total = sum(handle.result() for handle in handles)
    finally:
        expect(request, None, "finally")
        async with io:
            await asyncio.sleep(0.001)
    return HttpResponse(f"blocking {total}")


@blocking_first
async def blocking_parts(request: HttpRequest) -> Any:
    """A query before each part, and one when the client is gone."""
    try:
        for number in range(4):
            operation(request, None, number)
            async with io:
                await asyncio.sleep(0.002)
            yield b"x" * 100
        yield b"blocking in a stream"
    finally:
        try:
            operation(request, None, 0)
        except Exception as error:  # noqa: BLE001 - as on the event loop
            site.violations.append(f"a stream's finally: {error!r}")


async def blocking_stream(request: HttpRequest) -> HttpResponse:
    return StreamingHttpResponse(blocking_parts(request))


def square(number: int) -> int:
    return number * number


async def afterwards(user: Any) -> None:
    """A task outlives its request, and who acts in it does not change."""
    await asyncio.sleep(0.01)
    await get_user_model().objects.acount()
    if get_current_user() is not user:
        site.violations.append(f"afterwards: {get_current_user()!r} is current")


async def offloading(request: HttpRequest) -> HttpResponse:
    """A task that goes on, a thread, and a process."""
    user = somebody()
    with impersonate(user):
        background(afterwards(user))
        number = await run_in_thread(operation, request, user, 7)
        expect(request, user, "after a thread")
    return HttpResponse(f"offloading {await run_in_process(square, number)}")


def plain(request: HttpRequest) -> HttpResponse:
    """A sync view, in the mixed role."""
    expect(request, None, "plain")
    user = somebody()
    with impersonate(user):
        async_to_sync(aexpect)(request, user, "from a sync view")
        operation(request, user, 0)
    expect(request, None, "after a sync view")
    return HttpResponse("plain")


#: Each view's path, and what a response to it ends with.
VIEWS = {
    "acting": (acting, b"acting"),
    "acting-stream": (acting_stream, b"acting in a stream"),
    "blocking": (blocking, b"blocking 3"),
    "blocking-stream": (blocking_stream, b"blocking in a stream"),
    "offloading": (offloading, b"offloading 49"),
    "plain": (plain, b"plain"),
}

urlpatterns = [path(f"{name}/", view) for name, (view, _) in VIEWS.items()]
