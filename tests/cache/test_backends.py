"""The cache backends: their async methods do what Django's sync ones do, without a thread."""

import asyncio
import os

import pytest
import pytest_asyncio
import redis
from django.core.cache import CacheHandler
from django.core.cache.backends import locmem as django_locmem
from django.core.cache.backends import redis as django_redis

from split_deploy.cache import LocMemCache, RedisCache, running
from split_deploy.testing.counting import counting
from tests.services import CACHE_URL, require_redis

pytestmark = pytest.mark.asyncio


def configured(backend: str, **options) -> CacheHandler:
    return CacheHandler(
        {"default": {"BACKEND": backend, "LOCATION": CACHE_URL, "OPTIONS": options}}
    )


@pytest_asyncio.fixture(params=["split_deploy.cache.LocMemCache", "split_deploy.cache.RedisCache"])
async def cache(request):
    if "Redis" in request.param:
        require_redis()
    cache = configured(request.param)["default"]
    await cache.aclear()
    async with running():
        yield cache


async def test_nothing_leaves_the_event_loop(cache):
    async with counting() as hops:
        await cache.aadd("a", 1)
        await cache.aset("b", 2)
        await cache.aget("a")
        await cache.aget_many(["a", "b"])
        await cache.aset_many({"c": 3, "d": 4})
        await cache.adelete_many(["c", "d"])
        await cache.aincr("a")
        await cache.adecr("a")
        await cache.ahas_key("a")
        await cache.atouch("a")
        await cache.adelete("a")
        await cache.aclear()
        await cache.aclose()
    assert hops.count == 0


async def test_what_one_way_writes_the_other_reads(cache):
    value = {"text": "ä", "number": 1.5, "none": None}
    await cache.aset("async", value)
    cache.set("sync", value)
    await cache.aset_many({"x": 1, "y": [2]}, timeout=60)
    assert cache.get("async") == await cache.aget("sync") == value
    assert cache.get_many(["x", "y", "z"]) == await cache.aget_many(["x", "y", "z"])
    assert await cache.aget("x", version=2) is None
    assert await cache.aget("no", "default") == "default"


async def test_values_are_added_counted_and_deleted_as_by_django(cache):
    assert await cache.aadd("n", 1) is True
    assert await cache.aadd("n", 5) is False
    assert await cache.aincr("n", 2) == cache.get("n") == 3
    assert await cache.adecr("n") == 2
    with pytest.raises(ValueError, match="not found"):
        await cache.aincr("missing")
    assert await cache.ahas_key("n") is True
    assert await cache.adelete("n") is True
    assert await cache.adelete("n") is False
    assert await cache.aget_or_set("made", lambda: 7) == cache.get("made") == 7
    await cache.adelete_many([])
    assert await cache.aset_many({}) == []
    await cache.aset("v", 1)
    assert await cache.aincr_version("v") == 2
    assert (cache.get("v"), cache.get("v", version=2)) == (None, 1)
    await cache.aclear()
    assert cache.get("made") is None


@pytest.mark.parametrize("expired", [0, -1])
async def test_a_timeout_that_is_over_stores_nothing(cache, expired):
    await cache.aset("a", 1)
    await cache.aset("a", 2, timeout=expired)
    assert await cache.aget("a") is None
    assert await cache.aadd("b", 2, timeout=expired) is True
    assert await cache.aget("b") is None


async def test_a_value_can_be_touched_and_made_to_stay(cache):
    await cache.aset("a", 1, timeout=100)
    assert await cache.atouch("a", None) is True
    assert await cache.atouch("a", 0) is True
    assert await cache.aget("a") is None
    assert await cache.atouch("missing") is False


def connections(name: str) -> int:
    """How many of that name there are. Redis lists those of all databases, and so of all runs."""
    with redis.Redis.from_url(CACHE_URL) as client:
        return sum(other["name"] == name for other in client.client_list())


async def ask(caches: CacheHandler) -> None:
    # In a context of its own, like a request: Django makes a cache object for each.
    caches["default"].get("a")


async def test_the_requests_of_a_process_share_the_connections_to_redis():
    require_redis()

    async def ten_requests(backend):
        caches = configured(backend, client_name=(name := f"{backend}-{os.getpid()}"))
        tasks = [asyncio.create_task(ask(caches)) for _ in range(10)]
        await asyncio.gather(*tasks)
        return connections(name)

    # What Django's does, and why there is this one. The tasks keep their contexts.
    assert await ten_requests("django.core.cache.backends.redis.RedisCache") == 10
    assert await ten_requests("split_deploy.cache.RedisCache") == 1


async def test_a_loop_has_no_more_connections_than_it_may_and_the_others_wait():
    require_redis()
    name = f"three-{os.getpid()}"
    cache = configured("split_deploy.cache.RedisCache", max_connections=3, client_name=name)
    cache = cache["default"]
    async with running():
        await asyncio.gather(*(cache.aset(f"key-{n}", n) for n in range(100)))
        assert await cache.aget_many([f"key-{n}" for n in range(100)]) == {
            f"key-{n}": n for n in range(100)
        }
        assert connections(name) == 3
    assert connections(name) == 0


async def test_a_call_that_is_cancelled_leaves_no_answer_for_the_next():
    require_redis()
    cache = configured("split_deploy.cache.RedisCache", max_connections=1)["default"]
    async with running():
        await cache.aset("a", "a" * 1_000_000)
        await cache.aset("b", "b")
        for number in range(50):
            task = asyncio.create_task(cache.aget("a"))
            for _ in range(number % 10):
                await asyncio.sleep(0)
            task.cancel()
            assert await asyncio.wait_for(cache.aget("b"), 5) == "b"


async def test_a_redis_that_does_not_answer_is_an_error():
    cache = RedisCache("redis://127.0.0.1:1/0", {"OPTIONS": {"socket_connect_timeout": 1}})
    with pytest.raises(redis.ConnectionError):
        await cache.aget("a")


async def test_they_are_django_s_in_all_else():
    assert issubclass(LocMemCache, django_locmem.LocMemCache)
    assert issubclass(RedisCache, django_redis.RedisCache)
    assert configured("split_deploy.cache.LocMemCache")["default"].key_prefix == ""
