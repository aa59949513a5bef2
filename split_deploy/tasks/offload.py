"""Calls that would keep the event loop from its work, in a thread or in a process."""

import asyncio
import atexit
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from contextvars import copy_context
from functools import partial
from typing import Any, Final, ParamSpec, TypeVar

from asgiref.sync import iscoroutinefunction
from django.core.signals import setting_changed

from split_deploy._stopping import time_left
from split_deploy.call_sites import dotted_name
from split_deploy.conf import get_config
from split_deploy.tasks.bounded import BoundedPool
from split_deploy.tasks.children import Children, context_at_hand
from split_deploy.tasks.counts import Counts, Tally

logger = logging.getLogger("split_deploy.tasks")

P = ParamSpec("P")
T = TypeVar("T")

# Seconds that the calls of killed processes have to fail.
_KILLED_TIMEOUT: Final = 1.0

_REFUSAL: Final = (
    "{function}() has {size} call(s) under way and {queue} that wait, which is all that "
    'SPLIT_DEPLOY["{key}"] and ["TASK_QUEUE"] allow. What comes faster than it can be done belongs '
    "in a queue."
)


async def run_in_thread(fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what ``fn`` returns in a thread, and leave the event loop free meanwhile.

    For what waits, or computes in C code that releases Python's global lock. One call for each of
    ``SPLIT_DEPLOY["TASK_THREADS"]`` runs at a time, and ``["TASK_QUEUE"]`` more may wait. It has a
    copy of the caller's ContextVars. A connection to a database that it opens is closed after it.
    If the caller is cancelled, a call that waits is not made, and one that runs runs to its end.

    It counts as a thread hop.

    Raises ``CapacityError`` if there is no room for it, ``TypeError`` if ``fn`` is ``async``, and
    what ``fn`` raises.
    """
    _check(fn, "run_in_thread")
    run = partial(copy_context().run, fn, *args, **kwargs)
    result: T = await _result(_get().threads.submit(fn, run), fn)
    return result


async def run_in_process(fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what ``fn`` returns in a process, and leave the event loop free meanwhile.

    For what computes in Python. ``fn`` is a function of a module; it, its arguments and its result
    are pickled. One call for each of ``SPLIT_DEPLOY["TASK_PROCESSES"]`` runs at a time, and
    ``["TASK_QUEUE"]`` more may wait. The processes are started by the first calls, load Django with
    the settings of this one, and stay. Of the caller's context a call has the request id and, if
    it was loaded, the user by its id, whose other fields are read from the database when they are
    asked for; no request, and no other ContextVar. A connection to a database that it opens is
    closed after it. If the caller is cancelled, a call that waits is not made, and one that runs
    runs to its end.

    It counts as a thread hop, since a thread waits for the process.

    Raises ``CapacityError`` if there is no room for it, ``TypeError`` if ``fn`` is ``async`` or
    something can't be pickled, ``ProcessError`` if the process does not start or dies, and what
    ``fn`` raises, with a note that has its traceback there.
    """
    _check(fn, "run_in_process")
    offload = _get()
    run = partial(offload.children.call, fn, args, kwargs, context_at_hand())
    result: T = await _result(offload.processes.submit(fn, run), fn)
    return result


class Offload:
    """The threads of ``run_in_thread()``, and those that wait for the processes of the other."""

    def __init__(self) -> None:
        config = get_config()
        queue = config.task_queue
        self.threads = BoundedPool(
            config.task_threads,
            queue,
            refusal=_REFUSAL.format(
                function="run_in_thread", size=config.task_threads, queue=queue, key="TASK_THREADS"
            ),
        )
        self.processes = BoundedPool(
            config.task_processes,
            queue,
            refusal=_REFUSAL.format(
                function="run_in_process",
                size=config.task_processes,
                queue=queue,
                key="TASK_PROCESSES",
            ),
        )
        self.children = Children()

    def close(self) -> tuple[Future[None], Future[None]]:
        """Take no more calls. Return the future ends of the threads."""
        reason = "The threads and processes for tasks are shut down"
        return self.threads.threads.close(reason), self.processes.threads.close(reason)


_current: Offload | None = None
_making = threading.Lock()


def _get() -> Offload:
    global _current
    offload = _current
    if offload is None:
        with _making:
            if _current is None:
                _current = Offload()
            offload = _current
    return offload


def counts() -> tuple[Counts, Counts]:
    """Return the counts of the threads and of the processes."""
    offload = _current
    if offload is None:
        config, none = get_config(), Tally()
        return (
            none.counts(limit=config.task_threads, running=0),
            none.counts(limit=config.task_processes, running=0),
        )
    return offload.threads.counts(), offload.processes.counts()


@asynccontextmanager
async def offloading() -> AsyncIterator[None]:
    """On leaving, end the threads and processes.

    Their calls have what background tasks have left of ``SPLIT_DEPLOY["DRAIN_TIMEOUT"]``.
    """
    yield
    offload = _retire()
    if offload is None:
        return
    timeout = get_config().drain_timeout
    ends = offload.close()
    _, late = await asyncio.wait({*map(asyncio.wrap_future, ends)}, timeout=time_left())
    if late:
        for future in late:
            future.cancel()
        for name, counted in (
            ("run_in_thread", offload.threads.counts()),
            ("run_in_process", offload.processes.counts()),
        ):
            if left := counted.running + counted.waiting:
                logger.error("%d call(s) of %s() did not end in %g s.", left, name, timeout)
        offload.children.kill()
        # The calls fail, now that their processes are gone.
        await asyncio.wait({asyncio.wrap_future(ends[1])}, timeout=_KILLED_TIMEOUT)
    # Each is given a moment to end in.
    await asyncio.get_running_loop().run_in_executor(None, offload.children.end)


def retire(timeout: float | None = None) -> None:
    """End the threads and processes, and let the next who needs one start anew.

    For tests and scripts, outside an event loop. Waits up to ``timeout`` seconds for each.
    """
    offload = _retire()
    if offload is None:
        return
    for end in offload.close():
        try:
            end.result(timeout)
        except TimeoutError:
            logger.warning("A call in a thread or process did not end in %g s.", timeout)
            offload.children.kill()
    offload.children.end()


def _retire() -> Offload | None:
    global _current
    with _making:
        offload, _current = _current, None
    return offload


def _check(fn: Callable[..., Any], function: str) -> None:
    if iscoroutinefunction(fn):
        raise TypeError(
            f"{function}() is for sync functions, and {dotted_name(fn)} is async: await it, or "
            "give it to background()."
        )


async def _result(call: Future[Any], fn: Callable[..., Any]) -> Any:
    try:
        return await asyncio.wrap_future(call)
    except asyncio.CancelledError:
        # Nobody else will hear of its failure.
        call.add_done_callback(partial(_log_failure, dotted_name(fn)))
        raise


def _log_failure(name: str, call: Future[Any]) -> None:
    if not call.cancelled() and (error := call.exception()):
        logger.error("%s failed, after its caller had been cancelled.", name, exc_info=error)


def _after_fork() -> None:
    global _current, _making
    _current, _making = None, threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


@atexit.register
def _at_exit() -> None:
    # Where no lifespan is run. A process that is killed instead ends its children all the same.
    if offload := _retire():
        offload.close()
        offload.children.kill()
        offload.children.end()


def _forget(*, setting: str, **_kwargs: Any) -> None:
    if setting == "SPLIT_DEPLOY" and (offload := _retire()):
        _, processes = offload.close()
        processes.add_done_callback(lambda _: offload.children.end())


setting_changed.connect(_forget, dispatch_uid="split_deploy.tasks")
