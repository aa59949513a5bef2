"""One process's memory by default; Redis, shared by all processes, through CACHE_URL."""

from settings.env import env

CACHES = {"default": env.cache("CACHE_URL", default="locmemcache://")}

_shared = CACHES["default"]["BACKEND"] == "django.core.cache.backends.redis.RedisCache"

if _shared:
    # Seconds. With a Redis that does not answer /readyz/ fails and does not hang.
    CACHES["default"].setdefault("OPTIONS", {}).update(socket_connect_timeout=2, socket_timeout=2)

# A login on one instance must hold on the other, so sessions live where both can read them: in the
# database, and in front of it in a cache only if that cache is shared.
SESSION_ENGINE = "django.contrib.sessions.backends." + ("cached_db" if _shared else "db")
