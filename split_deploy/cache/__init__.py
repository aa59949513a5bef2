"""Django's cache backends, with async methods that don't leave the event loop.

Those of Django's ``BaseCache`` run the sync ones in a thread. In ``CACHES`` these take the place of
Django's of the same name; see docs/what-hops.md.
"""

from split_deploy.cache.locmem import LocMemCache
from split_deploy.cache.redis import RedisCache, running

__all__ = ["LocMemCache", "RedisCache", "running"]
