"""A request and its thread, without a database."""

import asyncio
import contextvars
import gc
import os
import subprocess
import sys
import threading
import time
import warnings
import weakref

import pytest
from asgiref.sync import ThreadSensitiveContext, async_to_sync, sync_to_async

from split_deploy import connections, hops, pool
from split_deploy.pool import Lease, PooledContext, ThreadPool, current_lease
from tests.pool.conftest import until

pytestmark = pytest.mark.asyncio


def thread():
    return threading.current_thread().name


class Gate:
    """A call that stands still until it is opened."""

    def __init__(self):
        self.entered = threading.Event()
        self.opened = threading.Event()

    def __call__(self):
        self.entered.set()
        assert self.opened.wait(10)
        return thread()


async def test_the_calls_of_a_request_run_in_one_thread(pool_of):
    pool_of(4)

    async def request():
        async with PooledContext():
            names = {await sync_to_async(thread)() for _ in range(5)}
            names |= set(await asyncio.gather(*(sync_to_async(thread)() for _ in range(5))))
            return names

    found = await asyncio.gather(*(request() for _ in range(20)))

    assert {len(names) for names in found} == {1}
    assert len(set.union(*found)) == 4


async def test_no_more_threads_are_started_than_are_needed_at_once(pool_of):
    used = pool_of(8)
    for _ in range(20):
        async with PooledContext():
            await sync_to_async(thread)()
    assert used.statistics().started == 1


async def test_a_request_that_calls_nothing_needs_no_thread(pool_of):
    used = pool_of(8)
    async with PooledContext():
        assert current_lease() is not None
    assert used.statistics().started == 0


async def test_calls_run_in_the_order_in_which_they_came(pool_of):
    used = pool_of(1)
    order = []
    gate = Gate()
    leases = [Lease(used) for _ in range(6)]
    first = leases[0].submit(gate)
    calls = [lease.submit(order.append, number) for number, lease in enumerate(leases)]
    calls += [lease.submit(order.append, 6 + number) for number, lease in enumerate(leases)]
    gate.opened.set()
    await asyncio.gather(*map(asyncio.wrap_future, [first, *calls]))
    assert order == list(range(12))


async def test_a_thread_that_is_idle_between_two_calls_serves_another_request(pool_of):
    used = pool_of(1)
    first, second = Lease(used), Lease(used)
    one = await asyncio.wrap_future(first.submit(thread))
    assert await asyncio.wrap_future(second.submit(thread)) == one
    assert await asyncio.wrap_future(first.submit(thread)) == one


async def test_without_sharing_a_thread_is_the_request_s_until_its_end(pool_of):
    used = pool_of(1, share=False)
    first, second = Lease(used), Lease(used)
    await asyncio.wrap_future(first.submit(thread))
    waiting = second.submit(thread)
    await asyncio.wrap_future(first.submit(thread))
    await asyncio.sleep(0.02)
    assert not waiting.done()

    first.release()

    await asyncio.wrap_future(waiting)


@pytest.mark.parametrize("share", [True, False])
async def test_sync_that_calls_async_that_calls_sync_comes_back_to_the_thread(pool_of, share):
    pool_of(1, share=share)

    async def inner():
        return thread(), await sync_to_async(outer)(0)

    def outer(depth=2):
        return (thread(), async_to_sync(inner)()) if depth else thread()

    async def request():
        async with PooledContext():
            return await sync_to_async(outer)()

    async with asyncio.timeout(10):
        for here, (loop_s, back) in await asyncio.gather(*(request() for _ in range(10))):
            assert here == back != loop_s


async def test_other_threads_can_be_used_while_all_of_the_pool_s_wait_for_them(pool_of):
    """``asyncio.to_thread()`` has threads of its own, or this would stand still."""
    pool_of(2)

    async def request():
        async with PooledContext():
            return await sync_to_async(async_to_sync(elsewhere))()

    async def elsewhere():
        return await asyncio.to_thread(thread)

    async with asyncio.timeout(10):
        await asyncio.gather(*(request() for _ in range(10)))


async def test_a_call_that_is_cancelled_while_it_waits_frees_its_place(pool_of):
    used = pool_of(1)
    gate, ran = Gate(), []
    first = asyncio.wrap_future(Lease(used).submit(gate))

    async def request(number):
        async with PooledContext():
            await sync_to_async(ran.append)(number)

    tasks = [asyncio.create_task(request(number)) for number in range(100)]
    await until(lambda: used.statistics().waiting == 100)
    for task in tasks[:99]:
        task.cancel()
    await asyncio.wait(tasks[:99])
    assert used.statistics().waiting == 1

    gate.opened.set()
    await first
    await tasks[99]
    assert ran == [99]


