"""The pool of this process."""

import asyncio
import logging
import os
import threading
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from django.core.signals import setting_changed

from split_deploy._stopping import time_left
from split_deploy.conf import get_config
from split_deploy.pool.statistics import Statistics
from split_deploy.pool.threads import ThreadPool

logger = logging.getLogger("split_deploy.pool")

_current: ThreadPool | None = None
_making = threading.Lock()
# The pools that a project has made and that are in use, and what is used in the place of another.
_adopted: weakref.WeakSet[ThreadPool] = weakref.WeakSet()
_successors: weakref.WeakKeyDictionary[ThreadPool, ThreadPool] = weakref.WeakKeyDictionary()


def get_pool() -> ThreadPool:
    """Return the pool of this process, of ``SPLIT_DEPLOY["THREADS"]`` threads."""
    global _current
    pool = _current
    if pool is None:
        with _making:
            if _current is None:
                config = get_config()
                _current = ThreadPool(config.threads, share=config.share_idle_threads)
            pool = _current
    return pool


def in_place_of(pool: ThreadPool) -> ThreadPool:
    """Return ``pool``, which the project has made, and end it with the process's own.

    A module makes its pool once, maybe before a server forks, and a test starts the instance again
    and again: once ``pool`` is shut down, this returns another one like it.
    """
    with _making:
        used = _successors.get(pool, pool)
        if used.is_closed:
            used = _successors[pool] = ThreadPool(pool.size, share=pool.share)
        _adopted.add(used)
    return used


def statistics() -> Statistics | None:
    """Return what the pool has done so far, and does, or ``None`` if there was no need for one."""
    return _current.statistics() if _current else None


@asynccontextmanager
async def running() -> AsyncIterator[None]:
    """On leaving, shut the pools down: their calls have the time of background tasks, what is left.

    What still uses it then gets a ``RuntimeError``; a new request would get a new pool.
    """
    try:
        yield
    finally:
        if pools := _retire_all():
            await _drain(pools)


async def _drain(pools: list[ThreadPool]) -> None:
    timeout = get_config().drain_timeout
    # Not joined: a call may need this very loop to come to its end.
    _, late = await asyncio.wait(
        {asyncio.wrap_future(pool.close()) for pool in pools}, timeout=time_left()
    )
    if late:
        for ended in late:
            ended.cancel()
        left = [pool.statistics() for pool in pools]
        logger.error(
            "%d call(s) in threads, and %d that wait for one, did not end in %g s.",
            sum(each.busy for each in left),
            sum(each.waiting for each in left),
            timeout,
        )


def retire(timeout: float | None = None) -> None:
    """Shut the pools down, and let the next who needs one make a new one.

    For tests and scripts, outside an event loop. Waits up to ``timeout`` seconds for the threads of
    each, and the connections to test databases that they have, to end.
    """
    for pool in _retire_all():
        try:
            pool.close().result(timeout)
        except TimeoutError:
            logger.warning("The pool of threads did not end in %g s.", timeout)


def _retire_all() -> list[ThreadPool]:
    with _making:
        pools = list(_adopted)
        _adopted.clear()
    if (pool := _retire()) is not None:
        pools.append(pool)
    return pools


def _retire() -> ThreadPool | None:
    global _current
    with _making:
        pool, _current = _current, None
    return pool


def _after_fork() -> None:
    global _current, _making
    _current, _making = None, threading.Lock()
    ThreadPool.after_fork()


os.register_at_fork(after_in_child=_after_fork)


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "SPLIT_DEPLOY" and (pool := _retire()):
        pool.close()


setting_changed.connect(_forget, dispatch_uid="split_deploy.pool")
