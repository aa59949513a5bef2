"""Where the parts of a blocking-first coroutine run, and what goes in and out of them."""

import asyncio
import contextvars
import functools
import gc
import random
import threading
import time
import traceback
import weakref
from contextlib import contextmanager, suppress
from unittest import mock

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from blockbuster import BlockingError
from django.test import RequestFactory
from django.utils import translation
from django.views import View

from split_deploy import blocking, blocking_first, hops, io, parallel_ops, pool, read_body
from split_deploy.pool import Lease, PooledContext, ThreadPool
from tests.blocking_first.conftest import until

pytestmark = pytest.mark.asyncio

variable = contextvars.ContextVar("variable", default="none")


def thread():
    return threading.current_thread().name


def is_in_pool():
    return thread().startswith("split-deploy-")


def on_loop():
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class Gate:
    """A call that stands still until it is opened."""

    def __init__(self):
        self.entered = threading.Event()
        self.opened = threading.Event()

    def __call__(self):
        self.entered.set()
        assert self.opened.wait(10)


@contextmanager
def as_the_project():
    """Let this module be the project's code, and no test."""
    with (
        mock.patch("split_deploy.blocking.project_code", return_value=[__file__]),
        mock.patch("split_deploy.blocking.tests_in", return_value=[]),
    ):
        yield


async def test_it_blocks_in_a_thread_and_its_sections_are_on_the_loop(pool_of):
    pool_of(1)
    loop = asyncio.get_running_loop()

    @blocking_first
    async def view():
        seen = [(is_in_pool(), on_loop())]
        async with io:
            seen.append((is_in_pool(), on_loop()))
            assert asyncio.get_running_loop() is loop
            await asyncio.sleep(0.001)
            await asyncio.sleep(0)
        seen.append((is_in_pool(), on_loop()))
        return seen

    assert await view() == [(True, False), (False, True), (True, False)]


async def test_it_is_a_coroutine_function_with_the_view_s_name():
    @blocking_first
    async def view():
        """What it is for."""

    assert asyncio.iscoroutinefunction(view)
    assert (view.__name__, view.__doc__) == ("view", "What it is for.")


@pytest.mark.parametrize("function", [lambda: None, time.sleep, functools.partial(print)])
async def test_what_is_not_async_is_refused(function):
    with pytest.raises(TypeError, match="is for `async def`"):
        blocking_first(function)


async def test_an_async_class_s_view_and_a_partial_are_async(pool_of):
    pool_of(1)

    class Handlers(View):
        async def get(self, request):
            return is_in_pool()

    async def view(request, *, seen):
        return seen, is_in_pool()

    request = RequestFactory().get("/")
    assert await blocking_first(Handlers.as_view())(request)
    assert await blocking_first(functools.partial(view, seen=1))(request) == (1, True)


async def test_arguments_and_result_pass():
    @blocking_first(pool=ThreadPool(1))
    async def view(*args, **kwargs):
        async with io:
            await asyncio.sleep(0)
        return args, kwargs

    assert await view(1, two=2) == ((1,), {"two": 2})


async def test_the_thread_is_free_during_a_section(pool_of):
    pool_of(1)
    inside, everybody = [], asyncio.Event()

    @blocking_first
    async def view(number):
        async with io:
            inside.append(number)
            if len(inside) == 50:
                everybody.set()
            await everybody.wait()
        return thread()

    async with asyncio.timeout(10):
        assert len(set(await asyncio.gather(*map(view, range(50))))) == 1


async def test_no_more_threads_than_the_pool_has(pool_of):
    pool_of(3)
    running, most, lock = 0, 0, threading.Lock()

    @blocking_first
    async def view():
        nonlocal running, most
        for _ in range(3):
            with lock:
                running += 1
                most = max(most, running)
            time.sleep(0.001)  # noqa: ASYNC251
            with lock:
                running -= 1
            async with io:
                await asyncio.sleep(0.001)

    await asyncio.gather(*(view() for _ in range(40)))
    assert most == 3


