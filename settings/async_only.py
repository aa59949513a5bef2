"""The async instance: Uvicorn, ``asgi.py``, ``async_urls.py``."""

from split_settings.tools import include

include("shared.py", "components/async_database.py")

ROOT_URLCONF = "async_urls"
SPLIT_DEPLOY["ROLE"] = "async"