async def test_a_call_that_is_cancelled_while_it_runs_runs_to_its_end(pool_of):
    used = pool_of(1)
    gate, after = Gate(), []

    async def request():
        async with PooledContext():
            await sync_to_async(gate)()

    task = asyncio.create_task(request())
    await until(gate.entered.is_set)
    task.cancel()
    await asyncio.sleep(0.01)
    waiting = asyncio.wrap_future(Lease(used).submit(after.append, 1))
    await asyncio.sleep(0.01)
    assert not after

    gate.opened.set()

    with pytest.raises(asyncio.CancelledError):
        await task
    await waiting
    assert after == [1]


async def test_a_first_call_that_is_cancelled_leaves_its_beginning_to_the_next(
    pool_of, monkeypatch
):
    used, begun = pool_of(1), []
    monkeypatch.setattr(connections, "begin", lambda *, alone: begun.append(alone))
    await asyncio.wrap_future(Lease(used).submit(thread))
    interval = sys.getswitchinterval()
    sys.setswitchinterval(10)  # so that the thread, which has the call, doesn't look at it yet
    try:
        lease = Lease(used)
        assert lease.submit(thread).cancel()
    finally:
        sys.setswitchinterval(interval)
    del begun[:]

    await asyncio.wrap_future(lease.submit(thread))
    assert len(begun) == 1


async def test_a_stream_gives_its_thread_back(pool_of):
    used = pool_of(1, share=False)
    stream = Lease(used)
    await asyncio.wrap_future(stream.submit(thread))
    stream.begin_streaming()
    for _ in range(3):
        async with PooledContext():
            await sync_to_async(thread)()
        await asyncio.wrap_future(stream.submit(thread))


async def test_a_stream_keeps_its_thread_until_its_cursor_is_read_to_the_end(pool_of):
    used = pool_of(2, share=False)
    stream = Lease(used)
    stream.begin_streaming()
    rows = iter_rows()

    def following(rows):
        return thread(), next(rows, None)

    read = [await asyncio.wrap_future(stream.submit(following, rows)) for _ in range(2)]
    other = Lease(used)
    read.append((await asyncio.wrap_future(other.submit(thread)), 1))
    read.append(await asyncio.wrap_future(stream.submit(following, rows)))
    assert [row for _, row in read] == [1, 2, 1, None]
    (one, two, another, three) = [name for name, _ in read]
    assert one == two == three != another
    # Now it is given back: two requests at once find a thread each.
    third = Lease(used)
    other.release()
    async with asyncio.timeout(10):
        await asyncio.wrap_future(other.submit(thread))
        await asyncio.wrap_future(third.submit(thread))


def iter_rows():
    yield 1
    yield 2


async def test_a_cursor_that_nobody_holds_any_more_keeps_no_thread(pool_of):
    used = pool_of(1, share=False)
    stream = Lease(used)
    stream.begin_streaming()
    rows = iter_rows()
    await asyncio.wrap_future(stream.submit(next, rows))
    waiting = Lease(used).submit(thread)
    await asyncio.sleep(0.02)
    assert not waiting.done()

    del rows

    async with asyncio.timeout(10):
        await asyncio.wrap_future(waiting)


@pytest.mark.parametrize("how", ["argument", "method", "asgiref"])
async def test_a_cursor_is_found_however_it_is_read(pool_of, how):
    used = pool_of(1)
    lease = Lease(used)
    rows = iter_rows()
    if how == "asgiref":
        async with PooledContext() as context:
            assert await sync_to_async(lambda number, rows: next(rows) * number)(7, rows=rows) == 7
        lease = context.lease
    else:
        work = (next, rows) if how == "argument" else (rows.__next__,)
        await asyncio.wrap_future(lease.submit(*work))
    assert lease.generators


async def test_a_task_that_outlives_its_request_still_has_threads(pool_of):
    used = pool_of(1)
    released = asyncio.Event()

    async def outlive():
        await released.wait()
        return [await sync_to_async(thread)() for _ in range(3)]

    async with PooledContext():
        name = await sync_to_async(thread)()
        task = asyncio.create_task(outlive())
    released.set()

    assert await task == [name] * 3
    lease = Lease(used)
    assert await asyncio.wrap_future(lease.submit(thread)) == name