async def test_a_pool_of_its_own(pool_of):
    everybody_s = pool_of(1)
    own = ThreadPool(1)

    @blocking_first(pool=own)
    async def view():
        return thread()

    assert await view()
    assert everybody_s.statistics().calls == 0
    assert own.statistics().calls == 1
    await asyncio.wrap_future(own.close())
    # As after a fork, or in the second instance that a test starts.
    assert await view()


async def test_a_pool_of_its_own_ends_with_the_instance(pool_of):
    pool_of(1)
    own = ThreadPool(1)

    @blocking_first(pool=own)
    async def view():
        return threading.current_thread()

    for _ in range(2):
        async with pool.running():
            used = await view()
            assert used.is_alive()
        used.join(10)
        assert not used.is_alive()
    assert own.is_closed


async def test_a_fork_has_a_pool_of_its_own_too(pool_of):
    own = ThreadPool(1)
    ThreadPool.after_fork()

    @blocking_first(pool=own)
    async def view():
        return thread()

    async with asyncio.timeout(10), pool.running():
        assert await view()


async def test_helpers_have_sections_of_their_own(pool_of):
    pool_of(1)

    async def inner(depth):
        assert is_in_pool()
        async with io:
            await asyncio.sleep(0)
            async with io:
                await asyncio.sleep(0)
            assert on_loop()
            if depth:
                await in_io()
        assert is_in_pool()
        return await inner(depth - 1) if depth else "the end"

    async def in_io():
        async with io:
            await asyncio.sleep(0)
        assert on_loop()

    @blocking_first
    async def view():
        return await inner(3)

    assert await view() == "the end"


async def test_one_in_the_other(pool_of):
    pool_of(1)

    @blocking_first
    async def inner():
        assert is_in_pool()
        async with io:
            await asyncio.sleep(0)
        variable.set("inner")
        return is_in_pool()

    @blocking_first
    async def view():
        found = [await inner()]
        async with io:
            found.append(await inner())
            found += await asyncio.gather(inner(), inner())
            assert on_loop()
        found.append(is_in_pool())
        return found, variable.get()

    async with asyncio.timeout(10):
        assert await view() == ([True] * 5, "inner")


async def test_a_task_of_a_section_may_use_sections_too(pool_of):
    """It is on the loop already, and must not end or begin those of the view."""
    pool_of(1)

    async def helper():
        async with io:
            await asyncio.sleep(0.001)
        async with io:
            await asyncio.sleep(0.01)
        return on_loop()

    @blocking_first
    async def view():
        async with io:
            task = asyncio.create_task(helper())
            await asyncio.sleep(0.005)
        assert is_in_pool()
        async with io:
            assert await task
        return is_in_pool()

    assert await view()


async def test_on_the_loop_io_does_nothing():
    async with io:
        assert on_loop()


async def test_io_without_a_loop_says_what_is_missing():
    async def helper():
        async with io:
            pass

    def in_thread():
        with pytest.raises(RuntimeError, match="decorate the view with @blocking_first"):
            helper().send(None)

    await asyncio.to_thread(in_thread)


@pytest.mark.parametrize("how", ["future", "task", "sleep(0)"])
async def test_what_has_to_wait_outside_of_io_is_an_error_there(pool_of, how):
    pool_of(1)
    future = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(asyncio.sleep(0.01))

    @blocking_first
    async def view():
        with pytest.raises(RuntimeError, match="Outside `async with io:`"):
            await (asyncio.sleep(0) if how == "sleep(0)" else {"future": future, "task": task}[how])
        assert is_in_pool()
        return "went on"

    assert await view() == "went on"
    await task


async def test_the_guards_look_at_the_sections_alone(pool_of):
    pool_of(1)

    @blocking_first
    async def view():
        time.sleep(0.001)  # noqa: ASYNC251
        async with io:
            with pytest.raises(BlockingError, match=r"time\.sleep"):
                time.sleep(0.001)  # noqa: ASYNC251
        time.sleep(0.001)  # noqa: ASYNC251
        return True

    with as_the_project(), blocking.guard():
        assert await view()


