"""The pool, with real connections to local servers."""

import asyncio
import random
from contextlib import asynccontextmanager, suppress

import httpx
import pytest
import pytest_asyncio

from app.connection_pool import PooledTransport

pytestmark = pytest.mark.asyncio


class Server:
    """Answers ``/`` at once and ``/slow`` when it is let; keeps its connections open."""

    def __init__(self):
        self.connections = []
        self.open = 0
        self.order = []
        self.free = asyncio.Event()
        self.arrived = asyncio.Semaphore(0)

    @asynccontextmanager
    async def serving(self):
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            self.free.set()
            self.hang_up()
            await self.has_open(0)

    def hang_up(self):
        for writer in self.connections:
            writer.close()

    async def _serve(self, reader, writer):
        self.connections.append(writer)
        self.open += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
                self.order.append(path)
                self.arrived.release()
                if path.startswith("/slow"):
                    await self.free.wait()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine")
                await writer.drain()
        self.open -= 1
        writer.close()

    async def has_open(self, number):
        async with asyncio.timeout(5):
            while self.open != number:
                await asyncio.sleep(0.01)


@pytest_asyncio.fixture
async def server():
    async with Server().serving() as server:
        yield server


@asynccontextmanager
async def client(*, most=2, idle=None, expiry=30.0, wait=5.0):
    limits = httpx.Limits(
        max_connections=most, max_keepalive_connections=idle, keepalive_expiry=expiry
    )
    transport = PooledTransport(limits)
    async with httpx.AsyncClient(
        transport=transport, timeout=httpx.Timeout(5.0, pool=wait), trust_env=False
    ) as opened:
        opened.pool = transport._pool
        yield opened
    assert opened.pool.size == 0


async def many(client, url, number):
    """Start ``number`` requests to ``url``, and return their tasks."""
    return [asyncio.create_task(client.get(url)) for _ in range(number)]


async def test_a_connection_is_used_again(server):
    async with client() as opened:
        for _ in range(3):
            assert (await opened.get(server.url)).text == "fine"
        assert (opened.pool.size, opened.pool.idle) == (1, 1)
    assert len(server.connections) == 1


async def test_idle_connections_are_kept_however_many_are_in_use(server):
    """httpcore's own pool counts those in use, and closes the idle ones of a busy client."""
    async with client(most=20, idle=4) as opened:
        slow = await many(opened, f"{server.url}/slow", 10)
        for _ in slow:
            await server.arrived.acquire()
        for _ in range(5):
            await opened.get(server.url)
        assert len(server.connections) == 11
        server.free.set()
        await asyncio.gather(*slow)
        assert (opened.pool.size, opened.pool.idle) == (4, 4)
        await server.has_open(4)


async def test_no_more_connections_than_allowed_and_nobody_is_left_out(server):
    async with client(most=3) as opened:
        responses = await asyncio.gather(*await many(opened, server.url, 100))
        assert {response.status_code for response in responses} == {200}
        assert opened.pool.size == 3
    assert len(server.connections) == 3


async def test_who_waits_is_served_in_the_order_of_arrival(server):
    async with client(most=1) as opened:
        first = asyncio.create_task(opened.get(f"{server.url}/slow"))
        await server.arrived.acquire()
        others = []
        for number in range(5):
            others.append(asyncio.create_task(opened.get(f"{server.url}/{number}")))
            await asyncio.sleep(0)
        server.free.set()
        await asyncio.gather(first, *others)
    assert server.order == ["/slow", "/0", "/1", "/2", "/3", "/4"]


async def test_who_waits_for_too_long_is_told_how_many_are_in_use(server):
    async with client(most=1, wait=0.05) as opened:
        slow = asyncio.create_task(opened.get(f"{server.url}/slow"))
        await server.arrived.acquire()
        with pytest.raises(httpx.PoolTimeout, match=r"all 1 connections were in use for 0\.05 s"):
            await opened.get(server.url)
        server.free.set()
        await slow
        assert (await opened.get(server.url)).text == "fine"


async def test_who_stops_to_wait_takes_no_connection_with_it(server, monkeypatch):
    async with client(most=1) as opened:
        slow = asyncio.create_task(opened.get(f"{server.url}/slow"))
        await server.arrived.acquire()
        waiting = await many(opened, server.url, 3)
        await asyncio.sleep(0)
        waiting[0].cancel()
        given = opened.pool._serve_waiting

        def cancel_the_second_too():
            surplus = given()  # from here on the connection is its, and it doesn't know yet
            waiting[1].cancel()
            return surplus

        monkeypatch.setattr(opened.pool, "_serve_waiting", cancel_the_second_too)
        server.free.set()
        await slow
        assert (await waiting[2]).text == "fine"
        assert waiting[1].cancelled()
        assert (opened.pool.size, opened.pool.idle) == (1, 1)


