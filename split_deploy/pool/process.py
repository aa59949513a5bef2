"""The pool of this process."""

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from django.core.signals import setting_changed

from split_deploy.conf import get_config
from split_deploy.pool.statistics import Statistics
from split_deploy.pool.threads import ThreadPool

logger = logging.getLogger("split_deploy.pool")

_current: ThreadPool | None = None
_making = threading.Lock()


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


def statistics() -> Statistics | None:
    """Return what the pool has done so far, and does, or ``None`` if there was no need for one."""
    return _current.statistics() if _current else None


@asynccontextmanager
async def running() -> AsyncIterator[None]:
    """On leaving, shut the pool down: its calls have the time of background tasks to end.

    What still uses it then gets a ``RuntimeError``; a new request would get a new pool.
    """
    try:
        yield
    finally:
        pool = _retire()
        if pool is not None:
            await _drain(pool)


async def _drain(pool: ThreadPool) -> None:
    timeout = get_config().drain_timeout
    # Not joined: a call may need this very loop to come to its end.
    ended = asyncio.wrap_future(pool.close())
    done, _ = await asyncio.wait({ended}, timeout=timeout)
    if not done:
        ended.cancel()
        left = pool.statistics()
        logger.error(
            "%d call(s) in threads, and %d that wait for one, did not end in %g s.",
            left.busy,
            left.waiting,
            timeout,
        )


def retire(timeout: float | None = None) -> None:
    """Shut the pool down, and let the next who needs one make a new one.

    For tests and scripts, outside an event loop. Waits up to ``timeout`` seconds for its threads,
    and the connections to test databases that they have, to end.
    """
    pool = _retire()
    if pool is not None:
        try:
            pool.close().result(timeout)
        except TimeoutError:
            logger.warning("The pool of threads did not end in %g s.", timeout)


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
