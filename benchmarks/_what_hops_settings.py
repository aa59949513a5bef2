"""The project that ``what_hops.py`` serves: that of ``startproject``, with a cache of each kind."""

import os
import sys
from types import ModuleType
from typing import Any

from benchmarks._startproject import SEVEN

REDIS = os.environ.get("TEST_CACHE_URL", "redis://127.0.0.1:6379/15")
PASSWORD = "a password"
TEMPLATES = {
    "plain.html": "Hello {{ name }} at {{ request.path }}",
    "user.html": "Hello {{ user }}{% for message in messages %}{{ message }}{% endfor %}",
}
ERROR_TEMPLATES = {"404.html": "Not found", "500.html": "Failed"}


def with_templates(templates: dict[str, str]) -> dict[str, Any]:
    processors = ["request", "auth", "messages"]
    places = ("django.template", "django.contrib.auth", "django.contrib.messages")
    loader = ("django.template.loaders.locmem.Loader", TEMPLATES | templates)
    return {
        "TEMPLATES": [
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {
                    "context_processors": [
                        f"{place}.context_processors.{name}"
                        for place, name in zip(places, processors, strict=True)
                    ],
                    # Django's own choice where DEBUG is off.
                    "loaders": [("django.template.loaders.cached.Loader", [loader])],
                },
            }
        ]
    }


def set_up(folder: str, stack: str) -> None:
    """Configure Django with a database, caches and a user.

    Where this package has a cache backend, ``stack`` says whose it is.
    """
    import django
    from django.conf import settings
    from django.core.management import call_command

    backends = "django.core.cache.backends"
    locmem, redis = f"{backends}.locmem.LocMemCache", f"{backends}.redis.RedisCache"
    settings.configure(
        SECRET_KEY="what hops",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF="what_hops_urls",
        SPLIT_DEPLOY={"ROLE": "async", "ASYNC_URLCONF": "what_hops_urls"},
        INSTALLED_APPS=[
            *("django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"),
            *("django.contrib.messages", "django.contrib.staticfiles", "split_deploy"),
        ],
        MIDDLEWARE=SEVEN,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{folder}/db"}},
        CACHES={
            "default": {
                "BACKEND": locmem if stack == "django" else "split_deploy.cache.LocMemCache"
            },
            "django_locmem": {"BACKEND": locmem},
            "file": {"BACKEND": f"{backends}.filebased.FileBasedCache", "LOCATION": folder},
            "database": {"BACKEND": f"{backends}.db.DatabaseCache", "LOCATION": "cache"},
            "redis": {
                "BACKEND": redis if stack == "django" else "split_deploy.cache.RedisCache",
                "LOCATION": REDIS,
            },
            "django_redis": {"BACKEND": redis, "LOCATION": REDIS},
        },
        SESSION_FILE_PATH=folder,
        STATIC_URL="static/",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        # Its cost has nothing to do with hops.
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        LOGGING={
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"console": {"class": "logging.StreamHandler"}},
            "loggers": {"django": {"handlers": ["console"], "level": "INFO"}},
        },
        USE_TZ=True,
        **with_templates({}),
    )
    sys.modules["what_hops_urls"] = ModuleType("what_hops_urls")
    django.setup()
    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    from django.contrib.auth.models import User

    User.objects.create_user("alice", password=PASSWORD)
