"""The sync instance: ``wsgi.py``, ``sync_urls.py``."""

from benchmarks._site import common
from benchmarks._site.common import *  # noqa: F403
from split_deploy.middleware import native

ROOT_URLCONF = "benchmarks._site.sync_urls"
SPLIT_DEPLOY = common.SPLIT_DEPLOY | {"ROLE": "sync"}
MIDDLEWARE = native(common.MIDDLEWARE)
