"""The environment, read once.

Every variable is listed in ``.env.example`` with its meaning and default. A ``.env`` file beside
``manage.py`` is read too; the process environment wins over it.
"""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
ENVIRONMENTS = ("development", "production", "test")


class Env(environ.Env):
    """django-environ, strict: a malformed value is an error that names its variable.

    django-environ reads ``DJANGO_DEBUG=maybe`` as false, ``1e3`` as 13.0 and a value that starts
    with a dollar sign as the name of another variable. A typing mistake must not become a setting.
    And an empty value, as a line of ``.env.example`` that nobody filled in, counts as none.
    """

    FALSE_STRINGS = ("false", "off", "n", "no", "0")

    @classmethod
    def parse_value(cls, value: Any, cast: Any) -> Any:
        if cast is bool:
            lowered = value.strip().lower()
            if lowered not in cls.BOOLEAN_TRUE_STRINGS + cls.FALSE_STRINGS:
                raise ValueError(value)
            return lowered in cls.BOOLEAN_TRUE_STRINGS
        if cast is float:
            return float(value)
        if cast is list:
            return [item for item in map(str.strip, value.split(",")) if item]
        return super().parse_value(value, cast)

    def get_value(
        self, var: str, cast: Any = None, default: Any = environ.Env.NOTSET, *args: Any, **kw: Any
    ) -> Any:
        value = self.ENVIRON.get(var)
        if value == "":
            if default is self.NOTSET:
                raise ImproperlyConfigured(f"Set the {var} environment variable")
            return default
        try:
            if value is not None and value.startswith("$"):
                return self.parse_value(value, cast)
            return super().get_value(var, cast, default, *args, **kw)
        except ValueError as error:
            wanted = getattr(cast, "__name__", str(cast))
            raise ImproperlyConfigured(f"{var}={value!r} is not a valid {wanted}.") from error

    def number(self, var: str, *, default: float, minimum: float = 0) -> Any:
        """A number of the type of ``default``, and at least ``minimum``."""
        value = self.get_value(var, cast=type(default), default=default)
        if not value >= minimum:
            raise ImproperlyConfigured(f"{var}={value} is too small: at least {minimum}.")
        return value

    def choice(self, var: str, choices: Sequence[str], *, default: str) -> str:
        """One of ``choices``, as it is written there."""
        value = self.str(var, default=default)
        if value not in choices:
            raise ImproperlyConfigured(f"{var}={value!r}: choose one of {', '.join(choices)}.")
        return value

    def cores(self, var: str) -> list[int]:
        """Processor cores by number, like ``0,1``; ``all`` are all there are, nothing is none."""
        value = self.str(var, default="")
        if not value:
            return []
        if not hasattr(os, "sched_getaffinity"):
            raise ImproperlyConfigured(f"{var}={value!r}: this system binds no process to a core.")
        allowed = os.sched_getaffinity(0)
        if value == "all":
            return sorted(allowed)
        try:
            chosen = [int(core) for core in value.split(",")]
        except ValueError as error:
            raise ImproperlyConfigured(
                f"{var}={value!r}: write the numbers of processor cores, like 0,1, or all."
            ) from error
        if not allowed.issuperset(chosen):
            usable = ",".join(map(str, sorted(allowed)))
            raise ImproperlyConfigured(f"{var}={value}: the cores that may be used are {usable}.")
        return chosen

    # The values of the two below can hold a password, so their messages don't repeat them.

    def database(self, var: str, *, default: str) -> Any:
        """The ``DATABASES`` entry that the URL in ``var`` stands for."""
        try:
            with warnings.catch_warnings():
                # Of an unknown engine; it shows the password.
                warnings.simplefilter("ignore")
                config = self.db_url(var, default=default)
        except ValueError as error:
            raise ImproperlyConfigured(f"{var} is not a database URL: {error}.") from error
        if "." not in config.get("ENGINE", "") or not config.get("NAME"):
            raise ImproperlyConfigured(
                f"{var} is not a database URL that Django has a backend for. "
                "Write it as postgres://user:password@host:5432/name or sqlite:////path/to/file."
            )
        return config

    def cache(self, var: str, *, default: str) -> Any:
        """The ``CACHES`` entry that the URL in ``var`` stands for."""
        url = self.str(var, default=default)
        try:
            urlsplit(url).port  # noqa: B018 - it raises where the port is no number
            return self.cache_url_config(url)
        except (ImproperlyConfigured, ValueError) as error:
            raise ImproperlyConfigured(
                f"{var} is not a cache URL: {error}. "
                "Write it as redis://host:6379/0 or locmemcache://."
            ) from error


# DJANGO_DOTENV is for the tests alone: a developer's own file must not decide what they see.
if dotenv := os.environ.get("DJANGO_DOTENV", str(BASE_DIR / ".env")):
    Env.read_env(dotenv)

env = Env()

DJANGO_ENV = env.choice("DJANGO_ENV", ENVIRONMENTS, default="development")
