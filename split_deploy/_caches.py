"""What is known of a cache backend: whether it can block, and whether it is async itself."""

from typing import Final

from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache

from split_deploy.cache import locmem

# These themselves and no subclass, which may do anything.
_IN_MEMORY: Final = frozenset({DummyCache, LocMemCache, locmem.LocMemCache})


def may_block(cache: BaseCache) -> bool:
    """Whether a call of ``cache`` may wait for something outside of this process."""
    return type(cache) not in _IN_MEMORY


def is_async(cache: BaseCache) -> bool:
    """Whether ``cache`` has async methods of its own; Django's default ones are in threads."""
    return type(cache).aget is not BaseCache.aget
