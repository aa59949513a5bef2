from urllib.parse import urlsplit

from settings.env import env

# `make run HOST=192.0.2.2` serves that address too.
_host = urlsplit(env.str("SPLIT_DEPLOY_URL", default="")).netloc.rpartition(":")[0]
if _host and _host not in ALLOWED_HOSTS:
    ALLOWED_HOSTS = [*ALLOWED_HOSTS, _host]

DEBUG = env.bool("DJANGO_DEBUG", default=True)

# Without Django's cached loader an edited template is seen at the next request: no autoreloader
# empties the cache under Gunicorn and Uvicorn.
_loaders = [
    "django.template.loaders.filesystem.Loader",
    "django.template.loaders.app_directories.Loader",
]
if DEBUG:
    TEMPLATES[0]["APP_DIRS"] = False
    TEMPLATES[0]["OPTIONS"]["loaders"] = _loaders
