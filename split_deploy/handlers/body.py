"""The body of a request: in memory if it fits, and on disk without stopping the event loop."""

from io import BytesIO
from tempfile import SpooledTemporaryFile
from threading import Lock
from typing import IO, Any, Final

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.exceptions import RequestAborted

from split_deploy._asgi_types import Receive

#: Bytes that are gathered for one write to the disk, which costs a thread hop.
BATCH: Final = 512 * 1024


async def read_body(receive: Receive) -> IO[bytes]:
    """Return a file with the whole body, positioned at its start.

    A body above ``FILE_UPLOAD_MAX_MEMORY_SIZE`` is on disk, in a file like that of Django's handler
    (for which 0 means no limit); a smaller one is in a plain ``BytesIO``.

    Raises ``RequestAborted`` if the client goes away before its end.
    """
    body, more = await _next(receive)
    limit = settings.FILE_UPLOAD_MAX_MEMORY_SIZE
    if more or (limit and len(body) > limit):
        return await _read_on(receive, body, more, limit)
    return BytesIO(body)


async def _read_on(receive: Receive, body: bytes, more: bool, limit: int) -> IO[bytes]:
    memory = BytesIO()
    memory.write(body)
    while more and not (limit and memory.tell() > limit):
        body, more = await _next(receive)
        memory.write(body)
    if not limit or memory.tell() <= limit:
        memory.seek(0)
        return memory

    file = SpooledTemporaryFile(max_size=limit, mode="w+b")  # noqa: SIM115 - the request closes it
    writing = Lock()
    try:
        while more:
            if memory.tell() >= BATCH:
                await _written(file, memory, writing)
            body, more = await _next(receive)
            memory.write(body)
        await _written(file, memory, writing, is_last=True)
    except BaseException:
        await sync_to_async(_close, thread_sensitive=False)(file, writing)
        raise
    return file


async def _next(receive: Receive) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise RequestAborted
    return message.get("body", b""), message.get("more_body", False)


async def _written(
    file: IO[bytes], memory: BytesIO, writing: Lock, *, is_last: bool = False
) -> None:
    def write() -> None:
        with writing:
            if file.closed:
                return
            file.write(memory.getbuffer())
            if is_last:
                file.seek(0)

    # Not in the request's thread: it is no database work, and the client decides how long it takes.
    await sync_to_async(write, thread_sensitive=False)()
    memory.seek(0)
    memory.truncate()


def _close(file: IO[bytes], writing: Lock) -> None:
    # Whoever waited for a write may have been cancelled, and the write goes on: to close the file
    # while it is put on the disk would leave the one on the disk open.
    with writing:
        file.close()


async def close_body(file: Any) -> None:
    """Close a file that ``read_body()`` returned, if nobody has yet."""
    if type(file) is BytesIO:
        file.close()
    elif not file.closed:
        await sync_to_async(file.close, thread_sensitive=False)()
