from typing import Any

from django.http import HttpRequest
from django.middleware import cache as django_cache

from split_deploy import _caches
from split_deploy._loop import off_the_loop_if_it_must, refuse_on_the_loop
from split_deploy.middleware._native import NativeMiddleware


class _GuardedCache(NativeMiddleware):
    """What lets a hook run on the event loop until it comes to use a cache that can block.

    Then it is called again in a thread, and all that it reads and writes there is one hop.
    """

    @property
    def cache(self) -> Any:
        cache = super().cache  # type: ignore[misc]
        if self.async_mode and _caches.may_block(cache):
            refuse_on_the_loop("To use this cache would block the event loop.")
        return cache

    def enter(self, request: HttpRequest) -> Any:
        """Return what ``process_request()`` does, or a coroutine that does."""
        return off_the_loop_if_it_must(super().enter, request)

    def leave(self, request: HttpRequest, response: Any) -> Any:
        """Return what ``process_response()`` does, or a coroutine that does."""
        return off_the_loop_if_it_must(super().leave, request, response)


class UpdateCacheMiddleware(_GuardedCache, django_cache.UpdateCacheMiddleware):
    """Django's ``UpdateCacheMiddleware``: in a thread to write to a cache that can block."""


class FetchFromCacheMiddleware(_GuardedCache, django_cache.FetchFromCacheMiddleware):
    """Django's ``FetchFromCacheMiddleware``: in a thread to read from a cache that can block.

    That is with every GET and HEAD.
    """


class CacheMiddleware(_GuardedCache, django_cache.CacheMiddleware):
    """Django's ``CacheMiddleware``, which is the two others in one."""
