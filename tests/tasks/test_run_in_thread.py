"""``run_in_thread()``: the loop goes on, and there is an end to what it takes."""

import asyncio
import gc
import logging
import threading
import weakref
from contextvars import ContextVar

import pytest
from django.contrib.auth.models import User
from django.db import connection

from split_deploy import hops, tasks
from split_deploy.context import get_current_user, impersonate
from split_deploy.pool import Lease
from split_deploy.tasks import CapacityError, run_in_thread
from tests.pool.conftest import until

pytestmark = pytest.mark.asyncio

value: ContextVar[str] = ContextVar("value", default="none")


class Gate:
    """A call that stands still until it is opened."""

    def __init__(self):
        self.entered = threading.Event()
        self.opened = threading.Event()

    def __call__(self, error=None):
        self.entered.set()
        assert self.opened.wait(10)
        if error:
            raise error
        return threading.current_thread().name


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.opened.set()


async def test_it_returns_what_the_function_does_in_another_thread(limits):
    def work(a, *, b):
        return a, b, threading.get_ident()

    *arguments, thread = await run_in_thread(work, 1, b=2)

    assert arguments == [1, 2]
    assert thread != threading.get_ident()


async def test_the_loop_goes_on_meanwhile(limits, gate):
    call = asyncio.create_task(run_in_thread(gate))
    await until(gate.entered.is_set)  # by turns of the loop
    gate.opened.set()
    await call


async def test_an_error_arrives_with_the_line_that_raised_it(limits):
    def fail():
        raise ValueError("no such meat")

    with pytest.raises(ValueError, match="no such meat") as error:
        await run_in_thread(fail)

    assert error.traceback[-1].name == "fail"


async def test_an_error_that_no_future_takes_is_named(limits):
    def stop():
        raise StopIteration

    with pytest.raises(RuntimeError, match=r"stop raised StopIteration"):
        await asyncio.wait_for(run_in_thread(stop), 10)


async def test_the_caller_s_context_is_there_and_what_is_set_there_stays_there(limits):
    def work():
        found = value.get()
        value.set("of the thread")
        return found

    token = value.set("of the caller")
    try:
        assert await run_in_thread(work) == "of the caller"
        assert value.get() == "of the caller"
    finally:
        value.reset(token)
    assert await run_in_thread(value.get) == "none", "nor does it stay in the thread"


async def test_the_current_user_is_that_of_the_caller(limits):
    with impersonate(User(pk=7)):
        assert (await run_in_thread(get_current_user)).pk == 7
    assert await run_in_thread(get_current_user) is None


async def test_no_more_calls_run_than_there_are_threads(limits, gate):
    limits(TASK_THREADS=2)
    calls = [asyncio.create_task(run_in_thread(gate)) for _ in range(5)]
    await until(lambda: tasks.statistics().threads.running == 2)

    assert tasks.statistics().threads.waiting == 3
    gate.opened.set()
    assert len(set(await asyncio.gather(*calls))) == 2


async def test_one_too_many_is_refused_and_the_error_names_the_settings(limits, gate):
    limits(TASK_THREADS=1, TASK_QUEUE=2)
    calls = [asyncio.create_task(run_in_thread(gate)) for _ in range(3)]
    await until(lambda: tasks.statistics().threads.waiting == 2)

    with pytest.raises(CapacityError) as error:
        await run_in_thread(gate)

    assert "run_in_thread() has 1 call(s) under way and 2 that wait" in str(error.value)
    assert 'SPLIT_DEPLOY["TASK_THREADS"] and ["TASK_QUEUE"]' in str(error.value)
    assert tasks.statistics().threads.refused == 1
    gate.opened.set()
    await asyncio.gather(*calls)
    await run_in_thread(int)  # there is room again


async def test_who_is_cancelled_while_it_waits_gives_its_place_up(limits, gate):
    limits(TASK_THREADS=1, TASK_QUEUE=1)
    ran = []
    first = asyncio.create_task(run_in_thread(gate))
    await until(gate.entered.is_set)
    second = asyncio.create_task(run_in_thread(ran.append, 2))
    await until(lambda: tasks.statistics().threads.waiting == 1)

    second.cancel()
    await asyncio.wait({second})
    third = asyncio.create_task(run_in_thread(ran.append, 3))
    gate.opened.set()
    await asyncio.gather(first, third)

    assert ran == [3]
    assert tasks.statistics().threads.cancelled == 1


