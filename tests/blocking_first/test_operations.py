"""Blocking operations side by side."""

import asyncio
import contextvars
import random
import threading
import time

import pytest
from asgiref.sync import async_to_sync

from split_deploy import blocking_first, io, parallel_ops
from tests.blocking_first.conftest import until
from tests.blocking_first.test_sections import Gate, is_in_pool, on_loop, thread

pytestmark = pytest.mark.asyncio

variable = contextvars.ContextVar("variable", default="none")


def fail(error):
    raise error


async def test_they_run_side_by_side_while_the_body_goes_on(pool_of):
    pool_of(3)
    together = threading.Barrier(3)

    @blocking_first
    async def view():
        async with parallel_ops() as ops:
            first = ops.run(together.wait, 10)
            second = ops.run(together.wait, timeout=10)
            together.wait(10)
        return first.result(), second.result()

    assert set(await view()) < {0, 1, 2}


@pytest.mark.parametrize("size", [1, 2, 8])
async def test_any_number_of_threads_is_enough(pool_of, size):
    pool_of(size)

    @blocking_first
    async def view(number):
        async with parallel_ops() as ops:
            handles = [ops.run(pow, number, exponent) for exponent in range(5)]
            async with parallel_ops() as inner:
                nested = inner.run(thread)
            assert nested.result()
        assert is_in_pool()
        return [handle.result() for handle in handles]

    async with asyncio.timeout(10):
        found = await asyncio.gather(*map(view, range(20)))
    assert found == [[number**exponent for exponent in range(5)] for number in range(20)]


async def test_an_operation_can_be_awaited_before_the_end(pool_of):
    pool_of(1)

    @blocking_first
    async def view():
        async with parallel_ops() as ops:
            handle = ops.run(thread)
            # With one thread it has not begun: to wait for it gives this one back.
            assert (await handle).startswith("split-deploy-")
            assert is_in_pool()
            assert handle.result() == await handle
        return True

    async with asyncio.timeout(10):
        assert await view()


async def test_a_result_before_the_end_is_an_error_that_says_so(pool_of):
    pool_of(2)

    @blocking_first
    async def view():
        async with parallel_ops() as ops:
            handle = ops.run(thread)
            with pytest.raises(RuntimeError, match="thread may be running still"):
                handle.result()

    await view()


async def test_from_a_section_and_around_one(pool_of):
    pool_of(1)

    @blocking_first
    async def view():
        async with parallel_ops() as ops:
            first = ops.run(is_in_pool)
            async with io:
                second = ops.run(is_in_pool)
                assert await second
                assert on_loop()
                async with parallel_ops() as inner:
                    third = inner.run(is_in_pool)
                assert on_loop()
        assert is_in_pool()
        return first.result(), second.result(), third.result()

    async with asyncio.timeout(10):
        assert await view() == (True, True, True)


async def test_handles_can_be_gathered_in_a_section(pool_of):
    pool_of(1)

    @blocking_first
    async def view():
        async with parallel_ops() as ops:
            handles = [ops.run(pow, 2, number) for number in range(4)]
            async with io:
                gathered = await asyncio.gather(*handles)
        return gathered, [handle.result() for handle in handles]

    async with asyncio.timeout(10):
        assert await view() == ([1, 2, 4, 8],) * 2
    assert await asyncio.to_thread(async_to_sync(view)) == ([1, 2, 4, 8],) * 2


async def test_they_have_a_copy_of_the_contextvars(pool_of):
    pool_of(2)

    def change():
        seen = variable.get()
        variable.set("operation")
        return seen

    @blocking_first
    async def view():
        variable.set("view")
        async with parallel_ops() as ops:
            handle = ops.run(change)
            variable.set("later")
        return handle.result(), variable.get()

    assert await view() == ("view", "later")


# Errors


async def test_all_errors_are_raised_together_with_the_body_s_own(pool_of):
    pool_of(2)
    ran = []

    @blocking_first
    async def view():
        async with parallel_ops() as ops:
            ops.run(fail, LookupError("first"))
            ops.run(fail, OSError("second"))
            ops.run(ran.append, "also")
            raise ValueError("body")

    with pytest.raises(ExceptionGroup) as caught:
        await view()
    assert [str(error) for error in caught.value.exceptions] == ["body", "first", "second"]
    assert caught.value.exceptions[1].__traceback__
    assert ran == ["also"]


async def test_an_error_of_the_body_alone_is_raised_as_it_is(pool_of):
    """So that an ``Http404`` stays a 404."""
    pool_of(2)

    @blocking_first
    async def view():
        async with parallel_ops() as ops:
            ops.run(thread)
            raise LookupError("body")

    with pytest.raises(LookupError, match="body"):
        await view()


async def test_the_result_of_one_that_failed_is_its_error(pool_of):
    pool_of(2)

    @blocking_first
    async def view():
        try:
            async with parallel_ops() as ops:
                failed, worked = ops.run(fail, LookupError("it")), ops.run(thread)
        except* LookupError:
            pass
        with pytest.raises(LookupError, match="it"):
            failed.result()
        return worked.result()

    assert await view()


