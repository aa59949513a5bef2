"""Transactions, and how many connections there are, as PostgreSQL sees them."""

import asyncio
import random
import threading

import pytest
from asgiref.sync import async_to_sync
from django.core.signals import request_finished
from django.db import connections, transaction
from django.db.transaction import TransactionManagementError
from django.http import HttpResponse, JsonResponse
from django.urls import path

from split_deploy import blocking_first, io, parallel_ops, pool
from split_deploy.pool import ThreadPool
from tests.blocking_first.conftest import until
from tests.handlers.client import Exchange, ask
from tests.pool.test_postgres import ALIAS, database, note, query, server

__all__ = ["database", "server"]

pytestmark = [pytest.mark.asyncio, pytest.mark.urls(__name__)]

THREADS = 4
OUTBOUND = 0.1


@pytest.fixture
def handled(settings):
    settings.SPLIT_DEPLOY = {"ROLE": "async"}
    settings.MIDDLEWARE = []
    # A test of the sync instance that ran before has connected it, for as long as the process runs.
    request_finished.disconnect(dispatch_uid="split_deploy.request_id")
    yield
    pool.retire(10)  # while the database's settings are there still


seen_connections = set()
outbound = {"now": 0, "many": asyncio.Event()}


@blocking_first
async def view(request):
    """A query, 100 ms of somebody else's time, and a query."""
    number = int(request.GET["number"])
    first = query("SELECT %s::int", number)
    note(f"{number:03}")
    async with io:
        outbound["now"] += 1
        if outbound["now"] > 4 * THREADS:
            outbound["many"].set()
        await asyncio.gather(asyncio.sleep(OUTBOUND), outbound["many"].wait())
        outbound["now"] -= 1
    with transaction.atomic(using=ALIAS):
        note(f"{number:03}")
    seen_connections.add(query())
    return JsonResponse({"number": first, "threads": threading.current_thread().name})


@blocking_first
async def stormy(request):
    chance = random.Random(request.GET["number"])
    with transaction.atomic(using=ALIAS):
        query("SELECT pg_sleep(%s)", chance.random() / 200)
        note("kept")
    async with parallel_ops() as ops:
        ops.run(query, "SELECT pg_sleep(%s)", chance.random() / 200)
        query()
    async with io:
        await asyncio.sleep(chance.random() / 50)
    atomic = transaction.atomic(using=ALIAS)
    if chance.random() < 0.3:
        atomic.__enter__()
        note("never")
    return HttpResponse()


urlpatterns = [path("", view), path("stormy/", stormy)]


@pytest.mark.parametrize("max_age", [0, 60])
async def test_200_requests_that_wait_for_others_run_with_4_threads_and_4_connections(
    pool_of, database, server, handled, max_age
):
    database(max_age=max_age)
    used = pool_of(THREADS)
    most, done = 0, asyncio.Event()
    outbound["many"] = asyncio.Event()  # who waits, does so until many do, side by side

    async def watch():
        nonlocal most
        while not done.is_set():
            most = max(most, len(server.backends()))
            await asyncio.sleep(0.005)

    async def one(number):
        return await ask(scope={"query_string": b"number=%d" % number})

    watching = asyncio.create_task(watch())
    async with asyncio.timeout(60):
        exchanges = await asyncio.gather(*map(one, range(200)))
        done.set()
        await watching

    assert [exchange.status for exchange in exchanges] == [200] * 200
    assert [exchange.hops.count for exchange in exchanges] == [0] * 200
    assert all(b'"number": %d,' % n in each.content for n, each in enumerate(exchanges))
    assert server.notes() == sorted(f"{number:03}" for number in range(200) for _ in range(2))
    # Without an age each part has one of its own, and the server sees a closed one a bit longer.
    assert 1 <= most <= (THREADS if max_age else 2 * THREADS)
    assert used.statistics().started == THREADS
    if max_age:
        assert len(seen_connections & server.backends()) <= THREADS
    else:
        await until(lambda: not server.backends())


@pytest.mark.parametrize("how", ["atomic", "autocommit"])
@pytest.mark.parametrize("what", ["io", "the end of parallel_ops", "await handle"])
async def test_no_switch_inside_a_transaction(pool_of, database, server, how, what):
    database(max_age=60)
    pool_of(2)

    def begin():
        if how == "atomic":
            return transaction.atomic(using=ALIAS)
        transaction.set_autocommit(False, using=ALIAS)
        return Reset()

    class Reset:
        def __enter__(self):
            pass

        def __exit__(self, *_):
            transaction.rollback(using=ALIAS)
            transaction.set_autocommit(True, using=ALIAS)

    async def switch():
        if what == "io":
            with begin():
                note("never")
                async with io:
                    raise AssertionError
        async with parallel_ops() as ops:
            handle = ops.run(query)
            with begin():
                note("never")
                if what == "await handle":
                    await handle
                await ops.__aexit__(None, None, None)

    @blocking_first
    async def in_a_transaction():
        with pytest.raises(TransactionManagementError, match=f'on the database "{ALIAS}"'):
            await switch()
        note("after")

    await in_a_transaction()
    assert server.notes() == ["after"]


