"""Clients that ask for a page and may leave before they have it."""

import asyncio
import random
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from tests.storms import site, ways

#: All views there are, of which a server has one module's.
VIEWS = site.VIEWS | ways.VIEWS

#: ``leaves``: by closing, by half-closing, by a reset; ``is cancelled``: by the server itself.
ENDINGS = ("stays", "stays", "closes", "half-closes", "resets", "is cancelled")

_BODY = b"x" * 300_000


@dataclass(frozen=True)
class Visit:
    """A view, how the visit ends, and after how many seconds."""

    view: str
    ending: str
    after: float


def visits(count: int, seed: int, views: Iterable[str] = site.VIEWS) -> list[Visit]:
    """Return ``count`` random visits to ``views``, the same for the same ``seed``."""
    chosen = random.Random(seed)
    return [
        Visit(chosen.choice(sorted(views)), chosen.choice(ENDINGS), chosen.uniform(0, 0.06))
        for _ in range(count)
    ]


async def visit(port: int, planned: Visit) -> str | None:
    """Make a visit, and return what was wrong with it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        if planned.ending in ("stays", "is cancelled"):
            return await _stay(reader, writer, planned)
        await _leave(writer, planned)
    finally:
        writer.close()
    return None


async def _stay(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, planned: Visit
) -> str | None:
    writer.write(_head(planned))
    if planned.view == "uploading":
        writer.write(_BODY)
    if planned.ending == "is cancelled":
        with suppress(ConnectionError):  # a server that doesn't read an upload to its end
            await asyncio.wait_for(reader.read(), 60)
        return None
    response = await asyncio.wait_for(reader.read(), 60)
    status, expected = (b" 500 " if planned.view == "failing" else b" 200 "), VIEWS[planned.view][1]
    if status in response[:20] and _content(response).endswith(expected):
        return None
    return f"{planned}: {response[:300]!r}...{response[-60:]!r}"


def _content(response: bytes) -> bytes:
    """The body: of the last chunk that isn't empty, if it came in chunks."""
    return response.removesuffix(b"\r\n0\r\n\r\n")


async def _leave(writer: asyncio.StreamWriter, planned: Visit) -> None:
    writer.write(_head(planned))
    if planned.view == "uploading":
        writer.write(_BODY[: int(len(_BODY) * planned.after / 0.06)])
    await asyncio.sleep(planned.after)
    if writer.transport.is_closing():
        return  # the server was first
    if planned.ending == "resets":
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
    elif planned.ending == "half-closes" and writer.can_write_eof():
        writer.write_eof()
        await asyncio.sleep(0.01)


def _head(planned: Visit) -> bytes:
    method, more = "GET", ""
    if planned.view == "uploading":
        method, more = "POST", f"Content-Length: {len(_BODY)}\r\n"
    if planned.ending == "is cancelled":
        more += f"X-Cancel-After: {planned.after}\r\n"
    return (
        f"{method} /{planned.view}/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n"
    ).encode()


async def storm(port: int, planned: list[Visit], at_once: int) -> list[str]:
    """Make all visits, so many at once, and return what was wrong."""
    places = asyncio.Semaphore(at_once)

    async def one(item: Visit) -> str | None:
        async with places:
            try:
                return await visit(port, item)
            except (OSError, TimeoutError) as error:
                return f"{item}: {error!r}"

    return [wrong for wrong in await asyncio.gather(*map(one, planned)) if wrong]
