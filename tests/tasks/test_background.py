import asyncio
import gc
import inspect
import logging
import weakref
from contextlib import suppress

import pytest
from django.contrib.auth.models import User

from split_deploy import request_id, tasks
from split_deploy.context import get_current_user, impersonate
from split_deploy.tasks import coroutines


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
    monkeypatch.setattr(coroutines, "_CANCEL_TIMEOUT", 0.05)
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


@pytest.mark.asyncio
async def test_one_too_many_is_refused_and_the_error_names_the_setting(settings):
    settings.SPLIT_DEPLOY = {"ROLE": "async", "BACKGROUND_TASKS": 2}
    before = tasks.statistics().background
    go_on = asyncio.Event()
    begun = [tasks.background(go_on.wait()) for _ in range(2)]

    refused = go_on.wait()
    with pytest.raises(tasks.CapacityError) as error:
        tasks.background(refused)

    assert "2 background tasks are under way in this process" in str(error.value)
    assert 'SPLIT_DEPLOY["BACKGROUND_TASKS"]' in str(error.value)
    assert inspect.getcoroutinestate(refused) == inspect.CORO_CLOSED
    assert tasks.statistics().background.refused == before.refused + 1
    go_on.set()
    await asyncio.wait(begun)
    await tasks.background(go_on.wait())  # there is room again


@pytest.mark.asyncio
async def test_statistics_say_how_tasks_have_ended():
    before = tasks.statistics().background

    async def fail():
        raise ValueError

    begun = [
        tasks.background(asyncio.sleep(0)),
        tasks.background(fail()),
        tasks.background(asyncio.sleep(60)),
    ]
    assert tasks.statistics().background.running == before.running + 3
    await asyncio.sleep(0)
    begun[2].cancel()
    await asyncio.wait(begun)
    await asyncio.sleep(0)

    now = tasks.statistics().background
    assert now.running == 0
    assert now.accepted == before.accepted + 3
    assert now.succeeded == before.succeeded + 1
    assert now.failed == before.failed + 1
    assert now.cancelled == before.cancelled + 1


@pytest.mark.asyncio
async def test_a_task_has_the_current_user_of_its_caller():
    async def work():
        await asyncio.sleep(0)
        return get_current_user().pk

    with impersonate(User(pk=7)):
        task = tasks.background(work())
    assert await task == 7
    assert get_current_user() is None


@pytest.mark.asyncio
async def test_a_task_has_the_context_of_its_caller_and_changes_nothing_there():
    async def work():
        found = request_id.current.get()
        request_id.current.set("another-one")
        return found

    token = request_id.current.set("of-the-caller")
    try:
        assert await tasks.background(work()) == "of-the-caller"
        assert request_id.current.get() == "of-the-caller"
    finally:
        request_id.current.reset(token)
