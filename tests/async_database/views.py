"""Views that use the async database as a project would, and one that says what is left of it."""

import asyncio
import gc
import secrets
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from django.urls import path
from django_async_backend.db import async_connections
from django_async_backend.db.transaction import async_atomic

from async_urls import urlpatterns as of_the_project
from split_deploy import EventStreamResponse, ServerSentEvent, hops
from split_deploy.async_database import objects, on_its_own, release
from split_deploy.tasks import background

LABEL = "tests_async_database"


def in_use() -> int:
    """Connections that somebody has and did not give back."""
    pool = async_connections["default"].pool
    stats = pool.get_stats()
    return stats.get("pool_size", 0) - stats.get("pool_available", 0)


def answer(**found: Any) -> JsonResponse:
    return JsonResponse(found | {"hops": hops.current().count, "in_use": in_use()})


async def state(request: HttpRequest) -> JsonResponse:
    gc.collect()
    return answer(labels=[row async for row in labels().values_list("model", flat=True)])


def labels():
    return objects(ContentType).filter(app_label=LABEL).order_by("model")


async def add(model: str) -> None:
    await objects(ContentType).acreate(app_label=LABEL, model=model)


async def clear(request: HttpRequest) -> JsonResponse:
    await labels().adelete()
    return answer()


async def sleep(request: HttpRequest, seconds: str) -> JsonResponse:
    async with await async_connections["default"].cursor() as cursor:
        await cursor.execute("SELECT pg_sleep(%s)", [float(seconds)])
    return answer()


async def transactions(request: HttpRequest) -> JsonResponse:
    async with async_atomic():
        await add("committed")
        try:
            async with async_atomic():
                await add("savepoint")
                raise LookupError
        except LookupError:
            pass
    try:
        async with async_atomic():
            await add("rolled back")
            raise LookupError
    except LookupError:
        return answer()


async def failing(request: HttpRequest) -> JsonResponse:
    async with async_atomic():
        await add("of a request that failed")
        async with await async_connections["default"].cursor() as cursor:
            await cursor.execute("SELECT 1 / 0")
    raise AssertionError("PostgreSQL divides by zero")


async def left_open(request: HttpRequest) -> JsonResponse:
    await async_connections["default"].set_autocommit(False)
    await add("of a transaction that nobody ended")
    return answer()


async def both_ways(request: HttpRequest) -> JsonResponse:
    await labels().acount()
    return answer(sync=await ContentType.objects.filter(app_label=LABEL).acount())


async def gathered(request: HttpRequest, own: int) -> JsonResponse:
    work = [labels().acount() for _ in range(3)]
    outcomes = await asyncio.gather(*map(on_its_own, work) if own else work, return_exceptions=True)
    return answer(outcomes=[repr(outcome) for outcome in outcomes])


async def in_background(request: HttpRequest) -> JsonResponse:
    await labels().acount()
    background(later())
    return answer()


async def later() -> None:
    await asyncio.sleep(0.05)
    await add(f"background {secrets.token_hex(4)}")


async def forgotten(request: HttpRequest) -> JsonResponse:
    task = asyncio.create_task(later())
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return answer()


tasks: set[asyncio.Task] = set()


async def stream(request: HttpRequest) -> StreamingHttpResponse:
    await labels().acount()
    return StreamingHttpResponse(parts(), content_type="text/plain")


async def parts():
    yield f"{in_use()}\n"
    await labels().acount()
    yield f"{in_use()}\n"
    await release()
    yield f"{in_use()}\n"
    await labels().acount()


async def events(request: HttpRequest) -> EventStreamResponse:
    await labels().acount()
    return EventStreamResponse(happening())


async def happening():
    for _ in range(3):
        count = await labels().acount()
        await release()
        yield ServerSentEvent(data=f"{count} {in_use()}")


urlpatterns = [
    *of_the_project,
    *(
        path(f"async/test/{view.__name__}/", view)
        for view in (
            *(state, clear, transactions, failing, left_open, both_ways, in_background, forgotten),
            *(stream, events),
        )
    ),
    path("async/test/sleep/<str:seconds>/", sleep),
    path("async/test/gathered/<int:own>/", gathered),
]