async def test_what_need_not_wait_may_be_awaited_anywhere(pool_of):
    pool_of(1)
    future = asyncio.get_running_loop().create_future()
    future.set_result("done")

    async def helper():
        return "returned"

    @blocking_first
    async def view():
        return await helper(), await future

    assert await view() == ("returned", "done")


async def test_an_error_of_asyncio_outside_of_io_has_a_note(pool_of):
    pool_of(1)

    @blocking_first
    async def view():
        await asyncio.sleep(0.01)

    with pytest.raises(RuntimeError) as caught:
        await view()
    assert "async with io:" in caught.value.__notes__[0]


async def test_what_a_request_brings_is_never_read_on_the_loop(pool_of):
    pool_of(1)
    read = []

    class Request:
        @property
        def body(self):
            read.append(on_loop())
            return b"body"

    @blocking_first
    async def view():
        async with io:
            inside = await read_body(Request())
            assert on_loop()
        return inside, await read_body(Request())

    async with asyncio.timeout(10), PooledContext():
        assert await view() == (b"body", b"body")
        assert await read_body(Request()) == b"body"
    assert read == [False, False, False]


# Errors, return and finally


@pytest.mark.parametrize("where", ["before", "inside", "after"])
async def test_an_error_has_the_traceback_of_where_it_was_raised(pool_of, where):
    pool_of(1)

    def fail(here):
        if here == where:
            raise LookupError(here)

    @blocking_first
    async def view():
        fail("before")
        async with io:
            await asyncio.sleep(0)
            fail("inside")
        fail("after")

    with pytest.raises(LookupError, match=where) as caught:
        await view()
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names[-2:] == ["view", "fail"]


async def test_return_and_finally_in_and_around_sections(pool_of):
    pool_of(1)
    seen = []

    @blocking_first
    async def view():
        try:
            for number in range(10):
                async with io:
                    await asyncio.sleep(0)
                    if number == 3:
                        return number
        finally:
            seen.append(is_in_pool())
            async with io:
                await asyncio.sleep(0)
                seen.append(on_loop())
            seen.append(is_in_pool())

    assert await view() == 3
    assert seen == [True, True, True]


async def test_an_error_of_a_section_can_be_caught_around_it(pool_of):
    pool_of(1)

    @blocking_first
    async def view():
        caught = []
        for _ in range(3):
            try:
                async with io:
                    await asyncio.sleep(0)
                    raise LookupError
            except LookupError:
                caught.append(is_in_pool())
        return caught

    assert await view() == [True] * 3


async def test_a_timeout_inside_a_section(pool_of):
    pool_of(1)

    @blocking_first
    async def view():
        try:
            async with io, asyncio.timeout(0.001):
                await asyncio.sleep(3600)
        except TimeoutError:
            return is_in_pool()

    assert await view()


async def test_nothing_holds_on_to_what_it_raised_or_returned(pool_of):
    pool_of(1)

    class Thing:
        pass

    @blocking_first
    async def view(*, fails):
        thing = Thing()
        things.append(weakref.ref(thing))
        async with io:
            await asyncio.sleep(0)
        if fails:
            raise LookupError(thing)
        return thing

    things = []
    gc.disable()
    try:
        await view(fails=False)
        with suppress(LookupError):
            await view(fails=True)
        await until(lambda: [each() for each in things] == [None, None])
    finally:
        gc.enable()


# ContextVars


async def test_contextvars_go_both_ways(pool_of):
    pool_of(1)
    variable.set("caller")

    @blocking_first
    async def view():
        seen = [variable.get()]
        token = variable.set("thread")
        async with io:
            seen.append(variable.get())
            inner = variable.set("loop")
            await asyncio.sleep(0)
        seen.append(variable.get())
        variable.reset(inner)  # set on the loop, reset in a thread
        seen.append(variable.get())
        async with io:
            variable.reset(token)  # the other way round
        seen.append(variable.get())
        variable.set("view")
        return seen

    assert await view() == ["caller", "thread", "loop", "thread", "caller"]
    assert variable.get() == "view"