async def test_an_error_that_was_caught_where_it_was_awaited_is_not_raised_again(pool_of):
    pool_of(1)

    @blocking_first
    async def view():
        async with parallel_ops() as ops:
            handle = ops.run(fail, LookupError("it"))
            with pytest.raises(LookupError, match="it"):
                await handle
        return "went on"

    assert await view() == "went on"


async def test_an_error_that_was_awaited_and_not_caught_is_raised_once(pool_of):
    pool_of(1)

    @blocking_first
    async def view():
        async with parallel_ops() as ops:
            await ops.run(fail, LookupError("it"))

    with pytest.raises(LookupError, match="it"):
        await view()


async def test_outside_of_a_blocking_first_coroutine_it_is_an_error():
    with pytest.raises(RuntimeError, match="decorate the view with @blocking_first"):
        async with parallel_ops():
            pass


async def test_nothing_begins_after_the_end(pool_of):
    pool_of(1)

    @blocking_first
    async def view():
        async with parallel_ops() as ops:
            pass
        with pytest.raises(RuntimeError, match="for the body of"):
            ops.run(thread)

    await view()


async def test_below_async_to_sync_they_run_in_the_caller_s_thread(pool_of):
    @blocking_first
    async def view():
        async with parallel_ops() as ops:
            handles = [ops.run(thread) for _ in range(3)]
            early = await ops.run(thread)
        return {thread(), early, *(handle.result() for handle in handles)}

    def caller():
        return thread(), async_to_sync(view)()

    here, there = await asyncio.to_thread(caller)
    assert there == {here}


# Cancellation


async def test_a_cancellation_drops_what_has_not_begun_and_waits_for_the_rest(pool_of):
    used = pool_of(1)
    gate, ran, seen = Gate(), [], []

    def first():
        gate()
        ran.append("first")

    @blocking_first
    async def view():
        try:
            async with parallel_ops() as ops:
                ops.run(first)
                ops.run(ran.append, "never")
        finally:
            seen.append((is_in_pool(), list(ran)))

    task = asyncio.create_task(view())
    await until(gate.entered.is_set)
    task.cancel()
    await asyncio.sleep(0.01)
    assert not task.done()
    gate.opened.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == [(True, ["first"])]
    await until(lambda: used.statistics().busy == used.statistics().waiting == 0)


async def test_a_cancellation_of_the_body_drops_what_has_not_begun(pool_of):
    pool_of(1)
    gate, ran, begun = Gate(), [], asyncio.Event()

    @blocking_first
    async def view():
        async with io, parallel_ops() as ops:
            ops.run(gate)
            ops.run(ran.append, "never")
            begun.set()
            await asyncio.sleep(3600)

    task = asyncio.create_task(view())
    await begun.wait()
    await until(gate.entered.is_set)
    task.cancel()
    await asyncio.sleep(0.01)
    assert not task.done()
    gate.opened.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not ran


@pytest.mark.parametrize("where", ["in a section", "at the end"])
async def test_an_error_that_gives_way_to_a_cancellation_is_logged(pool_of, caplog, where):
    pool_of(2)
    gate = Gate()

    def late():
        gate()
        raise LookupError("late")

    @blocking_first
    async def view():
        async with parallel_ops() as ops:
            ops.run(late)
            if where == "in a section":
                async with io:
                    await asyncio.sleep(3600)

    task = asyncio.create_task(view())
    await until(gate.entered.is_set)
    task.cancel()
    await asyncio.sleep(0.01)
    gate.opened.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    (record,) = [each for each in caplog.records if each.name == "split_deploy.coroutines"]
    assert "late" in str(record.exc_info[1])


async def test_a_generator_that_is_closed_drops_what_has_not_begun_and_waits_for_the_rest(pool_of):
    pool_of(2)
    gates, ran = [Gate(), Gate()], []

    @blocking_first
    async def items():
        async with io, parallel_ops() as ops:
            for gate in gates:
                ops.run(gate)
            ops.run(ran.append, "never")
            yield 1

    generator = items()
    assert await anext(generator) == 1
    await until(lambda: all(gate.entered.is_set() for gate in gates))
    closing = asyncio.create_task(generator.aclose())
    await asyncio.sleep(0.01)
    assert not closing.done()
    for gate in gates:
        gate.opened.set()
    await closing
    assert not ran


async def test_a_storm_of_cancellations_leaves_nothing(pool_of):
    used = pool_of(3)
    chance = random.Random(7)
    running = []

    def work(seconds):
        running.append(1)
        time.sleep(seconds)
        running.pop()
        if seconds < 0.0005:
            raise LookupError

    @blocking_first
    async def view():
        try:
            async with parallel_ops() as ops:
                handles = [ops.run(work, chance.random() / 200) for _ in range(3)]
                if chance.random() < 0.5:
                    await handles[1]
                async with io:
                    await asyncio.sleep(chance.random() / 50)
        except* LookupError:
            pass

    async def cancelled():
        task = asyncio.create_task(view())
        await asyncio.sleep(chance.random() / 5)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() or not task.exception(), task.exception()

    async with asyncio.timeout(60):
        await asyncio.gather(*(cancelled() for _ in range(150)))
    await until(lambda: used.statistics().busy == used.statistics().waiting == 0)
    assert not running
    assert all(not worker.leases and not worker.queue for worker in used._workers)
    assert len(asyncio.all_tasks()) == 1
