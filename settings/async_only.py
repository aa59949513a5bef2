"""The async instance: Uvicorn, ``asgi.py``, ``async_urls.py``."""

from split_settings.tools import include

from split_deploy.middleware import native

include("shared.py", "components/async_database.py")

ROOT_URLCONF = "async_urls"
SPLIT_DEPLOY["ROLE"] = "async"

# Django's own middleware without their thread hops: docs/native-middleware.md.
MIDDLEWARE = native(MIDDLEWARE)
