"""Random schedules: whatever requests, streams, cancellations and ends do, the rules hold.

Each call stands still in its thread until the test lets it go on. After each step all is quiet, and
what runs and what waits must be what the rules of ``split_deploy/pool/threads.py`` say.
"""

import threading
import time
from concurrent.futures import CancelledError
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from split_deploy import connections
from split_deploy.pool import Lease, ThreadPool

# Of each thread: whether a transaction is open, and the request that had a call there last.
in_transaction: dict[int, bool] = {}
last_on: dict[int, "Request"] = {}


@pytest.fixture(autouse=True, scope="module")
def transactions_without_a_database():
    def state():
        inside = in_transaction.get(threading.get_ident(), False)
        return connections.State(inside, errors=False, close_at=float("inf"))

    def roll_back(_):
        thread = threading.get_ident()
        request = last_on[thread]
        if not request.is_over:
            request.schedule.errors.append(f"A transaction of {request} was rolled back")
        del in_transaction[thread]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(connections, "state", state)
        patched.setattr(connections, "roll_back", roll_back)
        yield


class Step:
    """A call: what it does when it is let go, and what became of it."""

    numbers = count()

    def __init__(self, request, *, transaction):
        self.request = request
        self.number = next(self.numbers)
        self.transaction = transaction
        self.go_on = threading.Event()
        self.thread = None
        self.generator = None
        self.future = None

    def __repr__(self):
        return f"<{self.number} of {id(self.request) % 1000}: {self.state}>"

    def __call__(self, *_):
        self.thread = threading.get_ident()
        self.request.schedule.began(self)
        assert self.go_on.wait(5)
        if self.generator is not None:
            next(self.generator, None)
            self.generator = None
        in_transaction[self.thread] = self.transaction
        last_on[self.thread] = self.request
        self.request.schedule.running.remove(self)
        return self.number

    @property
    def state(self):
        if self.future.cancelled():
            return "cancelled"
        if self.future.done():
            return "done"
        return "waiting" if self.thread is None else "running"


class Request:
    def __init__(self, schedule):
        self.schedule = schedule
        self.lease = Lease(schedule.pool)
        self.steps = []
        self.thread = None  # while it must stay on it
        self.is_streaming = self.is_over = False
        self.generator = None

    @property
    def waiting(self):
        return [step for step in self.steps if step.state == "waiting"]


