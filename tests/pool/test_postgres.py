"""The pool's connections, seen from PostgreSQL."""

import asyncio
import contextvars
import random
import threading
import time

import environ
import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.contrib.contenttypes.models import ContentType
from django.db import Error, connections, transaction
from django.http import HttpRequest
from django.urls import ResolverMatch

from split_deploy import hops, pool
from split_deploy.pool import PooledContext, current_lease
from tests.pool.conftest import until
from tests.services import DATABASE_URL, require_postgres

ALIAS = "elsewhere"
APPLICATION = "split-deploy-pool"

pytestmark = pytest.mark.asyncio


class Server:
    """A connection of the test's own."""

    def __init__(self, url):
        self._connection = psycopg.connect(url, autocommit=True)
        self.execute(
            "CREATE TABLE IF NOT EXISTS django_content_type "
            "(id serial PRIMARY KEY, app_label varchar, model varchar)"
        )
        self.execute("CREATE TABLE note (text varchar)")

    def execute(self, query, *arguments):
        cursor = self._connection.execute(query, arguments)
        return cursor.fetchall() if cursor.description else []

    def backends(self, state="%"):
        """The process ids of the connections that are not the test's own."""
        found = self.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = %s AND state LIKE %s",
            APPLICATION,
            state,
        )
        return {pid for (pid,) in found}

    def notes(self):
        return [text for (text,) in self.execute("SELECT text FROM note ORDER BY text")]


@pytest.fixture
def server():
    server = Server(require_postgres())
    yield server
    server._connection.close()


@pytest.fixture
def database(server, django_db_blocker):
    """Put the alias ``ALIAS`` in place with these settings."""

    def make(*, max_age=0, **options):
        configured = environ.Env.db_url_config(DATABASE_URL) | {
            "CONN_MAX_AGE": max_age,
            "OPTIONS": {"application_name": APPLICATION, **options},
        }
        connections.settings[ALIAS] = connections.configure_settings(
            {"default": {}, ALIAS: configured}
        )[ALIAS]

    with django_db_blocker.unblock():
        yield make
    pool.retire(10)
    del connections.settings[ALIAS]


def query(sql="SELECT pg_backend_pid()", *arguments):
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(sql, arguments)
        return cursor.fetchone()[0] if cursor.description else None


def note(text):
    query("INSERT INTO note VALUES (%s)", text)


async def request(*calls):
    """A request that makes these calls one after the other, and returns their results."""
    async with PooledContext():
        return [await sync_to_async(call)() for call in calls]


@pytest.mark.parametrize("max_age", [60, None])
async def test_connections_are_kept_and_never_more_than_threads(pool_of, database, server, max_age):
    database(max_age=max_age)
    pool_of(3)
    used = set()
    for _ in range(3):
        found = await asyncio.gather(*(request(*[query] * 3) for _ in range(20)))
        used |= {pid for pids in found for pid in pids}
        assert all(len(set(pids)) == 1 for pids in found)
    assert len(used) == 3
    assert server.backends() == used


async def test_without_an_age_none_is_kept(pool_of, database, server):
    database()
    used = pool_of(3)
    for _ in range(3):
        await asyncio.gather(*(request(query, query) for _ in range(20)))
        assert len(server.backends()) <= 3
    await until(lambda: used.statistics().busy == 0)
    await until(lambda: not server.backends())


async def test_one_that_has_reached_its_age_is_replaced(pool_of, database):
    database(max_age=0.01)
    pool_of(1)
    ((first, second),) = [await request(query, lambda: time.sleep(0.02) or query())]
    assert first == second  # never in the midst of a request
    assert await request(query) != [first]


async def test_one_that_has_reached_its_age_while_idle_is_not_used_again(pool_of, database):
    database(max_age=0.1)
    pool_of(1)
    first = await request(query)
    await asyncio.sleep(0.15)
    assert await request(query) != first


async def test_queries_are_logged_anew_for_each_request(pool_of, database, settings):
    database(max_age=60)
    pool_of(1)
    settings.DEBUG = True
    for _ in range(2):
        *_, logged = await request(query, query, lambda: len(connections[ALIAS].queries))
        assert logged == 2


async def test_one_that_has_reached_its_age_is_replaced_beside_a_request_that_lasts(
    pool_of, database
):
    database(max_age=0.01)
    pool_of(1)
    async with PooledContext():
        first = await sync_to_async(query)()
        await asyncio.sleep(0.02)
        other = asyncio.create_task(request(query), context=contextvars.Context())
        assert await other != [first]


