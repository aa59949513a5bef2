"""The HTTP clients of the views, all open for as long as the server runs.

``fetch`` compares those of each kind; the other views have "this project", under each topology.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import httpx

from app.connection_pool import PooledTransport

MANY: Final = 1000
TIMEOUT: Final = httpx.Timeout(30.0, pool=60.0)
LIMITS: Final = httpx.Limits(
    max_connections=MANY, max_keepalive_connections=MANY, keepalive_expiry=30
)


def make(kind: str) -> httpx.AsyncClient:
    """Return a client of ``kind``. Raises ``ImportError`` for one whose package isn't installed."""
    common: dict[str, Any] = {"timeout": TIMEOUT, "trust_env": False}
    if kind == "httpx":
        return httpx.AsyncClient(**common)
    if kind == "httpx, high limits":
        return httpx.AsyncClient(limits=LIMITS, **common)
    if kind == "this project":
        return httpx.AsyncClient(transport=PooledTransport(LIMITS), **common)
    if kind == "httpx-aiohttp":
        from httpx_aiohttp import HttpxAiohttpClient

        return HttpxAiohttpClient(limits=LIMITS, **common)
    raise ValueError(kind)


Call = Callable[[str], Awaitable[Any]]


@asynccontextmanager
async def calling(kind: str) -> AsyncIterator[Call]:
    """Yield what makes one call of ``kind`` to a URL."""
    if kind == "asyncio.sleep":
        yield lambda _url: asyncio.sleep(0.1)
    elif kind.endswith("shards"):
        number = int(kind.split()[0])
        async with AsyncExitStack() as stack:
            shards = [
                await stack.enter_async_context(make("httpx, high limits")) for _ in range(number)
            ]
            turn = 0

            def in_turn(url: str) -> Awaitable[Any]:
                nonlocal turn
                turn += 1
                return shards[turn % number].get(url)

            yield in_turn
    else:
        async with make(kind) as client:
            yield client.get


calls: dict[str, Call] = {}
_stack = AsyncExitStack()


async def call(kind: str, url: str) -> None:
    """Make one, with a client that is made with the first one."""
    if kind not in calls:
        calls[kind] = await _stack.enter_async_context(calling(kind))
    await calls[kind](url)


_sync_clients: list[httpx.Client] = []
_making = threading.Lock()


def call_sync(url: str) -> None:
    """Make one that blocks, with a client for all threads, which is made with the first one."""
    with _making:
        if not _sync_clients:
            _sync_clients.append(httpx.Client(timeout=TIMEOUT, limits=LIMITS, trust_env=False))
    _sync_clients[0].get(url)


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    """Close in the end what was opened."""
    async with _stack:
        yield
    calls.clear()
