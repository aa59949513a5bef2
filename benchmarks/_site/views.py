"""Each view in the shapes that are compared."""

import asyncio
import os
from collections.abc import AsyncIterator

from django.contrib.contenttypes.models import ContentType
from django.db.models import Func, TextField, Value
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse

from benchmarks._site import clients
from split_deploy import EventStreamResponse, ServerSentEvent, blocking_first, io
from split_deploy.async_database import objects


async def json_async(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"message": "Hello, World!"})


def json_sync(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"message": "Hello, World!"})


async def orm_async(request: HttpRequest) -> HttpResponse:
    # Django's manager, but for the series with the async database.
    found = await objects(ContentType).aget(app_label="auth", model="user")
    return JsonResponse({"pk": found.pk, "model": found.model})


def orm_sync(request: HttpRequest) -> HttpResponse:
    found = ContentType.objects.get(app_label="auth", model="user")
    return JsonResponse({"pk": found.pk, "model": found.model})


async def five_async(request: HttpRequest) -> HttpResponse:
    """Five queries, one after the other."""
    models = [(await objects(ContentType).aget(pk=pk)).model for pk in range(1, 6)]
    return JsonResponse({"models": models})


async def slow_async(request: HttpRequest) -> HttpResponse:
    """A query for which the database needs 20 ms."""
    slow = objects(ContentType).annotate(
        slept=Func(Value(0.02), function="pg_sleep", output_field=TextField())
    )
    pk, _ = await slow.values_list("pk", "slept").aget(pk=1)
    return JsonResponse({"pk": pk})


async def session_async(request: HttpRequest) -> HttpResponse:
    user = await request.auser()
    return JsonResponse({"user": user.get_username()}, status=200 if user.pk else 401)


def session_sync(request: HttpRequest) -> HttpResponse:
    return JsonResponse(
        {"user": request.user.get_username()}, status=200 if request.user.pk else 401
    )


HEARTBEAT = float(os.environ.get("BENCHMARK_HEARTBEAT", "15"))
# What a stream waits for is not what is measured: one event for all.
_silence = asyncio.Event()


async def events(request: HttpRequest) -> EventStreamResponse:
    """An event, and then silence."""
    return EventStreamResponse(_events(), heartbeat=HEARTBEAT)


async def _events() -> AsyncIterator[ServerSentEvent]:
    yield ServerSentEvent(data="hello")
    await _silence.wait()


async def plain_stream(request: HttpRequest) -> StreamingHttpResponse:
    """The same without help."""
    return StreamingHttpResponse(_chunks(), content_type="text/event-stream")


async def _chunks() -> AsyncIterator[bytes]:
    yield b"data: hello\n\n"
    await _silence.wait()


async def fetch(request: HttpRequest, kind: str) -> HttpResponse:
    """Call another server."""
    await clients.call(kind.replace("_", " "), os.environ["BENCHMARK_TARGET"])
    return JsonResponse({"message": "fetched"})


def call_sync(request: HttpRequest) -> HttpResponse:
    """A query, a call that takes 100 ms, and a query."""
    pk = ContentType.objects.get(app_label="auth", model="user").pk
    clients.call_sync(os.environ["BENCHMARK_TARGET"])
    return JsonResponse({"model": ContentType.objects.filter(pk=pk).get().model})


async def call_async(request: HttpRequest) -> HttpResponse:
    """The same with ``await``."""
    pk = (await ContentType.objects.aget(app_label="auth", model="user")).pk
    await clients.call("this project", os.environ["BENCHMARK_TARGET"])
    return JsonResponse({"model": (await ContentType.objects.filter(pk=pk).aget()).model})


@blocking_first
async def call_blocking_first(request: HttpRequest) -> HttpResponse:
    """The same in a thread but for the call."""
    pk = ContentType.objects.get(app_label="auth", model="user").pk
    async with io:
        await clients.call("this project", os.environ["BENCHMARK_TARGET"])
    return JsonResponse({"model": ContentType.objects.filter(pk=pk).get().model})
