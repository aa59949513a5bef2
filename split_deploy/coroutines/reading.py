"""What a request brings, read where it doesn't block the event loop."""

import asyncio
from collections.abc import Callable
from io import BytesIO
from typing import Any, TypeVar

from django.http import HttpRequest

from split_deploy._loop import in_a_thread
from split_deploy.coroutines.run import current
from split_deploy.coroutines.switches import InThread

T = TypeVar("T")


async def read_body(request: HttpRequest) -> bytes:
    """Return the body of ``request``, as ``request.body`` does.

    Outside ``async with io:`` it is read in the thread at hand; on the event loop, unless it is in
    memory, in a thread meanwhile. Raises what ``request.body`` does: ``RequestDataTooBig`` above
    ``DATA_UPLOAD_MAX_MEMORY_SIZE`` bytes, ``RawPostDataException`` after ``request.POST``.
    """
    if hasattr(request, "_body") or type(getattr(request, "_stream", None)) is BytesIO:
        return request.body
    return await _where_it_may_block(lambda: request.body)


async def read_uploaded_file(request: HttpRequest, name: str) -> bytes:
    """Return the content of the file that the form has under ``name``.

    All of it is then in memory: for a large one, read ``request.FILES[name].chunks()`` outside
    ``async with io:``. The first to ask has the form parsed: in the thread at hand, or on the event
    loop in a thread meanwhile.

    Raises ``MultiValueDictKeyError``, a ``KeyError``, if there is no such file.
    """

    def read() -> bytes:
        file: Any = request.FILES[name]
        file.seek(0)
        content: bytes = file.read()
        file.seek(0)
        return content

    return await _where_it_may_block(read)


async def _where_it_may_block(function: Callable[[], T]) -> T:
    run = current()
    if run is None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return function()
        return await in_a_thread(function)
    if run.is_in_a_part:
        return function()
    result: T = await InThread(function)
    return result