async def test_those_of_concurrent_ones_are_apart(pool_of):
    pool_of(2)

    @blocking_first
    async def view(number):
        variable.set(number)
        for _ in range(5):
            async with io:
                assert variable.get() == number
                await asyncio.sleep(0.001)
            assert variable.get() == number

    await asyncio.gather(*map(view, range(50)))
    assert variable.get() == "none"


async def test_the_active_language_goes_both_ways(pool_of):
    """It is in a Local of asgiref's, whose content belongs to one thread."""
    pool_of(2)

    @blocking_first
    async def view():
        seen = [translation.get_language()]
        translation.activate("fr")
        async with io:
            seen.append(translation.get_language())
            await asyncio.sleep(0)
            translation.activate("it")
        seen.append(translation.get_language())
        return seen

    with translation.override("de"):
        assert await view() == ["de", "fr", "it"]
        assert translation.get_language() == "it"


# Together with asgiref


async def test_it_is_no_thread_hop(pool_of):
    pool_of(2)
    counted = hops.Hops()

    @blocking_first
    async def view():
        async with io:
            await asyncio.sleep(0)

    with hops.counted_into(counted):
        async with PooledContext():
            await view()
    assert counted.count == 0


async def test_async_to_sync_in_a_part_runs_on_the_instance_s_loop_and_comes_back(pool_of):
    pool_of(1)
    loop = asyncio.get_running_loop()

    async def helper():
        assert asyncio.get_running_loop() is loop
        return await sync_to_async(thread)()

    @blocking_first
    async def view():
        return thread() == async_to_sync(helper)()

    async with asyncio.timeout(10), PooledContext():
        assert await view()


@pytest.mark.parametrize("share", [True, False])
async def test_a_request_that_used_a_thread_before_does_not_wait_for_itself(pool_of, share):
    pool_of(2, share=share)

    @blocking_first
    async def view():
        async with io:
            await sync_to_async(thread)()
        return is_in_pool()

    async def request():
        async with PooledContext():
            await sync_to_async(thread)()
            await asyncio.sleep(0.01)
            return await view()

    async with asyncio.timeout(10):
        assert all(await asyncio.gather(*(request() for _ in range(10))))


async def test_below_async_to_sync_it_runs_in_the_caller_s_thread():
    @blocking_first
    async def view():
        found = [thread()]
        async with io:
            await asyncio.sleep(0)
            found.append(thread())
        found.append(thread())
        return found

    def caller():
        return thread(), *async_to_sync(view)()

    here, first, loop_s, last = await asyncio.to_thread(caller)
    assert first == here == last != loop_s


async def test_a_sync_caller_in_the_pool_has_its_own_thread_used(pool_of):
    pool_of(1)

    @blocking_first
    async def view():
        async with io:
            await asyncio.sleep(0)
        return thread()

    def sync_view():
        return thread(), async_to_sync(view)()

    async with asyncio.timeout(10), PooledContext():
        here, there = await sync_to_async(sync_view)()
    assert here == there


# Cancellation


async def test_a_cancellation_in_a_section_is_delivered_there_and_cleaned_up_in_a_thread(pool_of):
    used = pool_of(1)
    seen, begun = [], asyncio.Event()

    @blocking_first
    async def view():
        try:
            async with io:
                begun.set()
                try:
                    await asyncio.sleep(3600)
                finally:
                    seen.append(on_loop())
        finally:
            seen.append(is_in_pool())

    task = asyncio.create_task(view())
    await begun.wait()
    task.cancel("gone")
    with pytest.raises(asyncio.CancelledError, match="gone"):
        await task
    assert seen == [True, True]
    await until(lambda: used.statistics().busy == 0)


