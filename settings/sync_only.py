"""The sync instance: Gunicorn, ``wsgi.py``, ``urls.py``."""

from split_settings.tools import include

include("shared.py")

ROOT_URLCONF = "urls"
SPLIT_DEPLOY["ROLE"] = "sync"
