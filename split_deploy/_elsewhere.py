"""A module of ours run in a process of its own, which imports from where this one does."""

import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Final

_TIMEOUT: Final = 60  # seconds, for a project that does much on import


class ElsewhereError(Exception):
    """The process failed; the message is the last line of why."""


def output_of(module: str, *arguments: str, env: Mapping[str, str] | None = None) -> str:
    """Return what ``python -m module`` prints, with ``env`` added to the environment.

    Raises ``ElsewhereError``.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            env=os.environ
            | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
            | dict(env or {}),
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ElsewhereError(f"it took more than {_TIMEOUT} s") from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise ElsewhereError(lines[-1] if lines else "no reason given")
    return done.stdout
