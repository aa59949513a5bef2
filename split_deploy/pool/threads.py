"""The pool's threads, and which of them runs which call.

A lease is assigned a thread with its first call, and its later calls run there. It gets one that is
idle and has no lease; else a new one, up to the pool's size; else, if they may be shared, an idle
one that has other leases. Else its calls wait, in one queue in the order in which they came. A call
of a lease that has a thread waits in that thread's own queue. A thread that is done with a call
takes the oldest that it can have of both.

A lease leaves its thread when it is released. The connections are then looked after, in the thread,
if they need it: where none does, nothing is woken.
"""

import itertools
import logging
import threading
import time
import weakref
from collections import OrderedDict
from concurrent.futures import Future
from contextvars import Context
from enum import Enum, auto
from queue import SimpleQueue
from typing import TYPE_CHECKING, ClassVar, Final

from split_deploy import connections
from split_deploy.pool.calls import Begins, Call, Work, generators_of, run
from split_deploy.pool.statistics import Statistics, Waits

if TYPE_CHECKING:
    from split_deploy.pool.lease import Lease

logger = logging.getLogger("split_deploy.pool")

# Seconds. A call that waits longer for a thread is worth a line in the log, now and then.
_LONG_WAIT: Final = 1.0
_WARN_EVERY: Final = 60.0


class Next(Enum):
    """What a thread is to do when it is not to run a call."""

    #: Look after its connections.
    CARE = auto()
    #: See what there is to do.
    LOOK = auto()
    #: Wait for its mailbox.
    WAIT = auto()
    END = auto()


class Worker:
    """A thread of the pool.

    But for ``mailbox`` and ``state``, all of it is guarded by the pool's lock.
    """

    __slots__ = (
        "idle",
        "last",
        "leases",
        "left_open_by",
        "mailbox",
        "owner",
        "queue",
        "state",
    )

    def __init__(self) -> None:
        #: What to do. None is: see if anything has changed, but only if you are idle.
        #: A ``SimpleQueue``, since the callback of a weak reference may put something at any time.
        self.mailbox: SimpleQueue[Call | Next | None] = SimpleQueue()
        #: Whether it waits for its mailbox. Who makes it False, puts something there.
        self.idle = False
        #: What its connections need, as of its last call.
        self.state = connections.NONE
        #: The lease whose call ran last.
        self.last: Lease | None = None
        #: The leases that are assigned to it.
        self.leases: set[Lease] = set()
        #: The one of them that has a transaction open: no other's call may run.
        self.owner: Lease | None = None
        #: Who has left a transaction open.
        self.left_open_by: str | None = None
        #: The calls of ``leases`` that wait, in the order in which they came.
        self.queue: OrderedDict[Call, None] = OrderedDict()


