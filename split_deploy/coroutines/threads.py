"""The threads in which the blocking parts of a coroutine run."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, Protocol

from asgiref.sync import AsyncToSync, SyncToAsync

from split_deploy import hops
from split_deploy.connections import close_all
from split_deploy.pool import Lease, ThreadPool, current_lease
from split_deploy.pool.calls import Call, run
from split_deploy.pool.process import in_place_of


class Threads(Protocol):
    """Where the blocking parts of a coroutine run."""

    #: Whether there may be others than the one that the coroutine is in.
    are_several: bool

    def submit(self, function: Callable[[], Any]) -> Future[Any]:
        """Run ``function`` in a thread. Raises ``RuntimeError`` if it is shut down."""


class PartLease(Lease):
    """That of one blocking part: it has a thread only as long as it runs.

    It is over from the beginning, so that a transaction that the part leaves open is rolled back,
    and it is no thread hop: nothing of asgiref's is between the coroutine and the thread.
    """

    per_call = True
    is_over = True

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run ``fn`` in the thread."""
        call = Call(self, fn, args, kwargs)
        self.pool.submit(call)
        return call


class PoolThreads:
    """Those of a pool: as many parts at a time as it has threads, the others wait their turn.

    ``name`` is who it is for, in the log.
    """

    are_several = True

    def __init__(self, pool: ThreadPool | None, name: str) -> None:
        self._pool = None if pool is None else in_place_of(pool)
        self._name = name

    def submit(self, function: Callable[[], Any]) -> Future[Any]:
        """Run ``function`` in a thread of the pool."""
        lease = PartLease(self._pool)
        lease.name = self._name
        return lease.submit(function)


class CallersThread:
    """The one that waits for the coroutine: below ``async_to_sync()``, as under WSGI or in a test.

    Its database connection is the one that a ``TestCase`` has begun its transaction on.
    """

    are_several = False

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def submit(self, function: Callable[[], Any]) -> Future[Any]:
        """Run ``function`` in the thread that waits."""
        return self._executor.submit(function)


class OwnThread:
    """One for each part: for a coroutine that has to be ended when the pool is shut down."""

    are_several = False

    def submit(self, function: Callable[[], Any]) -> Future[Any]:
        """Run ``function`` in a new thread."""
        future: Future[Any] = Future()

        def work() -> None:
            result, error = run(function, (), {})
            close_all()
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        future.set_running_or_notify_cancel()
        threading.Thread(target=work, name="split-deploy-closing", daemon=True).start()
        return future


def threads_for(pool: ThreadPool | None, name: str) -> Threads:
    """Return where the blocking parts run of a coroutine that is awaited here."""
    executor = _that_waits()
    if executor is not None:
        return CallersThread(executor)
    lease = current_lease()
    if lease is not None:
        # Or a request that waits for one thread would hold another one.
        lease.begin_streaming()
    return PoolThreads(pool, name)


def _that_waits() -> Executor | None:
    """Return the executor of the thread of the test or the sync caller, if there is one.

    asgiref asks in this order when it looks for the thread of ``sync_to_async()``.
    """
    waiting: Executor | None = getattr(AsyncToSync.executors, "current", None)
    if waiting is not None:
        return waiting
    context = SyncToAsync.thread_sensitive_context.get(None)
    if context is not None:
        registered = SyncToAsync.context_to_thread_executor.get(context)
        # One that counts hops for ``split_deploy.testing`` stands before a test's thread.
        return registered.inner if isinstance(registered, hops.CountingExecutor) else None
    return AsyncToSync.loop_thread_executors.get(asyncio.get_running_loop())