async def test_a_cancellation_in_a_thread_is_delivered_at_the_next_switch(pool_of):
    used = pool_of(1)
    gate, seen = Gate(), []

    @blocking_first
    async def view():
        try:
            gate()
            seen.append("the part goes on")
            async with io:
                seen.append("never")
        finally:
            seen.append(is_in_pool())

    task = asyncio.create_task(view())
    await until(gate.entered.is_set)
    task.cancel()
    task.cancel()
    await asyncio.sleep(0.01)
    assert not task.done()
    gate.opened.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["the part goes on", True]
    await until(lambda: used.statistics().busy == 0)


async def test_a_cancellation_in_the_last_part_is_delivered_at_its_end(pool_of):
    pool_of(1)
    gate = Gate()

    @blocking_first
    async def view():
        gate()
        return "never seen"

    task = asyncio.create_task(view())
    await until(gate.entered.is_set)
    task.cancel()
    gate.opened.set()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_in_the_last_part_comes_before_a_cancellation(pool_of):
    pool_of(1)
    gate = Gate()

    @blocking_first
    async def view():
        gate()
        raise LookupError

    task = asyncio.create_task(view())
    await until(gate.entered.is_set)
    task.cancel()
    gate.opened.set()
    with pytest.raises(LookupError):
        await task


async def test_one_that_is_cancelled_before_it_has_a_thread_never_begins(pool_of):
    used = pool_of(1)
    gate, ran = Gate(), []
    first = asyncio.wrap_future(Lease(used).submit(gate))

    @blocking_first
    async def view():
        ran.append(1)

    tasks = [asyncio.create_task(view()) for _ in range(20)]
    await until(lambda: used.statistics().waiting == 20)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert used.statistics().waiting == 0
    assert all(task.cancelled() for task in tasks)
    gate.opened.set()
    await first
    assert not ran


async def test_one_that_is_cancelled_while_it_waits_for_a_thread_again_cleans_up_in_it(pool_of):
    used = pool_of(1)
    gate, seen = Gate(), []
    in_section, go_on = asyncio.Event(), asyncio.Event()

    @blocking_first
    async def view():
        try:
            async with io:
                in_section.set()
                await go_on.wait()
            seen.append("never")
        finally:
            seen.append(is_in_pool())

    task = asyncio.create_task(view())
    await in_section.wait()
    first = asyncio.wrap_future(Lease(used).submit(gate))
    await until(gate.entered.is_set)
    go_on.set()
    await until(lambda: used.statistics().waiting == 1)
    task.cancel()
    await asyncio.sleep(0.01)
    assert not task.done()
    gate.opened.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    await first
    assert seen == [True]


async def test_a_cancellation_that_is_caught_is_over(pool_of):
    pool_of(1)
    gate = Gate()

    @blocking_first
    async def view():
        gate()
        try:
            async with io:
                pass
        except asyncio.CancelledError:
            asyncio_s = "caught"
        async with io:
            await asyncio.sleep(0)
        return asyncio_s

    task = asyncio.create_task(view())
    await until(gate.entered.is_set)
    task.cancel()
    gate.opened.set()
    assert await task == "caught"


async def test_an_error_of_reading_does_not_hide_a_cancellation_from_a_section(pool_of):
    pool_of(1)
    gate = Gate()

    class Request:
        @property
        def body(self):
            gate()
            raise LookupError

    @blocking_first
    async def view():
        async with io:
            try:
                await read_body(Request())
            except LookupError:
                await asyncio.Event().wait()

    task = asyncio.create_task(view())
    await until(gate.entered.is_set)
    task.cancel()
    await asyncio.sleep(0)
    gate.opened.set()
    await asyncio.wait([task], timeout=10)
    assert task.cancelled()


async def test_a_timeout_around_it(pool_of):
    pool_of(1)
    gate, seen = Gate(), []

    @blocking_first
    async def view():
        try:
            gate()
            async with io:
                seen.append("never")
        finally:
            seen.append(is_in_pool())

    asyncio.get_running_loop().call_later(0.1, gate.opened.set)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await view()
    assert seen == [True]


