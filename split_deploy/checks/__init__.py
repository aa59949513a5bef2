"""System checks: neither instance can serve the other's kind of work without anyone noticing.

``manage.py check`` runs them for the role of the settings in use, ``split-deploy check`` for both
roles, and the entry points run them before they serve. Each has a stable id, is listed in
docs/checks.md with an example that triggers it, and is silenced like any other by
``SILENCED_SYSTEM_CHECKS``.
"""

from collections.abc import Iterable
from typing import Any, Final

from django.core.checks import CheckMessage, register

from split_deploy.checks import agreement, databases, middleware, receivers, source, urls, views
from split_deploy.checks.tag import TAG

CHECKS: Final = (
    views.check,
    urls.check,
    middleware.check,
    receivers.check,
    databases.check,
    agreement.check,
    source.check,
)


def run(app_configs: Any = None, **_: Any) -> Iterable[CheckMessage]:
    """Run all of them for the role of the settings in use."""
    return [message for check in CHECKS for message in check()]


def register_checks() -> None:
    """Make Django run them."""
    register(run, TAG)
