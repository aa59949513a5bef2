"""Files by default, which both instances see; Redis through CACHE_URL."""

from settings.env import BASE_DIR, env

CACHES = {"default": env.cache("CACHE_URL", default=f"filecache://{BASE_DIR}/var/cache")}

_is_redis = CACHES["default"]["BACKEND"] == "django.core.cache.backends.redis.RedisCache"

if _is_redis:
    # Django's, with connections that all requests share and async methods that need no thread.
    CACHES["default"]["BACKEND"] = "split_deploy.cache.RedisCache"
    # Seconds. With a Redis that does not answer /readyz/ fails and does not hang.
    CACHES["default"].setdefault("OPTIONS", {}).update(socket_connect_timeout=2, socket_timeout=2)

# A login on one instance must hold on the other, so sessions live where both can read them: in the
# database, and in front of it in Redis.
SESSION_ENGINE = "django.contrib.sessions.backends." + ("cached_db" if _is_redis else "db")