async def test_only_the_outermost_context_counts(pool_of):
    pool_of(2)
    async with PooledContext():
        lease = current_lease()
        async with PooledContext():
            assert current_lease() is lease
        assert current_lease() is lease
    assert current_lease() is None
    async with ThreadSensitiveContext(), PooledContext():
        assert current_lease() is None


async def test_a_context_that_is_left_is_not_entered_by_who_inherits_it(pool_of):
    """As a request does of the one before it on its connection, in some event loops."""
    pool_of(2)
    async with PooledContext():
        inherited = contextvars.copy_context()

    async def request():
        async with PooledContext():
            return current_lease().is_over

    assert not await asyncio.create_task(request(), context=inherited)


async def test_a_request_leaves_nothing_behind(pool_of):
    pool_of(1)

    class Argument:
        pass

    async def request(argument):
        async with PooledContext() as context:
            await sync_to_async(id)(argument)
            return weakref.ref(context), weakref.ref(context.lease)

    argument = Argument()
    references = [weakref.ref(argument), *await asyncio.create_task(request(argument))]
    del argument
    await until_collected(references)


async def test_an_error_makes_no_cycle(pool_of):
    used = pool_of(1)

    def fail():
        raise LookupError

    lease = Lease(used)
    call = lease.submit(fail)
    assert isinstance(call.exception(10), LookupError)
    lease.release()
    references = [weakref.ref(call), weakref.ref(lease)]
    del call, lease
    await until_collected(references)


async def until_collected(references):
    gc.disable()
    try:
        await until(lambda: not any(reference() for reference in references))
    finally:
        gc.enable()


async def test_an_error_reaches_who_called(pool_of):
    used = pool_of(1)

    def fail():
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        Lease(used).submit(fail).result(10)
    assert Lease(used).submit(thread).result(10)


async def test_each_call_is_a_hop(pool_of):
    pool_of(1)
    counted = hops.Hops()
    with hops.counted_into(counted):
        async with PooledContext():
            await asyncio.gather(*(sync_to_async(thread)() for _ in range(3)))
    assert counted.count == 3
    (site,) = counted.sites
    assert site.called == f"{__name__}.thread"


# Statistics


async def test_waits_are_measured(pool_of):
    used = pool_of(1)
    gate = Gate()
    first = Lease(used).submit(gate)
    await until(gate.entered.is_set)
    second = Lease(used).submit(thread)
    before = used.statistics()
    await asyncio.sleep(0.03)
    gate.opened.set()
    await asyncio.wrap_future(first)
    await asyncio.wrap_future(second)
    await until(lambda: used.statistics().busy == 0)
    after = used.statistics()

    assert (before.size, before.started, before.busy, before.waiting) == (1, 1, 1, 1)
    assert (after.started, after.busy, after.waiting, after.calls) == (1, 0, 0, 2)
    assert after.longest_wait >= 0.03
    assert after.waited >= after.longest_wait
    assert after.waits[10.0] == 2
    assert after.waits[0.025] == 1
    assert pool.statistics() == after


async def test_a_call_that_waits_for_its_own_request_is_not_counted_as_waiting(pool_of):
    used = pool_of(1)
    lease = Lease(used)
    calls = [lease.submit(time.sleep, 0.02) for _ in range(4)]
    for call in calls:
        await asyncio.wrap_future(call)
    await until(lambda: used.statistics().busy == 0)
    assert used.statistics().longest_wait < 0.02


async def test_a_long_wait_is_logged_now_and_then(pool_of, caplog, monkeypatch):
    monkeypatch.setattr("split_deploy.pool.threads._LONG_WAIT", 0.01)
    used = pool_of(1)
    gate = Gate()
    calls = [Lease(used).submit(gate), *(Lease(used).submit(thread) for _ in range(5))]
    await asyncio.sleep(0.03)
    gate.opened.set()
    for call in calls:
        await asyncio.wrap_future(call)
    (message,) = caplog.messages
    assert message.startswith("A call waited 0.")
    assert 'all 1 of SPLIT_DEPLOY["THREADS"]' in message


# The end


