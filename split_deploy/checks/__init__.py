"""System checks: neither instance can serve the other's kind of work without anyone noticing.

``manage.py check`` runs them for the role of the settings in use, ``split-deploy check`` for both
roles, and the entry points run them before they serve. Each has a stable id, is listed in
docs/checks.md with an example that triggers it, and is silenced like any other by
``SILENCED_SYSTEM_CHECKS``.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004 - Django's name

from split_deploy.checks import (
    agreement,
    databases,
    messages,
    middleware,
    receivers,
    source,
    urls,
    views,
)
from split_deploy.checks.tag import TAG
from split_deploy.inspection import URLConfError, inspect_urlconf

#: What an instance checks before it serves. Each is a function of the settings in use.
AT_START: Final[tuple[Callable[[], Iterable[CheckMessage]], ...]] = (
    views.check,
    urls.check,
    middleware.check,
    receivers.check,
    databases.check,
    agreement.check,
)
#: It has warnings only, and reads the whole source of the project.
NOT_AT_START: Final = (source.check,)


def run(app_configs: Any = None, *, at_start: bool = False, **_: Any) -> list[CheckMessage]:
    """Run the checks for the role of the settings in use.

    ``at_start`` leaves out those that no start depends on.
    """
    checks, found = list(AT_START), list[CheckMessage]()
    try:
        inspect_urlconf()
    except URLConfError as error:
        # Nothing that has to do with URLs can be said then.
        checks = [check for check in AT_START if check not in (views.check, urls.check)]
        found.append(
            Error(str(error), obj=settings.ROOT_URLCONF, id=messages.URLCONF_DOES_NOT_LOAD)
        )
    for check in (*checks, *(() if at_start else NOT_AT_START)):
        found += _messages_of(check)
    return found


def _messages_of(check: Callable[[], Iterable[CheckMessage]]) -> list[CheckMessage]:
    try:
        return list(check())
    except Exception as error:  # noqa: BLE001 - what can't be checked must not stop what works
        name = check.__module__
        return [
            Warning(
                f"{name} could not run: {type(error).__name__}: {error}",
                hint="Something in the project is not as Django has it, or this is a bug of ours.",
                obj=name,
                id=messages.CHECK_DID_NOT_RUN,
            )
        ]


def register_checks() -> None:
    """Make Django run them."""
    register(run, TAG)
