"""The other instance's settings, as a process of its own sees them.

Two settings modules can't live in one process. ``python -m split_deploy.sibling`` loads the one
that ``DJANGO_SETTINGS_MODULE`` names and prints, as JSON, what ``describe()`` returns there.
"""

import hashlib
import json
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from django.conf import ENVIRONMENT_VARIABLE, settings
from django.utils.functional import LazyObject, Promise

from split_deploy._elsewhere import ElsewhereError, output_of
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
    "SESSION_COOKIE_HTTPONLY",
    "SESSION_EXPIRE_AT_BROWSER_CLOSE",
    "SESSION_SAVE_EVERY_REQUEST",
    "CSRF_USE_SESSIONS",
    "CSRF_COOKIE_NAME",
    "CSRF_COOKIE_DOMAIN",
    "CSRF_COOKIE_PATH",
    "CSRF_COOKIE_SECURE",
    "CSRF_COOKIE_SAMESITE",
    "CSRF_COOKIE_AGE",
    "CSRF_COOKIE_HTTPONLY",
    "CSRF_HEADER_NAME",
    "CSRF_TRUSTED_ORIGINS",
    "AUTH_USER_MODEL",
    "AUTHENTICATION_BACKENDS",
    "MESSAGE_STORAGE",
    "LANGUAGE_COOKIE_NAME",
    "ALLOWED_HOSTS",
)
# What makes a cache the same one. Of a database it is the name: drivers, pools and ages may differ
# between roles, and so may the way there (ADDRESS).
_SAME_CACHE: Final = ("BACKEND", "LOCATION", "KEY_PREFIX", "VERSION", "KEY_FUNCTION")
#: How a database is called in which only host or port differ.
ADDRESS: Final = "the address of "
_MARK: Final = "split_deploy.sibling: "


def describe() -> dict[str, Any]:
    """What the two instances compare: role, URLconf, and the settings that must agree.

    Each setting is a digest, because some are secrets; two digests are equal if the settings are.
    """
    config = get_config()
    values: dict[str, Any] = {name: getattr(settings, name) for name in COMPARED}
    values["ASYNC_PREFIX"] = config.async_prefix
    for alias, database in settings.DATABASES.items():
        name = f'DATABASES["{alias}"]'
        values[name] = str(database.get("NAME") or "")
        values[ADDRESS + name] = [str(database.get(key) or "") for key in ("HOST", "PORT")]
    for alias, cache in settings.CACHES.items():
        values[f'CACHES["{alias}"]'] = [cache.get(key) for key in _SAME_CACHE]
    return {
        "role": config.role,
        "urlconf": settings.ROOT_URLCONF,
        "settings": {name: _digest(value) for name, value in values.items()},
    }


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(_plain(value), sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """``value`` as any process would show it: in no order that means nothing, without addresses."""
    if issubclass(type(value), (LazyObject, Promise)):
        value = str(value)
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        # In each of the settings that are compared the order of a list means nothing to the other.
        case list() | tuple() | set() | frozenset():
            return sorted((_plain(item) for item in value), key=repr)
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    # A path's text is what it means; of what has none it is the class that counts.
    text = str(value)
    return type(value).__name__ if " at 0x" in text else text


@lru_cache(maxsize=2)
def load(module: str) -> dict[str, Any]:
    """Return ``describe()`` of a process under the settings ``module``.

    Raises ``ElsewhereError``.
    """
    # With our own arguments, by which some settings tell a test from a server.
    printed = output_of("split_deploy.sibling", *sys.argv[1:], env={ENVIRONMENT_VARIABLE: module})
    # Whatever else the project prints, here or at its exit.
    line = next((line for line in printed.splitlines() if line.startswith(_MARK)), None)
    if line is None:
        raise ElsewhereError("it ended without an error, and without its settings")
    described: dict[str, Any] = json.loads(line.removeprefix(_MARK))
    return described


if __name__ == "__main__":
    print(f"\n{_MARK}{json.dumps(describe())}")
