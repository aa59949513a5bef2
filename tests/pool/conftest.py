import asyncio
import time

import pytest

from split_deploy import pool
from split_deploy.pool import process


@pytest.fixture
def pool_of(monkeypatch):
    """Make a pool of so many threads that of the process, for this test."""
    pools = []

    def make(size, *, share=True):
        pools.append(pool.ThreadPool(size, share=share))
        monkeypatch.setattr(process, "_current", pools[-1])
        return pools[-1]

    yield make
    for made in pools:
        made.close().result(10)


async def until(condition):
    """Wait for what comes soon, in another thread."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it does not come"
        await asyncio.sleep(0.001)