async def test_what_waits_still_runs_when_the_pool_is_shut_down(pool_of):
    used = pool_of(2)
    gate = Gate()
    calls = [Lease(used).submit(gate) for _ in range(2)]
    calls += [Lease(used).submit(thread) for _ in range(10)]
    async with pool.running():
        asyncio.get_running_loop().call_later(0.02, gate.opened.set)
    assert all(call.done() for call in calls)
    assert used.statistics().started == 0


async def test_after_the_end_a_call_is_refused_with_the_reason(pool_of):
    used = pool_of(1)
    lease = Lease(used)
    async with pool.running():
        await asyncio.wrap_future(lease.submit(thread))
    with pytest.raises(RuntimeError, match="pool of threads is shut down"):
        lease.submit(thread)
    lease.release()


async def test_it_is_shut_down_though_something_else_fails_at_the_end(pool_of):
    used = pool_of(1)
    await asyncio.wrap_future(Lease(used).submit(thread))
    with pytest.raises(LookupError):
        async with pool.running():
            raise LookupError
    assert used.statistics().started == 0


async def test_a_new_request_after_the_end_has_a_new_pool(pool_of):
    pool_of(1)
    async with pool.running():
        pass
    async with PooledContext():
        assert await sync_to_async(thread)()
    pool.retire(10)


async def test_a_call_that_does_not_end_does_not_hold_up_the_shutdown(pool_of, settings, caplog):
    settings.SPLIT_DEPLOY = {"ROLE": "async", "DRAIN_TIMEOUT": 0.02}
    used = pool_of(1)
    gate = Gate()
    call = Lease(used).submit(gate)
    async with asyncio.timeout(10):
        async with pool.running():
            pass
    assert caplog.messages == [
        "1 call(s) in threads, and 0 that wait for one, did not end in 0.02 s."
    ]
    gate.opened.set()
    await asyncio.wrap_future(call)


async def test_a_running_call_may_need_the_loop_to_end(pool_of):
    used = pool_of(1)

    async def on_the_loop():
        await asyncio.sleep(0.02)
        return 7

    async with PooledContext():
        task = asyncio.create_task(sync_to_async(async_to_sync(on_the_loop))())
        await until(lambda: used.statistics().busy == 1)
        async with pool.running():
            pass
        assert await task == 7


async def test_a_changed_setting_counts_for_the_next_request(settings):
    settings.SPLIT_DEPLOY = {"ROLE": "async", "THREADS": 3}
    first = pool.get_pool()
    settings.SPLIT_DEPLOY = {"ROLE": "async", "THREADS": 5, "SHARE_IDLE_THREADS": False}
    second = pool.get_pool()
    assert (first.size, first.share, second.size, second.share) == (3, True, 5, False)
    pool.retire(10)


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "settings.async_only"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.asyncio(loop_scope="function")
async def test_a_busy_thread_does_not_keep_the_interpreter_from_its_exit():
    done = run(
        "import time\nfrom split_deploy.pool import Lease\n"
        "Lease().submit(time.sleep, 3600)\nprint('bye')"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "bye\n", "")


async def test_a_forked_process_has_a_pool_of_its_own(pool_of):
    used = pool_of(1)
    lease = Lease(used)
    lease.submit(thread).result(10)
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # "multi-threaded, use of fork()"
        used._lock.acquire()
        child = os.fork()
        if child == 0:
            try:
                os.write(write, _in_the_child(lease, used).encode())
            finally:
                os._exit(0)
        used._lock.release()
    await asyncio.to_thread(os.waitpid, child, 0)
    assert os.read(read, 1000).decode() == (
        "This process was forked, and the pool of threads is its parent's: nothing can run in a "
        "thread of it any more. new works"
    )
    os.close(read)
    os.close(write)
    assert lease.submit(thread).result(10)


def _in_the_child(lease, used):
    try:
        lease.submit(thread)
    except RuntimeError as error:
        said = str(error)
    new = pool.get_pool()
    works = new is not used and Lease(new).submit(thread).result(10)
    return f"{said} new {'works' if works else 'fails'}"


async def test_a_thread_that_cannot_be_started_is_done_without(pool_of, monkeypatch, caplog):
    used = pool_of(2, share=False)
    first, second = Lease(used), Lease(used)
    await asyncio.wrap_future(first.submit(thread))

    def start(_):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        waiting = second.submit(thread)
        with pytest.raises(RuntimeError, match="can't start"):
            Lease(ThreadPool(1)).submit(thread)
    assert "A thread could not be started." in caplog.text
    first.release()
    await asyncio.wrap_future(waiting)