async def test_no_item_of_a_generator_inside_a_transaction(pool_of, database, server):
    database(max_age=60)
    pool_of(1)

    @blocking_first
    async def items():
        with transaction.atomic(using=ALIAS):
            note("never")
            yield "never"

    @blocking_first
    async def others():
        with transaction.atomic(using=ALIAS):
            note("kept")
        async with io:
            yield query.__name__

    with pytest.raises(TransactionManagementError, match=f'database "{ALIAS}"'):
        await anext(items())
    assert [item async for item in others()] == ["query"]
    assert server.notes() == ["kept"]


async def test_no_parallel_operations_inside_a_transaction(pool_of, database):
    database(max_age=60)
    pool_of(2)

    @blocking_first
    async def in_a_transaction():
        refused = pytest.raises(TransactionManagementError, match="connections of their own")
        with transaction.atomic(using=ALIAS), refused:
            async with parallel_ops():
                raise AssertionError
        async with parallel_ops() as ops:
            refused = pytest.raises(TransactionManagementError, match="connections of their own")
            with transaction.atomic(using=ALIAS), refused:
                ops.run(query)

    await in_a_transaction()


async def test_a_transaction_that_the_end_leaves_open_is_rolled_back_and_the_view_named(
    pool_of, database, server, caplog
):
    database(max_age=60)
    pool_of(1)

    @blocking_first
    async def leaves_it_open():
        transaction.atomic(using=ALIAS).__enter__()
        note("never")

    @blocking_first
    async def next_one():
        note("after")
        return connections[ALIAS].in_atomic_block

    await leaves_it_open()
    assert await next_one() is False
    assert server.notes() == ["after"]
    (record,) = [record for record in caplog.records if record.name == "split_deploy.pool"]
    assert "leaves_it_open" in record.message


async def test_one_that_an_operation_leaves_open_is_rolled_back(pool_of, database, server, caplog):
    database(max_age=60)
    pool_of(2)

    def leave_it_open():
        transaction.atomic(using=ALIAS).__enter__()
        note("never")

    @blocking_first
    async def begins_it():
        async with parallel_ops() as ops:
            ops.run(leave_it_open)
        note("after")

    await begins_it()
    assert server.notes() == ["after"]
    assert "was never ended" in caplog.text


async def test_the_transaction_around_a_test_does_not_count(database):
    database()

    @blocking_first
    async def in_the_test_s_thread():
        with transaction.atomic(using=ALIAS), pytest.raises(TransactionManagementError):
            async with io:
                pass
        async with io:
            await asyncio.sleep(0)
        async with parallel_ops() as ops:
            handle = ops.run(lambda: connections[ALIAS].in_atomic_block)
        return handle.result()

    def test():
        with transaction.atomic(using=ALIAS):
            found = async_to_sync(in_the_test_s_thread)()
        connections[ALIAS].close()
        return found

    assert await asyncio.to_thread(test)


async def test_a_pool_of_the_view_bounds_its_connections(pool_of, database, server):
    database(max_age=60)
    pool_of(8)
    own = ThreadPool(2)
    used = set()

    @blocking_first(pool=own)
    async def small():
        used.add(query())
        async with io:
            await asyncio.sleep(0.001)
        used.add(query())

    await asyncio.gather(*(small() for _ in range(30)))
    assert len(used) <= 2
    await asyncio.wrap_future(own.close())


async def test_a_storm_of_clients_that_leave_leaves_nothing(
    pool_of, database, server, handled, caplog
):
    database(max_age=60)
    used = pool_of(THREADS)
    chance = random.Random(11)
    threads = threading.active_count()

    async def one(number):
        exchange = Exchange("/stormy/", scope={"query_string": b"number=%d" % number}).begin()
        await asyncio.sleep(chance.random() / 2)
        if chance.random() < 0.7:
            exchange.leave()
        elif chance.random() < 0.5:
            exchange.task.cancel()
        await asyncio.wait([exchange.task])

    async with asyncio.timeout(60):
        await asyncio.gather(*map(one, range(200)))
        await until(lambda: used.statistics().busy == used.statistics().waiting == 0)
    assert all(not worker.leases and not worker.queue for worker in used._workers)
    await until(lambda: len(server.backends()) <= THREADS)
    assert not server.backends("idle in transaction%")
    assert threading.active_count() <= threads + THREADS
    assert len(asyncio.all_tasks()) == 1
    assert set(server.notes()) == {"kept"}
