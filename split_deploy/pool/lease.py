"""One request's view of the pool."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from types import TracebackType
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from asgiref.sync import AsyncToSync, SyncToAsync, ThreadSensitiveContext

from split_deploy import hops
from split_deploy.pool.calls import Begins, Call, Generator, Held
from split_deploy.pool.process import get_pool

if TYPE_CHECKING:
    from split_deploy.pool.threads import ThreadPool, Worker

P = ParamSpec("P")
T = TypeVar("T")


class Lease(hops.Counting):
    """An executor whose calls run one after the other in one thread of ``pool``.

    It is assigned one with its first call and keeps it until ``release()``. From then on, and from
    ``begin_streaming()`` on, it has one only as long as it needs it: for a call, or until a sync
    generator that was among a call's arguments, as that of ``QuerySet.aiterator()``, is exhausted
    or collected, since what it reads from is the thread's.
    """

    # All but the first are the pool's business. Defaults, since most leases are never used.

    #: Which thread it has.
    worker: "Worker | None" = None
    #: With which company it has that, until a call has begun there.
    begins: Begins | None = None
    #: How many calls wait or run.
    calls = 0
    #: Whether it has a thread only as long as it needs it.
    per_call = False
    #: Whether what it was for is over, so that nobody will end a transaction.
    is_over = False
    #: Those that were among a call's arguments and are suspended.
    generators: Held | None = None
    #: ``time.monotonic()`` of when a call last ended.
    last_ended = 0.0
    #: Who it was for, in the log.
    name = "a request"
    #: The executor of the ``async_to_sync()`` that it is below: asgiref prefers that one.
    outer_executor: Executor | None = None

    def __init__(self, pool: "ThreadPool | None" = None) -> None:
        self.pool = pool or get_pool()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Count a hop, and run ``fn`` in the thread.

        Raises ``RuntimeError`` if the pool is shut down.
        """
        hops.count(fn)
        call = Call(self, fn, args, kwargs)
        self.pool.submit(call)
        return call

    def begin_streaming(self) -> None:
        """Give the thread back, as soon as no call needs it: the response is about to begin."""
        self.per_call = True
        if self.worker is not None:
            self.pool.update(self)

    def release(self) -> None:
        """Give the thread back, as soon as no call needs it: the request is over.

        A transaction that was left open is rolled back.
        """
        self.per_call = self.is_over = True
        if self.worker is not None or self.calls:
            current = hops.current()
            self.name = f"a request to {current.route}" if current else self.name
            self.pool.update(self)

    def restore_executor(self) -> None:
        """Let the calls of this task come here again, after one of them was cancelled.

        asgiref gives a cancelled ``sync_to_async()`` the context of its thread, which goes on. If
        that was on its way into ``async_to_sync()``, the executor of that is in there, and would
        get all calls to come: before the thread is done, or when the executor has ended.
        """
        if _executor_at_hand() is not self.outer_executor:
            AsyncToSync.executors.current = self.outer_executor

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """``release()``. The pool has other leases."""
        self.release()

    def note(self, generator: Generator) -> None:
        """See whether ``generator``, which was among a call's arguments, is suspended."""
        if self.generators is None:
            self.generators = Held()
        if self.worker is not None:
            self.generators.note(generator, self.worker.mailbox)


class PooledContext(ThreadSensitiveContext):
    """A ``ThreadSensitiveContext`` whose calls run in the pool.

    Like asgiref's without an executor, only the outermost has an effect. Unlike those it doesn't
    end a thread on leaving, and the tasks that outlive it still have threads: one for each call.
    """

    #: Set while and after it is entered, unless it is inside another context.
    lease: Lease | None = None

    async def __aenter__(self) -> "PooledContext":
        outer = SyncToAsync.thread_sensitive_context.get(None)
        # A request may inherit that of the one before it on the same connection, which has ended:
        # https://github.com/python/cpython/issues/140947
        if outer is None or (isinstance(outer, PooledContext) and outer.token is None):
            self.token = SyncToAsync.thread_sensitive_context.set(self)
            self.lease = Lease()
            if (executor := _executor_at_hand()) is not None:
                self.lease.outer_executor = executor
            # As asgiref registers the executor that it makes, which is its way for one that tasks
            # may use after the context is left. The entry lives as long as the context.
            SyncToAsync.context_to_thread_executor[self] = self.lease
        return self

    async def __aexit__(
        self,
        exc: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        # Not asgiref's, which would unregister the lease and start a thread to shut it down in.
        if self.token is not None:
            SyncToAsync.thread_sensitive_context.reset(self.token)
            self.token = None
        if self.lease is not None:
            self.lease.release()


def _executor_at_hand() -> Executor | None:
    executor: Executor | None = getattr(AsyncToSync.executors, "current", None)
    return executor


def current_lease() -> Lease | None:
    """Return the lease of the request at hand, or ``None`` where there is no ``PooledContext``."""
    return getattr(SyncToAsync.thread_sensitive_context.get(None), "lease", None)
