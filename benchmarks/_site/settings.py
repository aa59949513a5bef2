"""``BENCHMARK_STACK`` says who serves, ``BENCHMARK_MIDDLEWARE`` with what, and so on.

For the scripts beside this folder, with ``stacks.py``; ``bench.toml`` has the modules of the roles.
"""

import os

from benchmarks._site import common
from benchmarks._site.common import *  # noqa: F403
from benchmarks._startproject import SEVEN
from split_deploy.middleware import native

STACK = os.environ.get("BENCHMARK_STACK", "native")
IS_SYNC = STACK == "gthread"
IS_NATIVE = STACK in {"native", "instance"}

ROOT_URLCONF = "benchmarks._site.sync_urls" if IS_SYNC else "benchmarks._site.async_urls"
SPLIT_DEPLOY = common.SPLIT_DEPLOY | {"ROLE": "sync" if IS_SYNC else "async"}

MIDDLEWARE = SEVEN if os.environ.get("BENCHMARK_MIDDLEWARE", "seven") == "seven" else []
if IS_NATIVE:
    MIDDLEWARE = native(MIDDLEWARE)
if STACK == "instance":
    # As settings/components/http.py has them.
    MIDDLEWARE = [
        "split_deploy.middleware.InstanceMiddleware",
        "split_deploy.middleware.HealthMiddleware",
        "split_deploy.middleware.ContextMiddleware",
        *MIDDLEWARE,
    ]

# Nothing but the access log of the whole instance, whose lines go where they cost least.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {
        "null": {"class": "logging.NullHandler"},
        "out": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"},
    },
    "root": {"handlers": ["null"], "level": "WARNING"},
    "loggers": {"django": {"handlers": ["null"], "level": "ERROR", "propagate": False}}
    | (
        {"split_deploy.access": {"handlers": ["out"], "level": "INFO", "propagate": False}}
        if STACK == "instance"
        else {}
    ),
}

# For most of the scripts a database that nothing opens.
DATABASES = common.DATABASES | {"default": common.postgresql(common.DATABASE_URL)}
if os.environ.get("BENCHMARK_DATABASE_POOL"):
    DATABASES["default"]["OPTIONS"]["pool"] = {
        "min_size": 1,
        "max_size": SPLIT_DEPLOY["THREADS"],
        "timeout": 60,
    }
elif IS_SYNC or IS_NATIVE:
    # Under stock ASGI no connection would ever be used again, so Django says to leave it at 0:
    # https://docs.djangoproject.com/en/stable/ref/databases/#persistent-connections
    DATABASES["default"]["CONN_MAX_AGE"] = 60
if _connections := int(os.environ.get("BENCHMARK_ASYNC_DATABASE", "0")):
    # As settings/components/async_database.py has it.
    INSTALLED_APPS = [*common.INSTALLED_APPS, "django_async_backend"]
    ASYNC_BACKEND_DISABLE_REQUEST_SIGNALS = True
    MIDDLEWARE.append("split_deploy.middleware.async_database.AsyncDatabaseMiddleware")
    DATABASES["default"]["ENGINE"] = "split_deploy.async_database.postgresql"
    DATABASES["default"]["OPTIONS"]["async_pool"] = {
        "min_size": 0,
        "max_size": _connections,
        "timeout": 60,
    }