async def test_nothing_is_woken_to_look_after_connections_that_need_nothing(
    pool_of, database, monkeypatch
):
    database(max_age=60)
    pool_of(1)
    ended = []
    monkeypatch.setattr("split_deploy.connections.end", lambda: ended.append(1))
    for _ in range(3):
        await request(query)
        await asyncio.sleep(0.01)
    assert ended == []


@pytest.mark.parametrize("most", [1, 2, 4])
async def test_psycopg_s_pool_gets_each_connection_back(pool_of, database, server, most):
    """Also one that has fewer than there are threads, and all that is borrowed all the time."""
    database(pool={"min_size": 1, "max_size": most, "timeout": 10})
    used = pool_of(4)
    borrowed = None

    def borrow():
        nonlocal borrowed
        pid = query()
        borrowed = connections[ALIAS].pool
        return pid

    async with asyncio.timeout(20):
        found = await asyncio.gather(*(request(borrow) for _ in range(40)))
    assert len({pid for pids in found for pid in pids}) <= most
    assert len(server.backends()) <= most
    await until(lambda: used.statistics().busy == 0)
    await until(lambda: borrowed.get_stats()["pool_available"] == borrowed.get_stats()["pool_size"])
    await asyncio.to_thread(lambda: connections[ALIAS].close_pool())


async def test_no_other_request_gets_into_a_transaction(pool_of, database, server):
    database(max_age=60)
    pool_of(1)
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def in_a_transaction():
        async with PooledContext():
            atomic = transaction.atomic(using=ALIAS)
            await sync_to_async(atomic.__enter__)()
            await sync_to_async(note)("inside")
            begun.set()
            await go_on.wait()
            await sync_to_async(note)("still inside")
            await sync_to_async(atomic.__exit__)(LookupError, LookupError(), None)

    task = asyncio.create_task(in_a_transaction())
    await begun.wait()
    other = asyncio.create_task(request(lambda: note("outside")))
    await asyncio.sleep(0.05)
    assert not other.done()
    go_on.set()
    await asyncio.gather(task, other)
    assert server.notes() == ["outside"]


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("how", ["atomic", "autocommit"])
async def test_a_transaction_that_is_left_open_is_rolled_back_and_its_request_named(
    pool_of, database, server, caplog, how, pooled
):
    database(**({"pool": True} if pooled else {"max_age": 60}))
    pool_of(1)
    seen = hops.Hops()
    seen.request = HttpRequest()
    seen.request.resolver_match = ResolverMatch(None, (), {}, route="async/orders/")

    def begin():
        if how == "atomic":
            transaction.atomic(using=ALIAS).__enter__()
        else:
            transaction.set_autocommit(False, using=ALIAS)
        note("never")

    with hops.counted_into(seen):
        await request(begin)

    assert await request(lambda: note("after"), lambda: connections[ALIAS].in_atomic_block) == [
        None,
        False,
    ]
    assert server.notes() == ["after"]
    (record,) = [record for record in caplog.records if record.name == "split_deploy.pool"]
    assert record.levelname == "ERROR"
    assert f'database "{ALIAS}" was never ended by a request to /async/orders/' in record.message
    if pooled:
        assert not [record for record in caplog.records if record.name.startswith("psycopg")]
        pooled = (await request(lambda: connections[ALIAS].pool))[0]
        await until(lambda: pooled.get_stats()["pool_available"] == pooled.get_stats()["pool_size"])
        pool.retire(10)
        await asyncio.to_thread(lambda: connections[ALIAS].close_pool())


async def test_a_request_that_is_cancelled_in_a_transaction_leaves_none(pool_of, database, server):
    database(max_age=60)
    pool_of(1)
    begun = asyncio.Event()

    async def stuck():
        async with PooledContext():
            await sync_to_async(transaction.atomic(using=ALIAS).__enter__)()
            await sync_to_async(note)("never")
            begun.set()
            await asyncio.sleep(3600)

    task = asyncio.create_task(stuck())
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])

    await request(lambda: note("after"))
    assert server.notes() == ["after"]
    assert not server.backends("idle in transaction%")


async def test_a_connection_that_breaks_fails_for_who_broke_it_alone(pool_of, database):
    database(max_age=None)
    pool_of(1)
    other_began, broken = asyncio.Event(), asyncio.Event()

    async def other():
        async with PooledContext():
            first = await sync_to_async(query)()
            other_began.set()
            await broken.wait()
            return first, await sync_to_async(query)()

    task = asyncio.create_task(other())
    await other_began.wait()
    with pytest.raises(Error):
        await request(lambda: query("SELECT pg_terminate_backend(pg_backend_pid())"))
    broken.set()
    first, second = await task
    assert first != second


