import asyncio
import gc
import logging
import weakref
from contextlib import suppress

import pytest

from split_deploy import tasks


@pytest.mark.asyncio
async def test_a_task_that_nobody_else_holds_is_not_collected():
    ended = asyncio.Event()

    async def work():
        # Nothing but the task refers to this future, so a collected task would never be told.
        future = asyncio.get_running_loop().create_future()
        waker = weakref.ref(future)
        asyncio.get_running_loop().call_later(0.05, lambda: (f := waker()) and f.set_result(None))
        await future
        ended.set()

    tasks.background(work())
    await asyncio.sleep(0)
    gc.collect()

    await asyncio.wait_for(ended.wait(), 2)


@pytest.mark.asyncio
async def test_the_result_can_be_awaited():
    async def answer():
        return 42

    assert await tasks.background(answer(), name="answer") == 42
    assert tasks.running() == 0


@pytest.mark.asyncio
async def test_a_failure_is_logged_with_the_task_s_name(caplog):
    async def fail():
        raise ValueError("no such meat")

    task = tasks.background(fail(), name="smoker")
    await asyncio.wait({task})
    await asyncio.sleep(0)

    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "Background task smoker failed" in record.message
    assert "no such meat" in str(record.exc_info[1])


@pytest.mark.asyncio
async def test_draining_waits_for_what_is_under_way():
    ended = []

    async def work():
        await asyncio.sleep(0.05)
        ended.append(True)

    async with tasks.draining():
        tasks.background(work())

    assert ended == [True]


@pytest.mark.asyncio
async def test_draining_cancels_what_takes_too_long_and_says_so(settings, caplog):
    settings.SPLIT_DEPLOY = {"ROLE": "async", "DRAIN_TIMEOUT": 0.05}
    cleaned_up = []

    async def work():
        try:
            await asyncio.sleep(60)
        finally:
            cleaned_up.append(True)

    async with tasks.draining():
        tasks.background(work(), name="sleeper")
        await asyncio.sleep(0)

    assert cleaned_up == [True]
    assert "Cancelled background task sleeper: it did not end in 0.05 s." in caplog.text
    assert tasks.running() == 0


@pytest.mark.asyncio
async def test_draining_waits_for_a_task_that_another_began():
    ended = []

    async def second():
        await asyncio.sleep(0.05)
        ended.append("second")

    async def first():
        await asyncio.sleep(0.05)
        tasks.background(second())

    async with tasks.draining():
        tasks.background(first())

    assert ended == ["second"]


@pytest.mark.asyncio
async def test_draining_does_not_wait_for_ever_for_a_task_that_ignores_its_cancellation(
    settings, caplog, monkeypatch
):
    settings.SPLIT_DEPLOY = {"ROLE": "async", "DRAIN_TIMEOUT": 0.05}
    monkeypatch.setattr(tasks, "_CANCEL_TIMEOUT", 0.05)
    released = asyncio.Event()

    async def work():
        while not released.is_set():
            with suppress(asyncio.CancelledError):
                await released.wait()

    async with asyncio.timeout(2):
        async with tasks.draining():
            task = tasks.background(work(), name="mule")
            await asyncio.sleep(0)

    assert "Background task mule ignores its cancellation." in caplog.text
    released.set()
    await task


def test_outside_of_an_event_loop_the_error_says_where_to_call_it():
    async def work():
        pass

    with pytest.raises(RuntimeError, match="call it from a view of the async instance"):
        tasks.background(work())
