"""Run the system checks for both roles, each under its own settings, with one exit status.

And add up the database connections that the two may open, which neither can know alone. With
another topology than ``split`` it is the mixed role and its connections.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from django.conf import ENVIRONMENT_VARIABLE, settings

from split_deploy.checks import budget
from split_deploy.checks.tag import TAG
from split_deploy.conf import get_config
from split_deploy.topology import (
    DEFAULT_SYNC_SERVER,
    DEFAULT_TOPOLOGY,
    SYNC_SERVERS,
    TOPOLOGIES,
    validate_choice,
)

_LEVELS: Final = ("ERROR", "WARNING", "INFO")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``split-deploy check``; ``manage.py`` knows the settings modules."""
    sync, async_ = "settings.sync_only", "settings.async_only"
    if settings.configured:
        sync, async_ = get_config().sync_settings, get_config().async_settings
    parser.add_argument(
        "--topology",
        choices=TOPOLOGIES,
        default=DEFAULT_TOPOLOGY,
        help="whose instances: two, or one that does everything under ASGI [%(default)s]",
    )
    parser.add_argument(
        "--sync-server",
        choices=SYNC_SERVERS,
        default=os.environ.get("SYNC_SERVER") or DEFAULT_SYNC_SERVER,
        help="what serves the sync instance [SYNC_SERVER, %(default)s]",
    )
    parser.add_argument("--sync-settings", default=sync, help="[%(default)s]")
    parser.add_argument("--async-settings", default=async_, help="[%(default)s]")
    parser.add_argument("--mixed-settings", default="settings.mixed", help="[%(default)s]")
    parser.add_argument(
        "--fail-level",
        choices=_LEVELS,
        default="ERROR",
        help="what makes it exit with 1 [%(default)s]",
    )


def handle(namespace: argparse.Namespace) -> int:
    """Return 0 if neither role has a message of ``--fail-level`` or above, else 1.

    More connections than a database allows count as a warning. Return 2 for a ``SYNC_SERVER`` that
    there isn't.
    """
    try:
        # What the environment says has not been compared with the choices.
        sync_server = validate_choice(namespace.sync_server, SYNC_SERVERS, name="SYNC_SERVER")
    except ValueError as error:
        print(f"split-deploy check: {error}", file=sys.stderr)
        return 2
    modules = {"sync": namespace.sync_settings, "async": namespace.async_settings}
    if namespace.topology != "split":
        modules = {"mixed": namespace.mixed_settings}
    statuses = [_check(role, module, namespace.fail_level) for role, module in modules.items()]
    lines, fits = budget.report(modules, namespace.topology, sync_server)
    if lines:
        print("database connections:", *lines, sep="\n  ", flush=True)
    too_many = not fits and namespace.fail_level != "ERROR"
    return 1 if any(statuses) or too_many else 0


def _check(role: str, module: str, fail_level: str) -> int:
    print(f"{role} ({module}):", flush=True)
    # The folder of the project is first on the path, as it is for manage.py.
    path = os.pathsep.join([str(Path.cwd()), *sys.path])
    done = subprocess.run(
        [sys.executable, "-m", "django", "check", "--tag", TAG, "--fail-level", fail_level],
        env=os.environ | {ENVIRONMENT_VARIABLE: module, "PYTHONPATH": path},
        check=False,
    )
    return done.returncode
