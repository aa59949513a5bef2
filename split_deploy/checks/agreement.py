"""What has to be the same in both instances, or a login on one does not hold on the other."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.conf import ENVIRONMENT_VARIABLE, settings
from django.core import mail
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's name for it

from split_deploy import sibling
from split_deploy._elsewhere import ElsewhereError
from split_deploy.checks import messages
from split_deploy.conf import Role, get_config

_UNSHARED_CACHES: Final = (
    "django.core.cache.backends.locmem.LocMemCache",
    "django.core.cache.backends.dummy.DummyCache",
    "split_deploy.cache.LocMemCache",
)
_SESSIONS_IN_CACHE: Final = (
    "django.contrib.sessions.backends.cache",
    "django.contrib.sessions.backends.cached_db",
)


def check() -> Iterator[CheckMessage]:
    """E051 to W057."""
    yield from _check_caches()
    # Under Django's test runner the settings are those of a test: another database, another host.
    if get_config().role != "mixed" and not hasattr(mail, "outbox"):
        yield from _check_own_urlconf()
        yield from _check_sibling()


def _check_own_urlconf() -> Iterator[CheckMessage]:
    config = get_config()
    key = f'SPLIT_DEPLOY["{config.role.upper()}_URLCONF"]'
    named = config.sync_urlconf if config.role == "sync" else config.async_urlconf
    if named != settings.ROOT_URLCONF:
        yield Error(
            f"{key} is {named!r}, and ROOT_URLCONF of {_own_module()} is "
            f"{settings.ROOT_URLCONF!r}: the other instance's reverse() looks for names where "
            "there are none.",
            hint=f"Set {key} to {settings.ROOT_URLCONF!r}.",
            obj=key,
            id=messages.URLCONF_KEY_IS_WRONG,
        )


def _check_sibling() -> Iterator[CheckMessage]:
    config = get_config()
    other: Role = "async" if config.role == "sync" else "sync"
    module = config.async_settings if config.role == "sync" else config.sync_settings
    key = f'SPLIT_DEPLOY["{other.upper()}_SETTINGS"]'
    try:
        theirs = sibling.load(module)
    except ElsewhereError as error:
        yield Error(
            f"{key} is {module!r}, which can't be loaded: {error}",
            hint=f"Correct {key}, or try: {ENVIRONMENT_VARIABLE}={module} python manage.py check",
            obj=key,
            id=messages.SIBLING_DOES_NOT_LOAD,
        )
        return
    if theirs["role"] != other:
        yield Error(
            f"{key} is {module!r}, whose role is {theirs['role']!r} and not {other!r}.",
            hint=f"Name the {other} instance's settings in {key}, or set their "
            f'SPLIT_DEPLOY["ROLE"] to "{other}".',
            obj=key,
            id=messages.SIBLING_HAS_WRONG_ROLE,
        )
        return
    ours = sibling.describe()
    for name in _differing(ours["settings"], theirs["settings"]):
        if name.startswith(sibling.ADDRESS):
            yield Warning(
                f"{name.removeprefix(sibling.ADDRESS)} has another HOST or PORT in {_own_module()} "
                f"than in {module}.",
                hint="If one instance goes through a pooler, silence this. If not, they are two "
                "different databases.",
                obj=name.removeprefix(sibling.ADDRESS),
                id=messages.DATABASE_ELSEWHERE,
            )
            continue
        yield Error(
            f"The setting {name} is not the same in {_own_module()} and {module}.",
            hint="Set it once, in what both include. " + _CONSEQUENCES[name.split("[")[0]],
            obj=name,
            id=messages.SETTING_DIFFERS,
        )


def _differing(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    return [name for name in sorted({*ours, *theirs}) if ours.get(name) != theirs.get(name)]


def _own_module() -> str:
    return getattr(settings, "SETTINGS_MODULE", None) or "the settings in use"


def _check_caches() -> Iterator[CheckMessage]:
    alias = settings.SESSION_CACHE_ALIAS
    for name, cache in settings.CACHES.items():
        if cache.get("BACKEND") not in _UNSHARED_CACHES:
            continue
        if name == alias and settings.SESSION_ENGINE in _SESSIONS_IN_CACHE:
            yield Error(
                f'Sessions are in CACHES["{name}"], which each process has for itself: a login '
                "on one instance does not hold on the other.",
                hint="Use a cache that both share, such as Redis, or "
                'SESSION_ENGINE = "django.contrib.sessions.backends.db".',
                obj=f'CACHES["{name}"]',
                id=messages.SESSIONS_IN_UNSHARED_CACHE,
            )
        # Django's own default is that of a project that does not cache.
        elif settings.is_overridden("CACHES"):  # type: ignore[misc]
            yield Warning(
                f'CACHES["{name}"] is {cache["BACKEND"].rsplit(".", 1)[1]}, which each process '
                "has for itself: what one instance puts there the other does not see.",
                hint="Use a cache that both share, such as Redis; or silence this if only one of "
                "them uses it.",
                obj=f'CACHES["{name}"]',
                id=messages.CACHE_NOT_SHARED,
            )


_SESSION_LOST: Final = "A session of one instance is otherwise unknown to the other."
_CSRF_FAILS: Final = "A form of one instance is otherwise refused by the other."
_CONSEQUENCES: Final[Mapping[str, str]] = {
    "SECRET_KEY": "Sessions, tokens and messages of one are otherwise forgeries to the other.",
    "SECRET_KEY_FALLBACKS": "What one still accepts, the other otherwise refuses.",
    "AUTH_USER_MODEL": "A logged-in user is otherwise nobody on the other instance.",
    "AUTHENTICATION_BACKENDS": "A login through a backend that one lacks does not hold there.",
    "ALLOWED_HOSTS": "A host name that one answers is otherwise refused by the other.",
    "DATABASES": "They are otherwise two different sites.",
    "CACHES": "What one puts into the cache the other otherwise does not see.",
    "ASYNC_PREFIX": "nginx otherwise sends requests to the instance that does not have them.",
    "MESSAGE_STORAGE": "A message of one is otherwise not shown by the other.",
    "LANGUAGE_COOKIE_NAME": "A language chosen on one is otherwise not that of the other.",
    **dict.fromkeys(
        (name for name in sibling.COMPARED if name.startswith("SESSION_")), _SESSION_LOST
    ),
    **dict.fromkeys((name for name in sibling.COMPARED if name.startswith("CSRF_")), _CSRF_FAILS),
}
