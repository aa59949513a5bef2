"""One instance for all: ``asgi.py``, ``mixed_urls.py``."""

from benchmarks._site import common
from benchmarks._site.common import *  # noqa: F403
from split_deploy.middleware import native

ROOT_URLCONF = "benchmarks._site.mixed_urls"
SPLIT_DEPLOY = common.SPLIT_DEPLOY | {"ROLE": "mixed"}
MIDDLEWARE = native(common.MIDDLEWARE)