async def test_to_thread_leaves_no_connection(pool_of, database, server):
    database(max_age=None)
    from split_deploy.hops import count_default_executor

    count_default_executor()
    assert await asyncio.gather(*(asyncio.to_thread(query) for _ in range(5)))
    await until(lambda: not server.backends())


async def test_the_end_of_the_pool_closes_its_connections(pool_of, database, server):
    database(max_age=None)
    pool_of(3)
    async with pool.running():
        await asyncio.gather(*(request(query) for _ in range(10)))
        assert server.backends()
    await until(lambda: not server.backends())


# Streams


@pytest.mark.parametrize("max_age", [0, 60])
@pytest.mark.parametrize("size", [1, 2])
async def test_a_stream_reads_from_its_cursor_while_others_share_the_thread(
    pool_of, database, server, size, max_age
):
    database(max_age=max_age)
    used = pool_of(size)
    server.execute("INSERT INTO django_content_type (model) SELECT generate_series(1, 50)")

    async def stream():
        async with PooledContext():
            current_lease().begin_streaming()
            rows = ContentType.objects.using(ALIAS).order_by("id").aiterator(chunk_size=5)
            found = []
            async for row in rows:
                found.append(int(row.model))
                if row.pk % 5 == 0:
                    await request(query)
            return found

    async with asyncio.timeout(20):
        for found in await asyncio.gather(*(stream() for _ in range(3))):
            assert found == list(range(1, 51))
    await until(lambda: used.statistics().busy == 0)
    assert all(not worker.leases for worker in used._workers)
    await until(lambda: len(server.backends()) <= (size if max_age else 0))


async def test_a_stream_that_waits_has_no_connection(pool_of, database, server):
    database()
    used = pool_of(1, share=False)
    waiting, go_on = [], asyncio.Event()

    async def stream():
        async with PooledContext():
            await sync_to_async(query)()
            current_lease().begin_streaming()
            waiting.append(1)
            await go_on.wait()
            await sync_to_async(query)()

    tasks = [asyncio.create_task(stream()) for _ in range(20)]
    await until(lambda: len(waiting) == 20)
    await until(lambda: used.statistics().busy == 0)
    await until(lambda: not server.backends())
    go_on.set()
    await asyncio.gather(*tasks)


async def test_a_stream_that_ends_in_the_midst_of_its_rows_gives_the_thread_back(
    pool_of, database, server
):
    database(max_age=60)
    used = pool_of(1, share=False)
    server.execute("INSERT INTO django_content_type (model) SELECT generate_series(1, 50)")

    async def stream():
        async with PooledContext():
            current_lease().begin_streaming()
            async for _ in ContentType.objects.using(ALIAS).aiterator(chunk_size=5):
                await asyncio.sleep(3600)

    task = asyncio.create_task(stream())
    await until(lambda: used.statistics().calls == 1)
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task])
    del task
    async with asyncio.timeout(10):
        await request(query)


async def test_a_storm_of_cancellations_leaves_nothing(pool_of, database, server):
    database(max_age=60)
    used = pool_of(4)
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    chance = random.Random(seed)
    threads = threading.active_count()

    async def one():
        async with PooledContext():
            if chance.random() < 0.3:
                current_lease().begin_streaming()
            if chance.random() < 0.2:
                await sync_to_async(transaction.atomic(using=ALIAS).__enter__)()
            for _ in range(3):
                await asyncio.gather(
                    sync_to_async(query)("SELECT pg_sleep(%s)", chance.random() / 200),
                    sync_to_async(query)(),
                )
                await asyncio.sleep(chance.random() / 100)

    async def cancelled():
        task = asyncio.create_task(one())
        await asyncio.sleep(chance.random() / 5)
        task.cancel()
        await asyncio.wait([task])
        # By a transaction that a cancellation leaves behind, if by anything.
        assert task.cancelled() or not task.exception(), task.exception()

    async with asyncio.timeout(60):
        await asyncio.gather(*(cancelled() for _ in range(200)))
        await until(lambda: used.statistics().busy == used.statistics().waiting == 0)
    assert all(not worker.leases and not worker.queue for worker in used._workers)
    assert len(server.backends()) <= 4
    assert not server.backends("idle in transaction%")
    assert threading.active_count() <= threads + 4
    async with asyncio.timeout(10):
        await asyncio.gather(*(request(query) for _ in range(20)))
