"""Django's Redis cache, for a process that has an event loop.

Django makes a cache object for each context, and so for each request under ASGI, and with it a
client, a pool and a connection to Redis. Here the client is the process's, and the async methods
talk to Redis from the event loop, through a pool of its own.
"""

import asyncio
import threading
import weakref
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from django.core.cache.backends import redis as django_redis
from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.utils.functional import cached_property

if TYPE_CHECKING:
    from redis.asyncio import Redis

#: What of ``OPTIONS`` is for the sync client alone.
_SYNC_ONLY: Final = ("serializer", "pool_class", "parser_class")


class _AsyncClient:
    """Does on the event loop, method by method, what Django's ``RedisCacheClient`` does.

    A loop has a pool for each server. Who finds all its connections in use waits: Django's way, an
    error, would meet a request for the number of others that are served at once.
    """

    def __init__(self, sync: Any, servers: list[str], options: Mapping[str, Any]) -> None:
        self._sync = sync
        self._serializer = sync._serializer
        self._servers = servers
        self._options = {key: options[key] for key in options if key not in _SYNC_ONLY}
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[int, Redis]] = (
            weakref.WeakKeyDictionary()
        )

    def _client(self, *, write: bool = False) -> "Redis":
        clients = self._clients.setdefault(asyncio.get_running_loop(), {})
        index = self._sync._get_connection_pool_index(write)
        if index not in clients:
            from redis.asyncio import BlockingConnectionPool, Redis

            pool = BlockingConnectionPool.from_url(self._servers[index], **self._options)
            clients[index] = Redis.from_pool(pool)
        return clients[index]

    async def add(self, key: str, value: Any, timeout: float | None) -> bool:
        client, value = self._client(write=True), self._serializer.dumps(value)
        added = bool(await client.set(key, value, nx=True, ex=_seconds(timeout) or None))
        if added and timeout == 0:
            await client.delete(key)
        return added

    async def get(self, key: str, default: Any) -> Any:
        value = await self._client().get(key)
        return default if value is None else self._serializer.loads(value)

    async def set(self, key: str, value: Any, timeout: float | None) -> None:
        client = self._client(write=True)
        if timeout == 0:
            await client.delete(key)
        else:
            await client.set(key, self._serializer.dumps(value), ex=_seconds(timeout))

    async def touch(self, key: str, timeout: float | None) -> bool:
        client = self._client(write=True)
        return bool(
            await (client.persist(key) if timeout is None else client.expire(key, int(timeout)))
        )

    async def delete(self, *keys: str) -> bool:
        return bool(await self._client(write=True).delete(*keys))

    async def get_many(self, keys: list[str]) -> dict[str, Any]:
        values = await self._client().mget(keys)
        return {
            key: self._serializer.loads(value)
            for key, value in zip(keys, values, strict=True)
            if value is not None
        }

    async def has_key(self, key: str) -> bool:
        return bool(await self._client().exists(key))

    async def incr(self, key: str, delta: int) -> int:
        client = self._client(write=True)
        if not await client.exists(key):
            raise ValueError(f"Key '{key}' not found.")
        return int(await client.incr(key, delta))

    async def set_many(self, data: dict[str, Any], timeout: float | None) -> None:
        pipeline = self._client(write=True).pipeline()
        pipeline.mset({key: self._serializer.dumps(value) for key, value in data.items()})
        if timeout is not None:
            for key in data:
                pipeline.expire(key, int(timeout))
        await pipeline.execute()

    async def clear(self) -> bool:
        return bool(await self._client(write=True).flushdb())

    async def close(self) -> None:
        """Close the connections of the running event loop."""
        for client in self._clients.pop(asyncio.get_running_loop(), {}).values():
            await client.aclose()


class RedisCache(django_redis.RedisCache):
    """Django's, but for whose the connections are: see the module.

    Of ``OPTIONS``, ``pool_class`` and ``parser_class`` are for the sync methods, and
    ``max_connections`` (50 by default on the event loop) is what each of the two may have.
    """

    # Django's, which its stubs don't have.
    _servers: list[str]
    _options: dict[str, Any]
    _class: type[Any]

    @cached_property
    def _cache(self) -> Any:
        return self._clients[0]

    @cached_property
    def _async(self) -> _AsyncClient:
        return self._clients[1]

    @cached_property
    def _clients(self) -> tuple[Any, _AsyncClient]:
        servers, options = list(self._servers), self._options
        key = (self._class, *servers, repr(sorted(options.items())))
        with _lock:
            if key not in _shared:
                sync = self._class(servers, **options)
                _shared[key] = sync, _AsyncClient(sync, servers, options)
            return _shared[key]

    async def aadd(
        self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        key = self.make_and_validate_key(key, version)
        return await self._async.add(key, value, self.get_backend_timeout(timeout))

    async def aget(self, key: str, default: Any = None, version: int | None = None) -> Any:
        return await self._async.get(self.make_and_validate_key(key, version), default)

    async def aset(
        self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> None:
        key = self.make_and_validate_key(key, version)
        await self._async.set(key, value, self.get_backend_timeout(timeout))

    async def atouch(
        self, key: str, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        key = self.make_and_validate_key(key, version)
        return await self._async.touch(key, self.get_backend_timeout(timeout))

    async def adelete(self, key: str, version: int | None = None) -> bool:
        return await self._async.delete(self.make_and_validate_key(key, version))

    async def aget_many(self, keys: Iterable[str], version: int | None = None) -> dict[str, Any]:
        names = {self.make_and_validate_key(key, version): key for key in keys}
        found = await self._async.get_many(list(names))
        return {names[key]: value for key, value in found.items()}

    async def ahas_key(self, key: str, version: int | None = None) -> bool:
        return await self._async.has_key(self.make_and_validate_key(key, version))

    async def aincr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        return await self._async.incr(self.make_and_validate_key(key, version), delta)

    async def aset_many(
        self, data: dict[str, Any], timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> list[str]:
        if data:
            validated = {self.make_and_validate_key(key, version): data[key] for key in data}
            await self._async.set_many(validated, self.get_backend_timeout(timeout))
        return []

    async def adelete_many(self, keys: Iterable[str], version: int | None = None) -> None:
        validated = [self.make_and_validate_key(key, version) for key in keys]
        if validated:
            await self._async.delete(*validated)

    async def aclear(self) -> bool:  # type: ignore[override] # Django's RedisCache.clear() too
        return await self._async.clear()

    async def aclose(self, **kwargs: Any) -> None:
        """Nothing: the connections are the process's."""


def _seconds(timeout: float | None) -> int | None:
    return None if timeout is None else int(timeout)


@asynccontextmanager
async def running() -> AsyncIterator[None]:
    """On leaving, close the connections to Redis that the event loop has."""
    try:
        yield
    finally:
        for _, client in list(_shared.values()):
            await client.close()


# By what makes two caches the same: the clients that they share.
_shared: dict[tuple[Any, ...], tuple[Any, _AsyncClient]] = {}
_lock: Final = threading.Lock()
