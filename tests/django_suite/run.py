"""Runs one part of Django's tests in a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.django_suite.replacement import BREAK, Mode
from tests.django_suite.runner import MODE, REPORT
from tests.django_suite.sdist import ROOT


@dataclass
class Report:
    """What came of it: ``failed`` has the traceback of each test, ``skipped`` the reason."""

    mode: Mode
    output: str
    code: int
    seconds: float = 0.0
    replaced: list[str] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def run(tests: Path, mode: Mode, labels: Sequence[str], *, broken: str = "") -> Report:
    """Run ``labels`` of Django's ``tests`` in ``mode``, and wait for the end."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "report.json")
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("DJANGO_", "SPLIT_DEPLOY"))
        }
        environment |= {MODE: mode, REPORT: str(path), "PYTHONPATH": str(ROOT)}
        if broken:
            environment[BREAK] = broken
        settings = "--settings=tests.django_suite.settings"
        done = subprocess.run(
            [sys.executable, "runtests.py", settings, "--parallel=1", "--noinput", *labels],
            cwd=tests,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
        )
        report: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"mode": mode}
    return Report(output=done.stdout, code=done.returncode, **report)