async def test_one_whose_pool_is_shut_down_meanwhile_comes_to_its_end(pool_of):
    used = pool_of(1)
    seen, in_section, go_on = [], asyncio.Event(), asyncio.Event()

    @blocking_first
    async def view():
        try:
            async with io:
                in_section.set()
                await go_on.wait()
        finally:
            seen.append(on_loop())

    task = asyncio.create_task(view())
    await in_section.wait()
    await asyncio.wrap_future(used.close())
    go_on.set()
    with pytest.raises(RuntimeError, match="shut down"):
        await task
    assert seen == [False]


async def test_one_that_is_closed_in_a_section_is_closed_at_once(pool_of):
    pool_of(1)
    seen = []

    @blocking_first
    async def view():
        try:
            async with io:
                await asyncio.sleep(3600)
        finally:
            seen.append("closed")

    async def by_hand():
        coroutine = view()
        waited_for = coroutine.send(None)
        while not waited_for.done():
            await asyncio.sleep(0.001)
        waited_for = coroutine.send(None)
        waited_for.cancel()
        coroutine.close()

    await by_hand()
    assert seen == ["closed"]


async def test_one_that_is_closed_while_a_thread_runs_it_is_closed_there(pool_of):
    pool_of(1)
    gate, seen = Gate(), []

    @blocking_first
    async def view():
        try:
            gate()
            async with io:
                seen.append("never")
        finally:
            seen.append(is_in_pool())

    coroutine = view()
    coroutine.send(None)
    await until(gate.entered.is_set)
    coroutine.close()
    assert not seen
    gate.opened.set()
    await until(lambda: seen == [True])


# Asynchronous generators


async def test_the_items_of_a_generator(pool_of):
    pool_of(1)
    seen = []

    @blocking_first
    async def items():
        try:
            for number in range(3):
                seen.append(is_in_pool())
                async with io:
                    await asyncio.sleep(0)
                    yield number
                    seen.append(on_loop())
        finally:
            seen.append("end")

    assert [item async for item in items()] == [0, 1, 2]
    assert seen == [True, True] * 3 + ["end"]


async def test_a_generator_that_is_left_early_is_cleaned_up_in_a_thread(pool_of):
    pool_of(1)
    seen = []

    @blocking_first
    async def items():
        try:
            yield 1
            yield 2
        finally:
            seen.append(is_in_pool())

    generator = items()
    assert await anext(generator) == 1
    await generator.aclose()
    assert seen == [True]


async def test_one_that_is_left_in_a_section_is_cleaned_up_in_a_thread_too(pool_of):
    pool_of(2)
    gate, seen = Gate(), []

    @blocking_first
    async def items():
        try:
            async with io:
                try:
                    yield 1
                finally:
                    seen.append(on_loop())
            seen.append("never")
        finally:
            seen.append(is_in_pool())
            async with parallel_ops() as ops:
                handle = ops.run(gate)
            seen.append(handle.result())

    generator = items()
    assert await anext(generator) == 1
    gate.opened.set()
    await generator.aclose()
    assert seen == [True, True, None]


@pytest.mark.parametrize("times", [1, 2])
async def test_one_that_is_cancelled_while_it_waits_for_a_thread_is_cleaned_up_in_one(
    pool_of, times
):
    used = pool_of(1)
    gate, seen = Gate(), []

    @blocking_first
    async def items():
        try:
            yield 1
            seen.append("never")
        finally:
            seen.append(is_in_pool())

    async def read_on(generator):
        try:
            return [item async for item in generator]
        finally:
            await generator.aclose()

    generator = items()
    assert await anext(generator) == 1
    first = asyncio.wrap_future(Lease(used).submit(gate))
    await until(gate.entered.is_set)
    task = asyncio.create_task(read_on(generator))
    for _ in range(times):
        await until(lambda: used.statistics().waiting == 1)
        task.cancel()
        await asyncio.sleep(0.01)
    assert not seen
    gate.opened.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    await first
    assert seen == [True]


