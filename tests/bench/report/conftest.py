import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

_MADE_UP = json.loads(Path(__file__).with_name("made_up.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def made_up() -> dict[str, Any]:
    """A report with a bit of everything, whose figures are made up. To be read only."""
    return _MADE_UP


@pytest.fixture
def report() -> dict[str, Any]:
    """The same, for a test of its own."""
    return deepcopy(_MADE_UP)


@pytest.fixture
def small(report) -> dict[str, Any]:
    """A part of it, which is drawn quickly: one workload and one curve."""
    del report["workloads"][1:], report["curves"][1:]
    return report


@pytest.fixture
def nothing(report) -> dict[str, Any]:
    """The report of a run that was interrupted before anything was measured."""
    return report | {"interrupted": True, "workloads": [], "curves": [], "topologies": []}