async def test_what_runs_when_its_caller_is_cancelled_keeps_its_place_to_its_end(limits, gate):
    limits(TASK_THREADS=1, TASK_QUEUE=1)
    call = asyncio.create_task(run_in_thread(gate))
    await until(gate.entered.is_set)
    call.cancel()
    await asyncio.wait({call})

    assert tasks.statistics().threads.running == 1
    gate.opened.set()
    await until(lambda: tasks.statistics().threads.succeeded == 1)


async def test_an_error_that_nobody_waits_for_any_more_is_logged(limits, gate, caplog):
    call = asyncio.create_task(run_in_thread(gate, ValueError("too late")))
    await until(gate.entered.is_set)
    call.cancel()
    await asyncio.wait({call})
    gate.opened.set()
    await until(lambda: caplog.records)

    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "Gate failed, after its caller had been cancelled." in record.message
    assert "too late" in str(record.exc_info[1])


async def test_it_counts_as_one_thread_hop_of_its_caller(limits):
    counted = hops.Hops()
    with hops.counted_into(counted):
        await run_in_thread(int)

    assert counted.count == 1
    (site,) = counted.sites
    assert site.called == "builtins.int"
    assert site.caller.endswith(" in test_it_counts_as_one_thread_hop_of_its_caller")


@pytest.mark.django_db(transaction=True)
async def test_a_connection_is_closed_after_the_call(limits):
    limits(TASK_THREADS=1)

    def is_open():
        was_open = connection.connection is not None
        connection.ensure_connection()
        return was_open

    assert not await run_in_thread(is_open)
    assert not await run_in_thread(is_open)


@pytest.mark.django_db(transaction=True)
async def test_a_transaction_that_is_left_open_is_rolled_back_and_logged(limits, caplog):
    limits(TASK_THREADS=1)

    def leave_it_open():
        connection.set_autocommit(False)
        return connection.connection

    def is_open():
        return connection.connection is not None

    await run_in_thread(leave_it_open)
    assert not await run_in_thread(is_open)
    assert "was never ended by a call of tests.tasks.test_run_in_thread" in caplog.text


async def test_an_async_function_is_refused_with_the_way_out(limits):
    async def work():
        pass

    with pytest.raises(TypeError, match=r"work is async: await it, or give it to background\(\)"):
        await run_in_thread(work)


async def test_a_generator_among_the_arguments_does_not_keep_the_thread(limits):
    limits(TASK_THREADS=1)
    numbers = (number for number in range(3))

    assert await run_in_thread(next, numbers) == 0
    assert await asyncio.wait_for(run_in_thread(int), 10) == 0
    assert next(numbers) == 1


async def test_nothing_of_a_call_is_kept_when_it_is_over(limits):
    class Something:
        pass

    something = Something()
    gone = weakref.ref(something)
    token = value.set(something)
    await run_in_thread(id, something)
    value.reset(token)
    del something, token
    await until(lambda: gc.collect() >= 0 and gone() is None)


def leases():
    gc.collect()
    return [each for each in gc.get_objects() if isinstance(each, Lease)]


async def test_a_call_leaves_its_thread_when_it_is_over(limits):
    limits(TASK_THREADS=1)
    of_other_tests = weakref.WeakSet(leases())
    for _ in range(5):
        await run_in_thread(int)
    assert not [each for each in leases() if each not in of_other_tests]


async def test_at_shutdown_what_runs_has_its_time_and_nothing_new_begins(limits, gate):
    async with tasks.offloading():
        call = asyncio.create_task(run_in_thread(gate))
        await until(gate.entered.is_set)
        asyncio.get_running_loop().call_later(0.05, gate.opened.set)
    assert await call


async def test_at_shutdown_what_takes_too_long_is_named_and_left_behind(limits, gate, caplog):
    limits(DRAIN_TIMEOUT=0.05)
    async with tasks.offloading():
        call = asyncio.create_task(run_in_thread(gate))
        await until(gate.entered.is_set)

    assert "1 call(s) of run_in_thread() did not end in 0.05 s." in caplog.text
    gate.opened.set()
    await call
