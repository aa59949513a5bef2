"""Coroutines that run on the event loop while their caller goes on."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from contextvars import copy_context
from typing import Any, Final, TypeVar

from split_deploy import async_database, hops
from split_deploy._stopping import time_left
from split_deploy.conf import get_config
from split_deploy.tasks.counts import Counts, Tally
from split_deploy.tasks.errors import CapacityError

logger = logging.getLogger("split_deploy.tasks")

T = TypeVar("T")

# Seconds that a task has to clean up once it is cancelled.
_CANCEL_TIMEOUT: Final = 1.0

# The event loop keeps only a weak reference to a task: one that nobody else holds can be collected
# half-way. https://docs.python.org/3/library/asyncio-task.html#asyncio.create_task
_running: set[asyncio.Task[Any]] = set()
_tally = Tally()


def background(coro: Coroutine[Any, Any, T], *, name: str | None = None) -> asyncio.Task[T]:
    """Run ``coro`` on the event loop while the caller goes on, and return its task.

    The task is held until it ends, its failure is logged, and when the instance stops it has
    ``SPLIT_DEPLOY["DRAIN_TIMEOUT"]`` seconds to end before it is cancelled. It does not survive the
    process: what must not be lost belongs in a queue.

    It has a copy of the caller's ContextVars: the request id, the current user.

    Raises ``CapacityError`` if ``SPLIT_DEPLOY["BACKGROUND_TASKS"]`` of them are under way, and
    ``RuntimeError`` if no event loop is running, as in a sync view.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        coro.close()
        raise RuntimeError(
            "background() needs a running event loop: call it from a view of the async instance."
        ) from None
    limit = get_config().background_tasks
    if len(_running) >= limit:
        coro.close()
        _tally.refused += 1
        raise CapacityError(
            f"{limit} background tasks are under way in this process, which is all that "
            'SPLIT_DEPLOY["BACKGROUND_TASKS"] allows. If they are as quick as they should be, '
            "raise it; what may take its time belongs in a queue."
        )
    context = copy_context()
    context.run(hops.count_into, None)  # the response doesn't need the thread hops of this task
    task = loop.create_task(async_database.on_its_own(coro), name=name, context=context)
    _running.add(task)
    _tally.accepted += 1
    task.add_done_callback(_ended)
    return task


def running() -> int:
    """Return how many background tasks are under way."""
    return len(_running)


def counts() -> Counts:
    """Return how many there were, and are."""
    return _tally.counts(limit=get_config().background_tasks, running=len(_running))


@asynccontextmanager
async def draining() -> AsyncIterator[None]:
    """On leaving, wait for the background tasks, and cancel those that take too long."""
    yield
    if not _running:
        return
    timeout = get_config().drain_timeout
    logger.info("Waiting up to %g s for %d background task(s) to end.", timeout, len(_running))
    deadline = time.monotonic() + time_left()
    # Again and again, because one may begin another.
    while _running and (left := deadline - time.monotonic()) > 0:
        await asyncio.wait(set(_running), timeout=left)
    late = set(_running)
    for task in late:
        logger.error(
            "Cancelled background task %s: it did not end in %g s.", task.get_name(), timeout
        )
        task.cancel()
    if late:
        _, lost = await asyncio.wait(late, timeout=_CANCEL_TIMEOUT)
        for task in lost:
            logger.error("Background task %s ignores its cancellation.", task.get_name())


def _ended(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    error = None if task.cancelled() else task.exception()
    _tally.ended(cancelled=task.cancelled(), error=error)
    if error is not None:
        logger.error("Background task %s failed.", task.get_name(), exc_info=error)
