"""The other instance's settings, as a process of its own sees them.

Two settings modules can't live in one process. ``python -m split_deploy.sibling`` loads the one
that ``DJANGO_SETTINGS_MODULE`` names and prints, as JSON, what ``describe()`` returns there.
"""

import hashlib
import json
from functools import lru_cache
from typing import Any, Final

from django.conf import ENVIRONMENT_VARIABLE, settings

from split_deploy._elsewhere import output_of
from split_deploy.conf import get_config

#: The settings that must be the same in both instances.
COMPARED: Final = (
    "SECRET_KEY",
    "SECRET_KEY_FALLBACKS",
    "SESSION_ENGINE",
    "SESSION_SERIALIZER",
    "SESSION_CACHE_ALIAS",
    "SESSION_FILE_PATH",
    "SESSION_COOKIE_NAME",
    "SESSION_COOKIE_DOMAIN",
    "SESSION_COOKIE_PATH",
    "SESSION_COOKIE_SECURE",
    "SESSION_COOKIE_SAMESITE",
    "SESSION_COOKIE_AGE",
    "CSRF_USE_SESSIONS",
    "CSRF_COOKIE_NAME",
    "CSRF_COOKIE_DOMAIN",
    "CSRF_COOKIE_PATH",
    "CSRF_COOKIE_SECURE",
    "CSRF_COOKIE_SAMESITE",
    "CSRF_HEADER_NAME",
    "CSRF_TRUSTED_ORIGINS",
    "AUTH_USER_MODEL",
    "AUTHENTICATION_BACKENDS",
    "MESSAGE_STORAGE",
    "LANGUAGE_COOKIE_NAME",
    "ALLOWED_HOSTS",
)
# What makes a database or cache the same one. Drivers, pools and ages may differ between roles.
_SAME_DATABASE: Final = ("HOST", "PORT", "NAME")
_SAME_CACHE: Final = ("BACKEND", "LOCATION", "KEY_PREFIX", "VERSION", "KEY_FUNCTION")
_MARK: Final = "split_deploy.sibling: "


def describe() -> dict[str, Any]:
    """What the two instances compare: role, URLconf, and the settings that must agree.

    Each setting is a digest, because some are secrets; two digests are equal if the settings are.
    """
    config = get_config()
    values: dict[str, Any] = {name: getattr(settings, name) for name in COMPARED}
    values["ASYNC_PREFIX"] = config.async_prefix
    for alias, database in settings.DATABASES.items():
        values[f'DATABASES["{alias}"]'] = [str(database.get(key) or "") for key in _SAME_DATABASE]
    for alias, cache in settings.CACHES.items():
        values[f'CACHES["{alias}"]'] = [cache.get(key) for key in _SAME_CACHE]
    return {
        "role": config.role,
        "urlconf": settings.ROOT_URLCONF,
        "settings": {name: _digest(value) for name, value in values.items()},
    }


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=2)
def load(module: str) -> dict[str, Any]:
    """Return ``describe()`` of a process under the settings ``module``.

    Raises ``ElsewhereError``.
    """
    printed = output_of("split_deploy.sibling", env={ENVIRONMENT_VARIABLE: module})
    # Whatever else the project prints, here or at its exit.
    (line,) = [line for line in printed.splitlines() if line.startswith(_MARK)]
    described: dict[str, Any] = json.loads(line.removeprefix(_MARK))
    return described


if __name__ == "__main__":
    print(f"\n{_MARK}{json.dumps(describe())}")
