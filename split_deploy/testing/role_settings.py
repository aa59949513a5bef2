"""The settings of one role, in a process that runs under those of the other."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any, Final

from django.conf import ENVIRONMENT_VARIABLE, global_settings, settings
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from split_deploy import _settings_dump
from split_deploy._elsewhere import ElsewhereError, output_of
from split_deploy.conf import Role, get_config

#: What stays as it is. The first have been acted upon when a test begins: the apps are loaded and
#: their tables made in the test databases, which the process has open, and logging is set up. The
#: last are what Django's setup_test_environment() changes.
FIXED: Final = frozenset(
    {
        *("DATABASES", "INSTALLED_APPS", "LOGGING", "LOGGING_CONFIG"),
        *("ALLOWED_HOSTS", "DEBUG", "EMAIL_BACKEND"),
    }
)

_MISSING: Final = object()


#: What makes a role, and is always the role's own.
_OF_THE_ROLE: Final = frozenset({"ROOT_URLCONF", "SPLIT_DEPLOY"})


def overrides(role: Role) -> dict[str, Any]:
    """Return ``role``'s values of the settings in which the two roles differ.

    Without those of ``FIXED``, without those with a value that can't be pickled, and without those
    that the tests' own settings, if they are a third module, set to something else than either:
    these stay as they are.

    Raises ``ImproperlyConfigured`` if a role's settings module can't be loaded.
    """
    config = get_config()
    modules: dict[Role, str] = {"sync": config.sync_settings, "async": config.async_settings}
    # None after settings.configure()
    return _overrides(role, modules["sync"], modules["async"], os.environ.get(ENVIRONMENT_VARIABLE))


@cache
def _overrides(role: Role, sync: str, async_: str, own: str | None) -> dict[str, Any]:
    values = {"sync": _load(sync), "async": _load(async_)}
    started = _load(own) if own is not None else values[role]
    unknown = frozenset().union(*(names for _, names in (*values.values(), started)))
    names = frozenset().union(*(found for found, _ in values.values())) - FIXED - unknown

    def differs(name: str) -> bool:
        either = [_value(found, name) for found, _ in values.values()]
        is_the_tests_own = _value(started[0], name) not in either and name not in _OF_THE_ROLE
        return either[0] != either[1] and not is_the_tests_own

    wanted, _ = values[role]
    # A third module that is for neither role has to be given both, whatever they have in common.
    always = _OF_THE_ROLE & names
    return {name: _value(wanted, name) for name in names if name in always or differs(name)}


def _value(values: dict[str, Any], name: str) -> Any:
    return values.get(name, getattr(global_settings, name, _MISSING))


@contextmanager
def in_force(role: Role) -> Iterator[None]:
    """Put the settings of ``role`` in force inside the context, if they aren't already.

    For what overlaps, as requests that a test gathers, the first puts them in force and the last
    takes them back.
    """
    if not _depth[role]:
        if get_config().role == role:
            yield
            return
        _restoring[role] = ExitStack()
        _restoring[role].enter_context(_overridden(overrides(role)))
    _depth[role] += 1
    try:
        yield
    finally:
        _depth[role] -= 1
        if not _depth[role]:
            _restoring.pop(role).close()


_depth: Counter[Role] = Counter()
_restoring: dict[Role, ExitStack] = {}


@contextmanager
def _overridden(values: dict[str, Any]) -> Iterator[None]:
    present = {name: value for name, value in values.items() if value is not _MISSING}
    with override_settings(**present):
        for name in values.keys() - present.keys():
            delattr(settings, name)
        yield


def override_one(holder: Any, name: str, value: Any) -> None:
    """Set one of ``overrides()`` on ``holder``, which is like ``django.conf.settings``."""
    if value is _MISSING:
        delattr(holder, name)
    else:
        setattr(holder, name, value)


@cache
def _load(module: str) -> tuple[dict[str, Any], set[str]]:
    """The settings of ``module``, and the names of those that can't be had."""
    if module == os.environ.get(ENVIRONMENT_VARIABLE):
        return _settings_dump.settings_of(module), set()
    try:
        printed = output_of(_settings_dump.__name__, module)
    except ElsewhereError as error:
        raise ImproperlyConfigured(
            f"The settings module {module!r}, named in SPLIT_DEPLOY, can't be loaded: {error}"
        ) from error
    mark = _settings_dump.MARK
    (line,) = [line for line in printed.splitlines() if line.startswith(mark)]
    return _settings_dump.loaded(line.removeprefix(mark))
