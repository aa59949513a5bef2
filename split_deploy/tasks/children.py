"""The processes of ``run_in_process()``, as the process that starts them sees them.

Not ``concurrent.futures.ProcessPoolExecutor``: there the death of one process fails the calls of
all, and its processes outlive the one that started them if that is killed.
"""

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import Pipe
from typing import Any, Final

from django.conf import ENVIRONMENT_VARIABLE

from split_deploy import request_id
from split_deploy.call_sites import dotted_name
from split_deploy.context import current_user_id
from split_deploy.tasks.errors import ProcessError

# Seconds that a process without work has to end.
_END_TIMEOUT: Final = 2.0

_NOT_STARTED: Final = "A process of run_in_process() did not start:"

# The modules are found where they are found here. A fresh interpreter, because a process with
# threads can't be forked safely, and one that imports no __main__, which is the server.
_BEGIN: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    "from split_deploy.tasks.worker import main; main(int(sys.argv[1]))"
)


class Child:
    """A process that makes one call at a time."""

    def __init__(self) -> None:
        """Start it. It takes calls once ``wait_until_ready()`` has returned.

        Raises ``ProcessError`` if there can't be one.
        """
        if ENVIRONMENT_VARIABLE not in os.environ:
            raise ProcessError(
                f"run_in_process() needs {ENVIRONMENT_VARIABLE} in the environment: a process of "
                "its own loads the settings by that name."
            )
        self._pipe, theirs = Pipe()
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-c", _BEGIN, str(theirs.fileno()), json.dumps(sys.path)],
                    stdin=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    # Ctrl-C in a terminal is for the server, which ends this one when its calls
                    # have.
                    process_group=0,
                )
            except OSError as error:
                self._pipe.close()
                raise ProcessError(f"{_NOT_STARTED} {error}") from error

    def wait_until_ready(self) -> None:
        """Wait until it has loaded Django.

        Raises ``ProcessError`` if that fails.
        """
        try:
            problem = pickle.loads(self._pipe.recv_bytes())  # noqa: S301 - our own process
        except (EOFError, OSError):
            problem = self._how_it_ended()
        if problem:
            self.end()
            raise ProcessError(f"{_NOT_STARTED} {problem}")

    @property
    def is_alive(self) -> bool:
        """Whether it still runs. Who is alive may yet die."""
        return self._process.poll() is None

    def call(self, fn: Callable[..., Any], payload: bytes) -> Any:
        """Return what ``fn``, with its arguments in ``payload``, returns there, or raise its error.

        Raises ``ProcessError`` if the process dies.
        """
        try:
            self._pipe.send_bytes(payload)
            reply = self._pipe.recv_bytes()
        except (EOFError, OSError):
            raise ProcessError(
                f"The process that ran {dotted_name(fn)} died: {self._how_it_ended()}"
            ) from None
        try:
            succeeded, value = pickle.loads(reply)  # noqa: S301 - our own process
        except Exception as error:
            raise ProcessError(
                f"What {dotted_name(fn)} returned can't be read here: {error!r}"
            ) from error
        if not succeeded:
            raise value
        return value

    def kill(self) -> None:
        """End it at once. A call that it makes fails with a ``ProcessError``."""
        self._process.kill()

    def end(self) -> None:
        """Let it end, now that it has no call, and wait for it."""
        self._pipe.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_TIMEOUT)
            return
        self._process.kill()
        self._process.wait()

    def _how_it_ended(self) -> str:
        try:
            status = self._process.wait(_END_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return "it closed its pipe."
        if status == -signal.SIGKILL:
            return "it was killed. That is what happens when memory runs out."
        if status < 0:
            return f"it got the signal {signal.Signals(-status).name}."
        return f"it ended with the status {status}."


class Children:
    """One process for each thread that calls one, started by its first call."""

    def __init__(self) -> None:
        self._by_thread: dict[int, Child] = {}
        self._lock = threading.Lock()
        self._is_over = False

    def call(self, fn: Callable[..., Any], args: Any, kwargs: Any, context: dict[str, Any]) -> Any:
        """Call ``fn`` in the process of this thread.

        Raises ``TypeError`` for what can't be pickled, and ``ProcessError``.
        """
        try:
            payload = pickle.dumps((fn, args, kwargs, context), pickle.HIGHEST_PROTOCOL)
        except Exception as error:
            raise TypeError(
                f"{dotted_name(fn)} or one of its arguments can't be handed to a process: {error}. "
                "Give run_in_process() a function of a module, and values that can be pickled."
            ) from error
        return self._own().call(fn, payload)

    def kill(self) -> None:
        """End all at once, those that are still starting too, and start no more."""
        with self._lock:
            self._is_over = True
            for child in self._by_thread.values():
                child.kill()

    def end(self) -> None:
        """End all, none of which has a call, and wait for them."""
        while self._by_thread:
            self._by_thread.popitem()[1].end()

    def _own(self) -> Child:
        thread = threading.get_ident()
        child = self._by_thread.get(thread)
        if child is not None and not child.is_alive:
            child.end()
            child = None
        if child is None:
            with self._lock:
                if self._is_over:
                    raise ProcessError(
                        "run_in_process() starts no process any more: the instance is stopping, "
                        "and the time that its calls had is over."
                    )
                child = self._by_thread[thread] = Child()
            child.wait_until_ready()
        return child


def context_at_hand() -> dict[str, Any]:
    """Return what of the caller's context a process is given."""
    return {"request_id": request_id.current.get(), "user_id": current_user_id()}
