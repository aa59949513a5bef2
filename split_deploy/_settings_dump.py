"""``python -m split_deploy._settings_dump MODULE``: print what a settings module contains, pickled.

Two settings modules can't be loaded in one process without sharing what a third one defines and one
of them changes.
"""

import base64
import pickle
import sys
from importlib import import_module
from typing import Any, Final

#: Begins the line that matters, whatever else the project prints.
MARK: Final = "split_deploy._settings_dump: "


def settings_of(module: str) -> dict[str, Any]:
    """Return the settings that ``module`` defines."""
    return {name: value for name, value in vars(import_module(module)).items() if name.isupper()}


def dumped(values: dict[str, Any]) -> str:
    """Return ``values`` as a line of text, and in it the names of those that can't be pickled."""
    pickled, unknown = {}, set()
    for name, value in values.items():
        try:
            pickled[name] = pickle.dumps(value)
        except Exception:  # noqa: BLE001 - whatever its class raises
            unknown.add(name)
    return base64.b64encode(pickle.dumps((pickled, unknown))).decode()


def loaded(text: str) -> tuple[dict[str, Any], set[str]]:
    """Return what ``dumped()`` was given, and the names of those that it left out."""
    pickled, unknown = pickle.loads(base64.b64decode(text))  # noqa: S301 - our own
    return {name: pickle.loads(value) for name, value in pickled.items()}, unknown  # noqa: S301


if __name__ == "__main__":
    print(f"\n{MARK}{dumped(settings_of(sys.argv[1]))}")
