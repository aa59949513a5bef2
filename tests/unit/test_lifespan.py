import asyncio
import threading
from contextlib import asynccontextmanager

import pytest

from split_deploy import pool, tasks
from split_deploy.lifespan import Lifespan

seen: list[str] = []


@asynccontextmanager
async def first():
    seen.append("first opened")
    try:
        yield
    finally:
        seen.append("first closed")


@asynccontextmanager
async def second():
    seen.append("second opened")
    yield
    seen.append("second closed")


@asynccontextmanager
async def broken():
    raise OSError("no route to host")
    yield


@asynccontextmanager
async def broken_at_the_end():
    yield
    raise OSError("lost")


def no_context():
    return 1


class Server:
    """What an ASGI server does with the lifespan scope."""

    def __init__(self):
        self.sent: list[dict] = []
        self.told: asyncio.Queue = asyncio.Queue()
        self.said: asyncio.Queue = asyncio.Queue()

    async def start(self):
        self.task = asyncio.create_task(
            Lifespan()({"type": "lifespan"}, self.told.get, self.said.put)
        )
        await self.told.put({"type": "lifespan.startup"})
        return await asyncio.wait_for(self.said.get(), 5)

    async def stop(self):
        await self.told.put({"type": "lifespan.shutdown"})
        message = await asyncio.wait_for(self.said.get(), 5)
        await self.task
        return message


@pytest.fixture
def lifespan(settings):
    seen.clear()

    def configure(*names):
        paths = [f"{__name__}.{name}" for name in names]
        settings.SPLIT_DEPLOY = {"ROLE": "async", "LIFESPAN": paths}

    return configure


@pytest.mark.asyncio
async def test_contexts_are_entered_in_order_and_left_in_reverse(lifespan):
    lifespan("first", "second")
    server = Server()

    assert await server.start() == {"type": "lifespan.startup.complete"}
    assert seen == ["first opened", "second opened"]
    assert await server.stop() == {"type": "lifespan.shutdown.complete"}
    assert seen[2:] == ["second closed", "first closed"]


@pytest.mark.asyncio
async def test_a_background_task_is_drained_before_what_it_uses_is_closed(lifespan):
    lifespan("first")
    server = Server()
    await server.start()

    async def work():
        await asyncio.sleep(0.05)
        seen.append("worked")

    tasks.background(work())
    await server.stop()

    assert seen == ["first opened", "worked", "first closed"]


@pytest.mark.asyncio
async def test_all_that_is_under_way_has_one_drain_timeout_and_not_one_each(settings, caplog):
    """Or the server is killed meanwhile: ``Server.stop()`` has less patience than three of them."""
    settings.SPLIT_DEPLOY = {"ROLE": "async", "DRAIN_TIMEOUT": 2.0}
    server, go_on = Server(), threading.Event()
    await server.start()
    try:
        tasks.background(asyncio.sleep(60), name="sleeper")
        in_thread = asyncio.create_task(tasks.run_in_thread(go_on.wait, 60))
        pool.Lease().submit(go_on.wait, 60)
        assert await server.stop() == {"type": "lifespan.shutdown.complete"}
    finally:
        go_on.set()
    assert await in_thread
    assert "Cancelled background task sleeper: it did not end in 2 s." in caplog.text
    assert "1 call(s) of run_in_thread() did not end in 2 s." in caplog.text
    assert "1 call(s) in threads, and 0 that wait for one, did not end in 2 s." in caplog.text


@pytest.mark.asyncio
async def test_one_that_fails_stops_the_start_and_closes_the_others(lifespan):
    lifespan("first", "broken")

    message = await Server().start()

    assert message["type"] == "lifespan.startup.failed"
    assert message["message"] == f"{__name__}.broken did not start: OSError('no route to host')"
    assert seen == ["first opened", "first closed"]


@pytest.mark.asyncio
async def test_one_that_does_not_exist_is_named(lifespan):
    lifespan("third")
    assert f"{__name__}.third did not start" in (await Server().start())["message"]


@pytest.mark.asyncio
async def test_one_that_is_no_context_manager_is_named_with_the_fix(lifespan):
    lifespan("no_context")
    message = (await Server().start())["message"]
    assert f"{__name__}.no_context" in message
    assert "@contextlib.asynccontextmanager" in message


@pytest.mark.asyncio
async def test_one_that_fails_at_the_end_is_reported_and_the_others_are_closed(lifespan, caplog):
    lifespan("first", "broken_at_the_end")
    server = Server()
    await server.start()

    message = await server.stop()

    assert message == {"type": "lifespan.shutdown.failed", "message": "OSError('lost')"}
    assert seen == ["first opened", "first closed"]
    assert "did not stop cleanly" in caplog.text
