"""The async instance: ``asgi.py``, ``async_urls.py``."""

from benchmarks._site import common
from benchmarks._site.common import *  # noqa: F403
from split_deploy.middleware import native

ROOT_URLCONF = "benchmarks._site.async_urls"
SPLIT_DEPLOY = common.SPLIT_DEPLOY | {"ROLE": "async"}
MIDDLEWARE = native(common.MIDDLEWARE)
