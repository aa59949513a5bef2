"""A thousand requests of as many users, all mixed up, in each role: none meets another's user."""

import asyncio
import random
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path

from split_deploy._current import current
from split_deploy.context import (
    aget_current_user,
    get_current_request,
    get_current_user,
    impersonate,
    set_current_user,
)
from split_deploy.handlers import NativeASGIHandler
from split_deploy.tasks import background
from tests.context.site import cookie_headers, somebody, wsgi
from tests.handlers.client import Exchange

pytestmark = pytest.mark.urls(__name__)

REQUESTS = 1000
#: Added to a user's primary key, it is somebody whom only this user's request impersonates.
OTHER, THIRD = 10_000, 20_000
#: Of each so many the client goes away.
GONE = 13

violations: list[str] = []
tasks: list[asyncio.Task[None]] = []


@pytest.fixture(autouse=True)
def often_another_thread() -> Iterator[None]:
    violations.clear()
    tasks.clear()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


def look(request, pk):
    user, at_hand = get_current_user(), get_current_request()
    # A thread goes on when its request is cancelled, and may see the end of that.
    is_right = at_hand is request or (at_hand is None and request.pk % GONE == 0)
    if user is None or user.pk != pk or not is_right:
        violations.append(f"{user} and not {pk} in {at_hand}")


def stay(request, pk):
    look(request, pk)
    time.sleep(random.random() / 2000)
    look(request, pk)


async def astay(request, pk):
    await aget_current_user()
    look(request, pk)
    await asyncio.sleep(random.random() / 200)
    look(request, pk)


# The sync role


def staying(request, pk):
    stay(request, pk)
    return HttpResponse(f"{pk}")


def setting(request, pk):
    set_current_user(somebody(pk + OTHER))
    stay(request, pk + OTHER)
    return HttpResponse(f"{pk}")


def impersonating(request, pk):
    with impersonate(somebody(pk + OTHER)):
        stay(request, pk + OTHER)
        with impersonate(request.user):
            stay(request, pk)
        stay(request, pk + OTHER)
    stay(request, pk)
    return HttpResponse(f"{pk}")


def bridging(request, pk):
    with impersonate(somebody(pk + OTHER)):
        async_to_sync(impersonating_async)(request, pk + OTHER, pk + THIRD)
    stay(request, pk)
    return HttpResponse(f"{pk}")


def streaming(request, pk):
    set_current_user(somebody(pk + OTHER))

    def parts():
        stay(request, pk + OTHER)
        yield f"{pk}"
        with impersonate(somebody(pk + THIRD)):
            stay(request, pk + THIRD)
            yield ""
        stay(request, pk + OTHER)

    return StreamingHttpResponse(parts())


def failing(request, pk):
    impersonate(somebody(pk + OTHER)).__enter__()
    stay(request, pk + OTHER)
    raise ValueError("on purpose")


SYNC = [staying, setting, impersonating, bridging, streaming, failing]


def sync_view(request, pk):
    request.pk = pk
    stay(request, pk)
    return SYNC[pk % len(SYNC)](request, pk)


def test_in_the_sync_role_on_a_few_threads_that_are_used_again(sync_role, caplog):
    handler = WSGIHandler()

    def serve(pk):
        before = current()
        with wsgi(handler, f"/sync/{pk}/", pk) as response:
            body = b"".join(response) if pk % GONE else next(iter(response))
            status = response.status_code
        return before, status, body, current()

    with ThreadPoolExecutor(8) as threads:
        served = list(threads.map(serve, range(1, REQUESTS + 1)))

    assert violations == []
    for pk, (before, status, body, after) in enumerate(served, start=1):
        assert before is after is None
        if SYNC[pk % len(SYNC)] is failing:
            assert status == 500
        else:
            assert (status, body) == (200, b"%d" % pk)


# The async role


async def staying_async(request, pk):
    await astay(request, pk)
    return HttpResponse(f"{pk}")


async def setting_in_a_thread(request, pk):
    await sync_to_async(set_current_user)(somebody(pk + OTHER))
    await astay(request, pk + OTHER)
    await sync_to_async(stay)(request, pk + OTHER)
    return HttpResponse(f"{pk}")


async def impersonating_async(request, pk, other=None):
    other = other or pk + OTHER
    with impersonate(somebody(other)):
        await sync_to_async(stay)(request, other)
        await sync_to_async(stay, thread_sensitive=False)(request, other)
    await astay(request, pk)
    return HttpResponse(f"{pk}")


async def gathering(request, pk):
    async def one(other):
        set_current_user(somebody(other))
        await astay(request, other)
        await sync_to_async(async_to_sync(astay))(request, other)

    await asyncio.gather(one(pk + OTHER), one(pk + THIRD), astay(request, pk))
    await astay(request, pk)
    return HttpResponse(f"{pk}")


async def leaving_a_task(request, pk):
    async def job():
        await asyncio.sleep(random.random() / 20)
        user = await aget_current_user()
        if user.pk != pk or get_current_request() not in (None, request):
            violations.append(f"the task of {pk} has {user}")

    tasks.append(background(job()))
    return HttpResponse(f"{pk}")


async def streaming_async(request, pk):
    set_current_user(somebody(pk + OTHER))

    async def parts():
        await astay(request, pk + OTHER)
        yield f"{pk}"
        with impersonate(somebody(pk + THIRD)):
            await sync_to_async(stay)(request, pk + THIRD)
            yield ""
        await astay(request, pk + OTHER)

    return StreamingHttpResponse(parts())


async def failing_async(request, pk):
    impersonate(somebody(pk + OTHER)).__enter__()
    await astay(request, pk + OTHER)
    raise ValueError("on purpose")


ASYNC = [
    *(staying_async, setting_in_a_thread, impersonating_async, gathering),
    *(leaving_a_task, streaming_async, failing_async),
]


async def async_view(request, pk):
    request.pk = pk
    if pk % 2:
        await astay(request, pk)
    return await ASYNC[pk % len(ASYNC)](request, pk)


@pytest.mark.asyncio
async def test_in_the_async_role_all_at_once_and_some_given_up(async_role, caplog):
    handler = NativeASGIHandler()
    exchanges = {
        pk: Exchange(f"/async/{pk}/", scope=cookie_headers(pk), handler=handler)
        for pk in range(1, REQUESTS + 1)
    }
    for exchange in exchanges.values():
        exchange.begin()
    for pk, exchange in exchanges.items():
        if pk % GONE == 0:
            await asyncio.sleep(0)
            exchange.leave()
    await asyncio.gather(*(exchange.task for exchange in exchanges.values()))
    await asyncio.gather(*tasks)

    assert violations == []
    for pk, exchange in exchanges.items():
        if pk % GONE == 0:
            continue
        if ASYNC[pk % len(ASYNC)] is failing_async:
            assert exchange.status == 500
        else:
            assert (exchange.status, exchange.content) == (200, b"%d" % pk)


urlpatterns = [path("sync/<int:pk>/", sync_view), path("async/<int:pk>/", async_view)]
