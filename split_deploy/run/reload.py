"""Noticing a change of the code, in the instance that has it loaded.

What an instance has imported tells which instance a change concerns: ``async_views.py`` is loaded
in the async one alone. So each watches its own modules and tells the supervisor.
"""

import os
import signal
import sys
import threading
import time
from functools import cache
from pathlib import Path
from typing import Final

from split_deploy.conf import Role

#: The environment variable by which the supervisor asks for it: its process id.
SUPERVISOR: Final = "SPLIT_DEPLOY_SUPERVISOR"
#: What the supervisor is sent when the code of a role has changed.
SIGNALS: Final[dict[Role, signal.Signals]] = {
    "sync": signal.SIGUSR1,
    "async": signal.SIGUSR2,
    "mixed": signal.SIGUSR2,
}
#: Seconds between two looks.
INTERVAL: Final = 0.3


def watch_if_asked(role: Role) -> None:
    """Start watching this process's modules if ``split-deploy run --reload`` started it."""
    if supervisor := os.environ.get(SUPERVISOR):
        threading.Thread(
            target=_watch,
            args=(int(supervisor), SIGNALS[role]),
            name="split-deploy-reload",
            daemon=True,
        ).start()


def _watch(supervisor: int, signal_: signal.Signals) -> None:
    seen: dict[str, int] = {}
    while True:
        loaded = loaded_files()
        now = snapshot(loaded)
        if has_changed(seen, now, loaded):
            try:
                os.kill(supervisor, signal_)
            except ProcessLookupError:
                return
        seen = now
        time.sleep(INTERVAL)


def has_changed(seen: dict[str, int], now: dict[str, int], loaded: set[str]) -> bool:
    """Whether one of the ``loaded`` files is another, or gone, since it was ``seen``.

    A file that isn't loaded any more is no change: a look in the middle of the import of the other
    instance's URLconf takes for this one's what the next look knows to be foreign.
    """
    return any(now.get(path) != changed for path, changed in seen.items() if path in loaded)


def loaded_files() -> set[str]:
    """The files of the project's own loaded modules, those that settings include among them.

    django-split-settings enters what it includes in ``sys.modules``, for autoreloaders like this.
    What is loaded only because ``reverse()`` looked into the other instance's URLs is left out.
    """
    from split_deploy.reversing import foreign_modules

    foreign = foreign_modules()
    here, environment = _real(f"{Path.cwd()}") + "/", _real(sys.prefix) + "/"
    origins = (
        getattr(getattr(module, "__spec__", None), "origin", None)
        for name, module in list(sys.modules.items())
        if name not in foreign
    )
    return {
        origin
        for origin in origins
        if isinstance(origin, str)
        and _real(origin).startswith(here)
        and not _real(origin).startswith(environment)
    }


@cache
def _real(path: str) -> str:
    # Gunicorn follows $PWD, and Python the folder itself, of which it may be a symlink.
    return os.path.realpath(path)


def source_files() -> set[str]:
    """All Python files of the project in this folder, without those of virtual environments."""
    files: set[str] = set()
    for folder, subfolders, names in os.walk("."):
        if "pyvenv.cfg" in names:
            subfolders.clear()
            continue
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        files.update(f"{folder}/{name}" for name in names if name.endswith(".py"))
    return files


def snapshot(files: set[str]) -> dict[str, int]:
    """When each of ``files`` was last changed, in nanoseconds; one that is gone is left out."""
    times = {}
    for path in files:
        try:
            times[path] = Path(path).stat().st_mtime_ns
        except OSError:
            continue
    return times
