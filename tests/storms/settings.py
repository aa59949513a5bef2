"""An async instance in a storm, on PostgreSQL."""

import os

import environ

from split_deploy.middleware import native
from tests.startproject import SEVEN

SECRET_KEY = "not-a-secret"
ALLOWED_HOSTS = ["*"]
#: ``ways`` has the other ways to mix sync and async, all in one instance.
ROOT_URLCONF = os.environ.get("STORM_URLCONF", "tests.storms.site")
IS_MIXED = ROOT_URLCONF == "tests.storms.ways"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "split_deploy",
]
_THIRD_PARTY = os.environ.get("STORM_MIDDLEWARE", "").split()
HAS_THIRD_PARTY = bool(_THIRD_PARTY)
MIDDLEWARE = native(
    [
        *_THIRD_PARTY,
        "split_deploy.middleware.InstanceMiddleware",
        *(["split_deploy.middleware.ContextMiddleware"] if IS_MIXED else []),
        *SEVEN,
    ]
)

THREADS = 4
SPLIT_DEPLOY = {
    "ROLE": "mixed" if IS_MIXED else "async",
    "REFUSE_IMPURE": False,
    "THREADS": THREADS,
}

#: What it is called in ``pg_stat_activity``, and its schema.
NAME = os.environ.get("STORM_NAME", "storm")

DATABASES = {"default": environ.Env().db("STORM_DATABASE_URL", default="sqlite://:memory:")}
DATABASES["default"] |= {
    "CONN_MAX_AGE": 600,
    "OPTIONS": {"application_name": NAME, "options": f"-c search_path={NAME}"},
}
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
FILE_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = None
