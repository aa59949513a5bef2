"""The async instance: Uvicorn, ``asgi.py``, ``async_urls.py``."""

from split_settings.tools import include

include("shared.py")

ROOT_URLCONF = "async_urls"
SPLIT_DEPLOY["ROLE"] = "async"

# Under ASGI each request does its database work in a thread of its own, and a connection belongs to
# the thread that opened it: kept open, it would never be used again and never be closed.
# https://docs.djangoproject.com/en/stable/ref/databases/#persistent-connections
DATABASES["default"]["CONN_MAX_AGE"] = 0
