"""Views that can be left at any point, and that notice when they meet what another one left."""

import asyncio
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

#: What should never have been seen.
violations: list[str] = []


async def sleeping(request: HttpRequest) -> HttpResponse:
    await asyncio.sleep(0.03)
    return HttpResponse("sleeping")


async def querying(request: HttpRequest) -> HttpResponse:
    for _ in range(3):
        await get_user_model().objects.filter(username="nobody").aexists()
        await asyncio.sleep(0.003)
    return HttpResponse("querying")


async def gathering(request: HttpRequest) -> HttpResponse:
    found = await asyncio.gather(*(get_user_model().objects.acount() for _ in range(4)))
    return HttpResponse(f"gathering {len(found)}")


def _query(sql: str, *values: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchone() if cursor.description else None


def _move() -> None:
    with transaction.atomic():
        _query("UPDATE account SET amount = amount - 1 WHERE id = 1")
        _query("SELECT pg_sleep(0.005)")
        _query("UPDATE account SET amount = amount + 1 WHERE id = 2")


@csrf_exempt
async def moving(request: HttpRequest) -> HttpResponse:
    """A transaction in one call: done or not, and never half."""
    await sync_to_async(_move)()
    return HttpResponse("moving")


async def holding(request: HttpRequest) -> HttpResponse:
    """A transaction over several calls, in which nobody else's may be run."""
    await sync_to_async(transaction.set_autocommit)(False)
    try:
        before = await sync_to_async(_query)("SELECT pg_backend_pid(), txid_current()")
        await asyncio.sleep(0.005)
        after = await sync_to_async(_query)("SELECT pg_backend_pid(), txid_current()")
        if before != after:
            violations.append(f"a transaction became another: {before} {after}")
        await sync_to_async(transaction.rollback)()
    finally:
        await sync_to_async(transaction.set_autocommit)(True)
    return HttpResponse("holding")


async def leaving_open(request: HttpRequest) -> HttpResponse:
    """A mistake: nobody ends this transaction."""
    await sync_to_async(transaction.set_autocommit)(False)
    await sync_to_async(_query)("UPDATE account SET amount = amount - 1000 WHERE id = 3")
    return HttpResponse("leaving open")


def _there_and_back() -> int:
    return async_to_sync(_back)()


async def _back() -> int:
    await asyncio.sleep(0.002)
    return await sync_to_async(_query)("SELECT 1")


async def nesting(request: HttpRequest) -> HttpResponse:
    """Sync that calls async that calls sync."""
    await sync_to_async(_there_and_back)()
    return HttpResponse("nesting")


async def visiting(request: HttpRequest) -> HttpResponse:
    """A session, read and written."""
    count = await request.session.aget("count", 0)
    await request.session.aset("count", count + 1)
    user = await request.auser()
    return HttpResponse(f"visiting {user.is_authenticated}")


@csrf_exempt
async def uploading(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"uploading {len(request.body)}")


async def streaming(request: HttpRequest) -> HttpResponse:
    async def parts() -> Any:
        for _ in range(10):
            await asyncio.sleep(0.003)
            yield b"x" * 500
        await Session.objects.acount()
        yield b"streaming"

    return StreamingHttpResponse(parts())


async def streaming_rows(request: HttpRequest) -> HttpResponse:
    """From a cursor of the server's, which lives on one connection."""

    async def parts() -> Any:
        query = get_user_model().objects.raw(
            "SELECT n AS id, '' AS username FROM generate_series(1, 20) n"
        )
        rows = await sync_to_async(list)(query)
        for row in rows:
            yield f"{row.pk} "
            await asyncio.sleep(0.001)
        async for user in get_user_model().objects.aiterator(chunk_size=5):
            yield f"{user.pk} "
            await asyncio.sleep(0.002)
        yield "streaming rows"

    return StreamingHttpResponse(parts())


async def streaming_sync(request: HttpRequest) -> HttpResponse:
    return StreamingHttpResponse(iter([b"streaming", b"in sync"]))


async def stubborn(request: HttpRequest) -> HttpResponse:
    """Goes on when it is cancelled."""
    try:
        await asyncio.sleep(0.05)
    except asyncio.CancelledError:
        await get_user_model().objects.acount()
    return HttpResponse("stubborn")


_background: set[asyncio.Task[Any]] = set()


async def outlived(request: HttpRequest) -> HttpResponse:
    """Leaves a task behind that still queries when the response is out."""

    async def later() -> None:
        await asyncio.sleep(0.02)
        try:
            await get_user_model().objects.acount()
        except RuntimeError:
            # As in Django: below a synchronous middleware its thread is that middleware's call.
            if not settings.HAS_THIRD_PARTY:
                raise

    task = asyncio.create_task(later())
    _background.add(task)
    task.add_done_callback(_background.discard)
    return HttpResponse("outlived")


async def failing(request: HttpRequest) -> HttpResponse:
    await get_user_model().objects.acount()
    raise LookupError("on purpose")


#: Each view's path, and what a response to it ends with.
VIEWS = {
    "sleeping": (sleeping, b"sleeping"),
    "querying": (querying, b"querying"),
    "gathering": (gathering, b"gathering 4"),
    "moving": (moving, b"moving"),
    "holding": (holding, b"holding"),
    "nesting": (nesting, b"nesting"),
    "visiting": (visiting, b"visiting False"),
    "uploading": (uploading, b"uploading 300000"),
    "streaming": (streaming, b"streaming"),
    "streaming-rows": (streaming_rows, b"streaming rows"),
    "streaming-sync": (streaming_sync, b"in sync"),
    "stubborn": (stubborn, b"stubborn"),
    "outlived": (outlived, b"outlived"),
    "leaving-open": (leaving_open, b"leaving open"),
    "failing": (failing, b"</html>\n"),
}

urlpatterns = [path(f"{name}/", view) for name, (view, _) in VIEWS.items()]