async def test_a_request_that_is_cancelled_frees_its_place(server):
    async with client(most=1) as opened:
        slow = asyncio.create_task(opened.get(f"{server.url}/slow"))
        await server.arrived.acquire()
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        assert opened.pool.size == 0
        assert (await opened.get(server.url)).text == "fine"
    server.free.set()
    await server.has_open(0)


async def test_a_body_that_is_not_read_closes_its_connection(server):
    async with client(most=1) as opened:
        async with opened.stream("GET", server.url):
            assert (opened.pool.size, opened.pool.idle) == (1, 0)
        assert opened.pool.size == 0
        assert (await opened.get(server.url)).text == "fine"


async def test_a_connection_that_the_server_has_closed_is_not_used(server):
    async with client() as opened:
        await opened.get(server.url)
        server.hang_up()
        await server.has_open(0)
        await asyncio.sleep(0.05)
        assert (await opened.get(server.url)).text == "fine"
        assert opened.pool.size == 1


async def test_idle_connections_expire(server):
    async with Server().serving() as other, client(most=9, expiry=0.05) as opened:
        await asyncio.gather(*await many(opened, server.url, 5))
        assert opened.pool.idle == 5
        await asyncio.sleep(0.1)
        await opened.get(other.url)
        assert (opened.pool.size, opened.pool.idle) == (1, 1)
        await server.has_open(0)


async def test_an_idle_connection_to_elsewhere_makes_room(server):
    async with Server().serving() as other, client(most=1) as opened:
        for each in (server, other, server):
            assert (await opened.get(each.url)).text == "fine"
        await other.has_open(0)
        assert (opened.pool.size, opened.pool.idle) == (1, 1)


async def test_who_waits_for_elsewhere_gets_the_next_place(server):
    async with Server().serving() as other, client(most=1) as opened:
        slow = asyncio.create_task(opened.get(f"{server.url}/slow"))
        await server.arrived.acquire()
        waiting = asyncio.create_task(opened.get(other.url))
        await asyncio.sleep(0)
        server.free.set()
        assert (await slow).text == (await waiting).text == "fine"


async def test_a_connection_that_fails_frees_its_place(server):
    async with client(most=1) as opened:
        for _ in range(3):
            with pytest.raises(httpx.ConnectError):
                await opened.get("http://127.0.0.1:1/")
        assert opened.pool.size == 0
        assert (await opened.get(server.url)).text == "fine"


async def test_one_that_failed_is_not_kept_in_the_place_of_one_that_works(server):
    async with Server().serving() as other, client(most=2) as opened:
        await opened.get(server.url)
        with pytest.raises(httpx.ConnectError):
            await opened.get("http://127.0.0.1:1/")
        await opened.get(other.url)
        await opened.get(server.url)
        assert len(server.connections) == 1


async def test_a_client_that_is_closed_as_a_request_gets_its_connection(server, monkeypatch):
    async with client(most=1) as opened:
        slow, waiting = await many(opened, f"{server.url}/slow", 2)
        await server.arrived.acquire()
        given = opened.pool._serve_waiting
        is_given = asyncio.Event()

        def tell():
            surplus = given()
            is_given.set()
            return surplus

        monkeypatch.setattr(opened.pool, "_serve_waiting", tell)
        closing = asyncio.create_task(_when(is_given, opened.pool.aclose))
        await asyncio.sleep(0)
        server.free.set()
        await slow
        await closing
        with pytest.raises(httpx.HTTPError):
            await waiting


async def _when(event, function):
    await event.wait()
    await function()


async def test_closing_the_client_ends_those_who_wait(server):
    async with client(most=1) as opened:
        slow, waiting = await many(opened, f"{server.url}/slow", 2)
        await server.arrived.acquire()
    with pytest.raises(httpx.ConnectError, match="the connection pool was closed"):
        await waiting
    with pytest.raises(httpx.HTTPError):
        await slow


async def test_a_storm_of_cancellations_leaves_nothing_behind(server):
    async with client(most=4) as opened:
        server.free.set()
        for _ in range(30):
            tasks = await many(opened, f"{server.url}/slow", 12)
            for _ in range(random.randrange(8)):
                await asyncio.sleep(0)
            for task in random.sample(tasks, 6):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert opened.pool.size == opened.pool.idle <= 4
        assert (await opened.get(server.url)).text == "fine"
        await server.has_open(opened.pool.size)
