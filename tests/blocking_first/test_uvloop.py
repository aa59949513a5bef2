"""On the loop that the async instance has."""

import asyncio
import random
import time

import pytest
import uvloop

from split_deploy import blocking_first, io, parallel_ops
from tests.blocking_first.conftest import until
from tests.blocking_first.test_sections import Gate, is_in_pool, on_loop, variable


def test_a_cancellation_in_a_thread_is_delivered_at_the_next_switch(pool_of):
    pool_of(1)
    gate, seen = Gate(), []

    @blocking_first
    async def view():
        token = variable.set("view")
        try:
            gate()
            async with io:
                seen.append("never")
        finally:
            variable.reset(token)
            seen.append(is_in_pool())

    async def main():
        assert type(asyncio.get_running_loop()) is uvloop.Loop
        task = asyncio.create_task(view())
        await until(gate.entered.is_set)
        task.cancel()
        await asyncio.sleep(0.01)
        assert not task.done()
        gate.opened.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    uvloop.run(main())
    assert seen == [True]


def test_a_storm_of_cancellations_leaves_nothing(pool_of):
    used = pool_of(3)
    chance = random.Random(3)
    inside = []

    @blocking_first
    async def view():
        inside.append(1)
        try:
            for _ in range(3):
                time.sleep(chance.random() / 1000)  # noqa: ASYNC251
                async with io:
                    assert on_loop()
                    await asyncio.sleep(chance.random() / 100)
                async with parallel_ops() as ops:
                    ops.run(time.sleep, chance.random() / 1000)
        finally:
            assert is_in_pool()
            inside.pop()

    async def cancelled():
        task = asyncio.create_task(view())
        await asyncio.sleep(chance.random() / 10)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() or not task.exception(), task.exception()

    async def main():
        await asyncio.gather(*(cancelled() for _ in range(200)))
        await until(lambda: used.statistics().busy == used.statistics().waiting == 0)
        assert len(asyncio.all_tasks()) == 1

    uvloop.run(main())
    assert not inside
    assert all(not worker.leases and not worker.queue for worker in used._workers)