class Schedule:
    """Some requests on a pool. ``any_request`` and the like choose one, whichever there are."""

    def __init__(self, size, *, share):
        self.pool = ThreadPool(size, share=share)
        self.size, self.share = size, share
        self.running: list[Step] = []
        self.errors: list[str] = []
        self.threads: set[int] = set()
        self.is_ending = False
        self.all = [Request(self) for _ in range(size + 2)]

    # What happens

    def replace(self, any_request, _):
        """Another request arrives, and no more is heard of one before it."""
        self.all.append(Request(self))
        self.all[any_request % (self.size + 2)], self.all[-1] = (
            self.all[-1],
            self.all[any_request % (self.size + 2)],
        )

    def request(self, any_request):
        return self.all[any_request % (self.size + 2)]

    def call(self, any_request, _, *, transaction=False, read=False):
        request = self.request(any_request)
        step = Step(request, transaction=transaction and not request.is_over)
        request.steps.append(step)
        if read:
            if request.generator is None:
                request.generator = (row for row in range(2))
            step.generator = request.generator
            step.future = request.lease.submit(step, request.generator)
        else:
            step.future = request.lease.submit(step)

    def call_in_a_transaction(self, any_request, _):
        self.call(any_request, _, transaction=True)

    def read_from_a_cursor(self, any_request, _):
        self.call(any_request, _, read=True)

    def finish(self, _, any_step):
        if self.running:
            step = self.running[any_step % len(self.running)]
            step.go_on.set()
            step.future.result(10)

    def cancel(self, any_request, any_step):
        steps = self.request(any_request).steps
        if steps:
            step = steps[-1 - any_step % len(steps)]
            state = step.state
            assert step.future.cancel() is (state in ("waiting", "cancelled"))
            if state != "running":
                step.generator = None

    def begin_streaming(self, any_request, _):
        request = self.request(any_request)
        request.is_streaming = True
        request.lease.begin_streaming()

    def end(self, any_request, _):
        request = self.request(any_request)
        request.is_over = request.is_streaming = True
        request.lease.release()

    def drop_the_cursor(self, any_request, _):
        request = self.request(any_request)
        if self.transaction_on(request.thread) is not request:
            request.generator = None
            time.sleep(0.0005)  # the thread sees it when it gets to it

    # What must hold

    def began(self, step):
        """Called in the thread."""
        request = step.request
        if any(other.thread == step.thread for other in self.running):
            self.errors.append(f"{step} began beside another call on its thread")
        if any(other.number < step.number for other in request.waiting if other is not step):
            self.errors.append(f"{step} began before an older call of its request")
        self.running.append(step)
        self.threads.add(step.thread)
        if self.is_ending:
            return  # what is below depends on what holds when all is quiet
        transaction = self.transaction_on(step.thread)
        if transaction not in (None, request):
            self.errors.append(f"{step} began inside another request's transaction")
        others = [r for r in self.all if r is not request and r.thread == step.thread]
        if not self.share and any(self.holds(other) for other in others):
            self.errors.append(f"{step} began on another request's thread")
        if transaction is None and (self.share or request.thread is None):
            for other in (step for r in self.all for step in r.waiting):
                if other.number < step.number and other.request.thread in (None, step.thread):
                    self.errors.append(f"{step} began before {other}, which is older")

    def verify(self):
        deadline = time.monotonic() + 2
        while (problem := self.problem()) and time.monotonic() < deadline:
            time.sleep(0.0005)
        assert not problem, problem
        for step in self.running:
            self.note_thread(step)

    def note_thread(self, step):
        request = step.request
        stays = request.thread is not None
        if stays:
            assert step.thread == request.thread, f"{step} has left its request's thread"
        request.thread = step.thread

    def holds(self, request):
        """Whether the request must have its thread still."""
        if not request.is_streaming or any(s.state == "running" for s in request.steps):
            return True
        cursor = request.generator
        return (cursor is not None and cursor.gi_suspended) or bool(request.waiting)

    def problem(self):
        if self.errors:
            return self.errors[0]
        statistics = self.pool.statistics()
        if statistics.started > self.size or len(self.threads) > self.size:
            return "more threads than allowed"
        if statistics.busy != len(self.running):
            return f"{statistics.busy} busy, {len(self.running)} running"
        waiting = [step for request in self.all for step in request.waiting]
        if statistics.waiting != len(waiting):
            return f"{statistics.waiting} counted as waiting, but {waiting}"
        for request in self.all:
            if not self.in_use(request):
                request.thread = None
                # A busy thread sees later that a cursor was dropped.
                worker = request.lease.worker
                if worker is not None and worker.idle:
                    return f"{request} has kept its thread"
        return self.idle_although(waiting)

    def in_use(self, request):
        return self.holds(request) or self.transaction_on(request.thread) is request

    def transaction_on(self, thread):
        """The request that has a transaction open on ``thread``."""
        return last_on[thread] if in_transaction.get(thread) else None

    def idle_although(self, waiting):
        """Whether a call waits that could run."""
        busy = {step.thread for step in self.running}
        taken = {r.thread for r in self.all if r.thread is not None}
        closed = {thread for thread in taken if self.transaction_on(thread) is not None}
        for step in waiting:
            thread = step.request.thread
            if thread is not None:
                if thread not in busy and self.transaction_on(thread) in (None, step.request):
                    return f"{step} waits although its thread is idle"
            else:
                free = self.size - len(busy | (closed if self.share else taken))
                if free > 0:
                    return f"{step} waits although a thread is free"
        return None

    def finish_all(self):
        self.is_ending = True
        steps = [step for request in self.all for step in request.steps]
        for request in self.all:
            request.generator = None
            request.is_over = True
            request.lease.release()
        for step in steps:
            step.go_on.set()
        ended = self.pool.close()
        for step in steps:
            try:
                assert step.future.result(10) == step.number
            except CancelledError:
                assert step.state == "cancelled"
            step.generator = None
        ended.result(10)
        assert self.pool.statistics().started == 0
        assert not self.errors, self.errors


MOVES = (
    *(Schedule.call, Schedule.call_in_a_transaction, Schedule.read_from_a_cursor),
    *(Schedule.call, Schedule.finish, Schedule.finish, Schedule.finish, Schedule.finish),
    *(Schedule.cancel, Schedule.begin_streaming, Schedule.end, Schedule.replace),
    Schedule.drop_the_cursor,
)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(
    size=st.integers(1, 3),
    share=st.booleans(),
    moves=st.lists(
        st.tuples(st.sampled_from(MOVES), st.integers(0, 59), st.integers(0, 59)),
        min_size=10,
        max_size=60,
    ),
)
def test_random_schedules_keep_the_rules(size, share, moves):
    in_transaction.clear()
    schedule = Schedule(size, share=share)
    for move, any_request, any_step in moves:
        move(schedule, any_request, any_step)
        schedule.verify()
    schedule.finish_all()
