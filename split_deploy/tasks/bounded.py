"""A pool of threads that takes so many calls and no more."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from split_deploy import connections
from split_deploy.call_sites import dotted_name
from split_deploy.pool import Lease, ThreadPool
from split_deploy.tasks.counts import Counts, Tally
from split_deploy.tasks.errors import CapacityError


class BoundedPool:
    """Up to ``size`` threads, each with one call at a time, and up to ``queue`` calls that wait.

    ``refusal`` is what is said about one more.
    """

    def __init__(self, size: int, queue: int, *, refusal: str) -> None:
        self.size = size
        self.threads = _Threads(size)
        self._queue = queue
        self._refusal = refusal
        self._lock = threading.Lock()
        self._tally = Tally()
        # How many calls run or wait.
        self._taken = 0

    def submit(self, fn: Callable[..., Any], run: Callable[[], Any]) -> Future[Any]:
        """Count a hop, and run ``run``, which does ``fn``, in a thread.

        Raises ``CapacityError`` if the pool is full, and ``RuntimeError`` if it is shut down.
        """
        with self._lock:
            if self._taken >= self.size + self._queue:
                self._tally.refused += 1
                raise CapacityError(self._refusal)
            self._taken += 1
        lease = Lease(self.threads)
        lease.release()  # it has a thread for this call alone
        lease.name = f"a call of {dotted_name(fn)}"
        try:
            call = lease.submit(_Work(fn, run, lease.name))
        except BaseException:
            with self._lock:
                self._taken -= 1
            raise
        with self._lock:
            self._tally.accepted += 1
        call.add_done_callback(self._ended)
        return call

    def counts(self) -> Counts:
        """Return what it has done so far, and does."""
        now = self.threads.statistics()
        with self._lock:
            return self._tally.counts(limit=self.size, running=now.busy, waiting=now.waiting)

    def _ended(self, call: Future[Any]) -> None:
        cancelled = call.cancelled()
        error = None if cancelled else call.exception()
        with self._lock:
            self._taken -= 1
            self._tally.ended(cancelled=cancelled, error=error)


class _Threads(ThreadPool):
    def _warn(self, waited: float) -> None:
        """Here it is no sign of anything that a call waits long."""


class _Work:
    """What a thread is given. Its connections are closed after it: the next call is another's."""

    def __init__(self, fn: Callable[..., Any], run: Callable[[], Any], name: str) -> None:
        self.__wrapped__ = fn  # whose name a thread hop has
        self._run = run
        self._name = name

    def __call__(self) -> Any:
        try:
            return self._run()
        except StopIteration as error:
            # No future takes one: https://docs.python.org/3/library/asyncio-future.html
            raise RuntimeError(f"{self._name} raised StopIteration") from error
        finally:
            connections.roll_back(self._name)
            connections.close_all()