class ThreadPool:
    """Up to ``size`` threads, each of which is started when it is needed and then stays.

    ``share``: whether a thread that is idle between two calls of a request may serve another one.
    They are daemons: none keeps the interpreter from its exit.
    """

    _all: ClassVar["weakref.WeakSet[ThreadPool]"] = weakref.WeakSet()

    def __init__(self, size: int, *, share: bool = True) -> None:
        self.size = size
        self.share = share
        self._lock = threading.Lock()
        self._workers: list[Worker] = []
        # Those that are idle and have no lease. The last one in is the first one out, so that no
        # more threads, and connections, are in use than have to be.
        self._free: list[Worker] = []
        self._waiting: OrderedDict[Call, None] = OrderedDict()
        self._numbers = itertools.count(1)
        self._names = itertools.count(1)
        self._waits = Waits()
        self._warned = float("-inf")
        self._closed: str | None = None
        self._ended: Future[None] = Future()
        self._all.add(self)

    @property
    def is_closed(self) -> bool:
        """Whether it takes no more calls."""
        return self._closed is not None

    # From any thread

    def submit(self, call: Call) -> None:
        """Run ``call`` in a thread as soon as it is its turn.

        Raises ``RuntimeError`` if the pool is closed.
        """
        call.submitted = time.monotonic()
        lease = call.lease
        with self._lock:
            if self._closed is not None:
                raise RuntimeError(self._closed)
            call.number = next(self._numbers)
            if lease.per_call:
                self._leave_if_done(lease)  # a cursor may be gone that a busy thread didn't miss
            worker = lease.worker
            if worker is None:
                worker = self._thread_for(lease)
                if worker is None:
                    self._waiting[call] = None
                    lease.calls += 1
                    return
                self._assign(worker, call)
            elif not worker.idle or worker.owner not in (None, lease):
                worker.queue[call] = None
                lease.calls += 1
                return
            lease.calls += 1
            worker.idle = False
            worker.mailbox.put(call)

    def forget(self, call: Call) -> None:
        """Take ``call``, which is cancelled, out of its queue."""
        lease = call.lease
        with self._lock:
            queue = self._waiting if lease.worker is None else lease.worker.queue
            if call not in queue:
                return
            del queue[call]
            self._end_call(lease)
        call.set_running_or_notify_cancel()
        call.take_work()

    def update(self, lease: "Lease") -> None:
        """Let ``lease``, which has changed, leave its thread if it may."""
        with self._lock:
            self._leave_if_done(lease)

    def statistics(self) -> Statistics:
        """Return what the pool has done so far, and does."""
        with self._lock:
            return Statistics(
                size=self.size,
                started=len(self._workers),
                busy=sum(not worker.idle for worker in self._workers),
                waiting=len(self._waiting) + sum(len(worker.queue) for worker in self._workers),
                calls=self._waits.calls,
                waits=self._waits.buckets(),
                waited=self._waits.sum,
                longest_wait=self._waits.longest,
            )

    def close(self, reason: str = "The pool of threads is shut down") -> Future[None]:
        """Take no more calls, and let the threads end when those that there are have run.

        Returns the future end of the last thread, which has no result. It can't be cancelled.
        """
        with self._lock:
            if self._closed is None:
                self._closed = f"{reason}: nothing can run in a thread of it any more."
                self._ended.set_running_or_notify_cancel()
                for worker in self._workers:
                    if worker.idle:
                        self._wake(worker)
                if not self._workers:
                    self._ended.set_result(None)
        return self._ended

    @classmethod
    def after_fork(cls) -> None:
        """In the child: end all pools. Their threads are the parent's, as may be their locks."""
        for pool in cls._all:
            pool._lock = threading.Lock()
            pool._workers, pool._free = [], []
            pool.close("This process was forked, and the pool of threads is its parent's")

    # Below: with the lock held

    def _thread_for(self, lease: "Lease") -> Worker | None:
        if self._free:
            return self._free.pop()
        if len(self._workers) < self.size and (worker := self._start()):
            return worker
        if not self.share:
            return None
        idle = [worker for worker in self._workers if worker.idle and worker.owner is None]
        return min(idle, key=lambda worker: len(worker.leases)) if idle else None

    def _start(self) -> Worker | None:
        worker = Worker()
        thread = threading.Thread(
            target=self._work,
            args=(worker,),
            name=f"split-deploy-{next(self._names)}",
            daemon=True,
        )
        try:
            # In a context of its own: a thread may inherit the one at hand, and would keep a
            # request alive. https://docs.python.org/3/library/threading.html#threading.Thread
            Context().run(thread.start)
        except RuntimeError:
            if not self._workers:
                raise
            logger.exception("A thread could not be started.")
            return None
        self._workers.append(worker)
        return worker

    def _assign(self, worker: Worker, call: Call) -> None:
        """Give ``worker`` to the lease of ``call``, the first of its calls to run."""
        lease = call.lease
        if not worker.leases:
            lease.begins = Begins.ALONE
        elif any(other.generators for other in worker.leases):
            lease.begins = Begins.BESIDE_A_CURSOR
        else:
            lease.begins = Begins.SHARING
        lease.worker = worker
        worker.leases.add(lease)
        if lease.calls:
            others = [other for other in self._waiting if other.lease is lease and other != call]
            if others:
                for other in others:
                    del self._waiting[other]
                merged = sorted((*worker.queue, *others), key=lambda call: call.number)
                worker.queue = OrderedDict.fromkeys(merged)

    def _next(self, worker: Worker) -> Call | None:
        """Take the oldest call that ``worker`` may run out of its queue."""
        queue, owner = worker.queue, worker.owner
        if owner is not None:
            own = next((call for call in queue if call.lease is owner), None)
            if own is not None:
                del queue[own]
            return own
        own = next(iter(queue), None)
        if self._waiting and (self.share or not worker.leases or self._closed is not None):
            oldest = next(iter(self._waiting))
            if own is None or oldest.number < own.number:
                del self._waiting[oldest]
                self._assign(worker, oldest)
                return oldest
        if own is not None:
            del queue[own]
        return own

    def _end_call(self, lease: "Lease") -> None:
        lease.calls -= 1
        if lease.per_call:
            self._leave_if_done(lease)

    def _leave_if_done(self, lease: "Lease") -> None:
        worker = lease.worker
        if worker is None or not lease.per_call or lease.calls or lease.generators:
            return
        if worker.owner is lease:
            if not lease.is_over:
                return
            worker.owner = None
            worker.left_open_by = lease.name
        lease.worker = None
        worker.leases.discard(lease)
        if worker.last is lease:
            worker.last = None
        if not worker.idle:
            return  # it will see
        if self._connections_need_care(worker) or worker.queue or self._waiting:
            self._wake(worker)
        elif not worker.leases:
            self._free.append(worker)

    def _connections_need_care(self, worker: Worker) -> bool:
        if worker.left_open_by is not None:
            return True
        return not worker.leases and (
            worker.state.errors
            or worker.state.in_transaction
            or worker.state.close_at <= time.monotonic()
        )

    def _wake(self, worker: Worker) -> None:
        worker.idle = False
        if not worker.leases and worker in self._free:
            self._free.remove(worker)
        worker.mailbox.put(Next.LOOK)

    def _after(self, worker: Worker, call: Call) -> None:
        lease = call.lease
        worker.owner = lease if worker.state.in_transaction else None
        if call.waited is not None:  # it was not cancelled
            worker.last = lease
            self._waits.add(call.waited)
        self._end_call(lease)

    def _what_next(self, worker: Worker) -> Call | Next:
        if self._connections_need_care(worker):
            return Next.CARE
        if call := self._next(worker):
            return call
        if self._closed is not None:
            if worker.owner is None:
                return Next.END
            # It can submit nothing more that would end its transaction.
            worker.left_open_by, worker.owner = worker.owner.name, None
            return Next.CARE
        worker.idle = True
        if not worker.leases:
            self._free.append(worker)
        return Next.WAIT

    # Below: in a thread of the pool

    def _work(self, worker: Worker) -> None:
        try:
            while self._serve(worker, worker.mailbox.get()):
                pass
        except BaseException:
            logger.critical("A thread of the pool has died. This is a bug.", exc_info=True)
            raise
        finally:
            connections.close_all()
            with self._lock:
                self._workers.remove(worker)
                is_last = not self._workers and self._closed is not None
            if is_last:
                self._ended.set_result(None)

    def _serve(self, worker: Worker, message: "Call | Next | None") -> bool:
        """Do what there is to do until there is nothing left. Return whether to wait for more."""
        if message is None and not self._begin_to_look(worker):
            return True
        next_ = message
        del message
        while True:
            call = next_ if isinstance(next_, Call) else None
            outcome = None
            if call is not None:
                work = self._begin(worker, call)
                if work is not None:
                    outcome = run(*work)
                    self._look_after(worker, call, work)
                del work
            with self._lock:
                if call is not None:
                    self._after(worker, call)
                next_ = self._what_next(worker)
            # Not before: who sees the result may submit the next call, and finds this thread idle.
            if call is not None and outcome is not None:
                call.settle(*outcome)
            del call, outcome
            if next_ is Next.CARE:
                self._care(worker)
            elif next_ is Next.WAIT:
                return True
            elif next_ is Next.END:
                return False

    def _begin_to_look(self, worker: Worker) -> bool:
        """Let leases leave that now may, if the thread was idle. Return whether it was."""
        with self._lock:
            if not worker.idle:
                return False  # something else is on its way
            worker.idle = False
            if worker in self._free:
                self._free.remove(worker)
            for lease in tuple(worker.leases):
                self._leave_if_done(lease)
            return True

    def _begin(self, worker: Worker, call: Call) -> Work | None:
        """Make the connections fit for ``call``. Return its work, unless it was cancelled."""
        if not call.set_running_or_notify_cancel():
            return None
        call.waited = time.monotonic() - max(call.submitted, call.lease.last_ended)
        if call.waited > _LONG_WAIT:
            self._warn(call.waited)
        # Not the call's own: the first one may have been cancelled.
        begins, call.lease.begins = call.lease.begins, None
        if begins is Begins.ALONE:
            connections.begin(alone=True)
        elif begins is Begins.SHARING:
            connections.begin(alone=False)
        elif worker.state.errors and worker.last is not call.lease:
            connections.close_broken()
        return call.take_work()

    def _look_after(self, worker: Worker, call: Call, work: Work) -> None:
        """See what ``call`` has left open."""
        for generator in generators_of(*work):
            call.lease.note(generator)
        worker.state = connections.state()
        call.lease.last_ended = time.monotonic()

    def _care(self, worker: Worker) -> None:
        """Do for the connections what is due when a lease has left."""
        if worker.left_open_by is not None:
            connections.roll_back(worker.left_open_by)
            worker.left_open_by = None
        if worker.leases:
            worker.state = connections.state()
        else:
            connections.end()
            # What end() leaves open is not to be asked for again before something has used it.
            worker.state = connections.NONE

    def _warn(self, waited: float) -> None:
        now = time.monotonic()
        with self._lock:
            if now - self._warned < _WARN_EVERY:
                return
            self._warned = now
            waiting = len(self._waiting)
        logger.warning(
            'A call waited %.1f s for a thread: all %d of SPLIT_DEPLOY["THREADS"] were busy, and '
            "%d more calls wait. Raise it if the database has connections to spare, or find out "
            "what takes so long.",
            waited,
            self.size,
            waiting,
        )
