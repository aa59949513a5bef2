"""The end of a response: what can't block is closed on the event loop, the rest in a thread."""

import asyncio
import types
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO, StringIO
from typing import Any

from asgiref.sync import sync_to_async
from django.core.files.uploadedfile import InMemoryUploadedFile
from django.core.handlers.asgi import ASGIRequest
from django.core.signals import request_finished
from django.http.response import HttpResponseBase

from split_deploy import signals
from split_deploy.pool import current_lease

Closer = Callable[[], Any]


async def thread_is_done(*, was_cancelled: bool) -> None:
    """Wait for what the request still has running in its thread, which may read its body.

    A cancelled ``sync_to_async()`` goes on in the thread, and a view may leave a task behind.
    Django waits as well: its signals and ``response.close()`` come next in that thread.
    """
    lease = current_lease()
    is_busy = lease is not None and lease.calls > 0
    if was_cancelled:
        if lease is not None:
            lease.restore_executor()
        # In somebody else's context, and below async_to_sync(), it is a thread of which nobody
        # knows what it does.
        is_busy = is_busy or lease is None or lease.outer_executor is not None
    if is_busy:
        await sync_to_async(_nothing)()


def _nothing() -> None:
    pass


async def close(response: HttpResponseBase) -> None:
    """Do what ``response.close()`` does, in a thread only if that may block.

    A ``close()`` that isn't Django's own is called in a thread, as Django does. So are the closers
    (a file's ``close()``, say) unless it is known of each that it can't block. If the server
    cancels meanwhile, the rest is done all the same.
    """
    if type(response).close is not HttpResponseBase.close or "close" in response.__dict__:
        await sync_to_async(response.close)()
        return
    closers = response._resource_closers  # type: ignore[attr-defined]
    try:
        if any(map(_can_block, closers)):
            await sync_to_async(_call)(closers.copy())
        else:
            _call(closers)
    except asyncio.CancelledError:
        await thread_is_done(was_cancelled=True)
        raise
    finally:
        closers.clear()
        response.closed = True
        await signals.asend(request_finished, response._handler_class)  # type: ignore[attr-defined]


def _call(closers: list[Closer]) -> None:
    for closer in closers:
        with suppress(Exception):
            closer()


def _can_block(closer: Closer) -> bool:
    owner = getattr(closer, "__self__", None)
    if isinstance(owner, ASGIRequest):
        return closer.__func__ is not ASGIRequest.close or _request_can_block(owner)  # type: ignore[attr-defined]
    if isinstance(owner, types.GeneratorType):
        return owner.gi_frame is not None  # it is not at its end, and may clean up
    return not _is_in_memory(owner)


def _request_can_block(request: ASGIRequest) -> bool:
    # Not `request.FILES`: it would parse the body.
    uploads = request.__dict__.get("_files")
    files = [file for _, items in uploads.lists() for file in items] if uploads else []
    return not all(map(_is_in_memory, (request._stream, *files)))


def _is_in_memory(file: Any) -> bool:
    if type(file) is InMemoryUploadedFile:
        file = file.file
    return type(file) in (BytesIO, StringIO)
