"""How Granian was started, in the process that it serves an application in."""

import multiprocessing
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

#: What Granian calls its interfaces: with the lifespan of ASGI, and without it.
ASGI: Final = "asgi"
WSGI: Final = "wsgi"


def is_the_server() -> bool:
    """Whether Granian serves this process."""
    return "granian.server" in sys.modules


def stop_while_loading() -> None:
    """Let SIGTERM end this process at once if it is a worker of Granian's, until it serves.

    While it loads the project it still has the handler of the main process, which only makes a note
    there. The signal would be lost, and the worker killed in the end. Granian sets its own
    handler when the project is loaded.
    """
    is_worker = is_the_server() and multiprocessing.parent_process() is not None
    if is_worker and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def options() -> Mapping[str, Any] | None:
    """Return what Granian was told, its defaults and ``GRANIAN_...`` among it, by parameter name.

    ``None`` if it is not its own command that started it: then nobody can know.
    """
    program = Path(sys.argv[0])
    if not is_the_server() or "granian" not in (program.stem, program.parent.name):
        return None
    from granian.cli import cli

    # What is wrong with it Granian has told, and not started.
    context = cli.make_context(
        "granian", sys.argv[1:], auto_envvar_prefix="GRANIAN", resilient_parsing=True
    )
    return context.params


def interface() -> str | None:
    """Return the interface that Granian was told to speak, or ``None`` if that isn't known."""
    told = options()
    return None if told is None else str(getattr(told["interface"], "value", told["interface"]))