async def test_one_that_is_cancelled_before_its_first_item_needs_no_thread(pool_of):
    used = pool_of(1)
    gate, seen = Gate(), []
    first = asyncio.wrap_future(Lease(used).submit(gate))

    @blocking_first
    async def items():
        seen.append("never")
        yield 1

    async def read():
        return [item async for item in items()]

    task = asyncio.create_task(read())
    await until(lambda: used.statistics().waiting == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.opened.set()
    await first
    assert not seen


async def test_one_that_is_cancelled_during_its_first_item_is_cleaned_up_in_a_thread(pool_of):
    pool_of(1)
    gate, seen = Gate(), []

    @blocking_first
    async def items():
        gate()
        try:
            yield 1
        finally:
            seen.append(is_in_pool())

    task = asyncio.create_task(anext(items()))
    await until(gate.entered.is_set)
    task.cancel()
    await asyncio.sleep(0)
    gate.opened.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == [True]


async def test_a_cancellation_in_the_last_part_of_a_generator_is_delivered_at_its_end(pool_of):
    pool_of(1)
    gate = Gate()

    @blocking_first
    async def items():
        yield 1
        gate()

    async def read():
        return [item async for item in items()]

    task = asyncio.create_task(read())
    await until(gate.entered.is_set)
    task.cancel()
    await asyncio.sleep(0)
    gate.opened.set()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("reads_on", [True, False])
async def test_one_whose_pool_is_shut_down_is_cleaned_up_in_a_thread_too(pool_of, reads_on):
    used = pool_of(1)
    seen = []

    @blocking_first
    async def items():
        try:
            yield 1
            seen.append("never")
        finally:
            seen.append(on_loop())
            async with io:
                seen.append(on_loop())

    generator = items()
    assert await anext(generator) == 1
    await asyncio.wrap_future(used.close())
    if reads_on:
        with pytest.raises(RuntimeError, match="shut down"):
            await anext(generator)
    await generator.aclose()
    assert seen == [False, True]


async def test_a_generator_shares_the_contextvars_of_who_reads_it(pool_of):
    pool_of(1)
    seen = []

    @blocking_first
    async def items():
        for number in range(2):
            seen.append(variable.get())
            variable.set(f"generator {number}")
            yield number

    async for number in items():
        seen.append(variable.get())
        variable.set(f"reader {number}")
    assert seen == ["none", "generator 0", "reader 0", "generator 1"]
    assert variable.get() == "reader 1"


async def test_a_generator_has_no_thread_between_two_items(pool_of):
    used = pool_of(1, share=False)

    @blocking_first
    async def items():
        yield thread()
        yield thread()

    generators = [items() for _ in range(5)]
    async with asyncio.timeout(10):
        for _ in range(2):
            for generator in generators:
                assert await anext(generator)
    assert all(not worker.leases for worker in used._workers)
    for generator in generators:
        await generator.aclose()


# All of it at once


async def test_a_storm_of_cancellations_leaves_nothing(pool_of):
    used = pool_of(4)
    chance = random.Random(5)
    threads, inside = threading.active_count(), 0

    @blocking_first
    async def view():
        nonlocal inside
        variable.set("view")
        inside += 1
        try:
            for _ in range(3):
                time.sleep(chance.random() / 1000)  # noqa: ASYNC251
                assert is_in_pool()
                async with io:
                    assert on_loop()
                    await asyncio.sleep(chance.random() / 100)
        finally:
            assert is_in_pool()
            with lock:
                inside -= 1

    lock = threading.Lock()

    async def cancelled():
        task = asyncio.create_task(view())
        await asyncio.sleep(chance.random() / 10)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() or not task.exception(), task.exception()

    async with asyncio.timeout(60):
        await asyncio.gather(*(cancelled() for _ in range(300)))
    await until(lambda: used.statistics().busy == used.statistics().waiting == 0)
    assert inside == 0
    assert all(not worker.leases and not worker.queue for worker in used._workers)
    assert threading.active_count() <= threads + 4
    assert len(asyncio.all_tasks()) == 1
    assert variable.get() == "none"
