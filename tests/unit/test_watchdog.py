import asyncio
import re
import time

import pytest

from split_deploy import watchdog


@pytest.fixture
def quick(settings):
    settings.SPLIT_DEPLOY = {"ROLE": "async", "LOOP_BLOCK_WARNING": 0.2}


async def long_enough_to_be_seen():
    await asyncio.sleep(0.25)


@pytest.mark.asyncio
async def test_a_blocked_loop_is_reported_once_with_the_line_that_blocks(quick, caplog):
    async with watchdog.running():
        await long_enough_to_be_seen()
        time.sleep(0.6)  # noqa: ASYNC251
        await long_enough_to_be_seen()

    blocked, over = caplog.messages
    line = re.search(r"by (\S+):(\d+) in (\w+)", blocked)
    assert line[1] == __file__
    assert line[3] == "test_a_blocked_loop_is_reported_once_with_the_line_that_blocks"
    assert "time.sleep(0.6)" in blocked
    assert re.fullmatch(r"The event loop was blocked for 0\.\d\d s\.", over)


@pytest.mark.asyncio
async def test_each_incident_is_reported(quick, caplog):
    async with watchdog.running():
        for _ in range(2):
            await long_enough_to_be_seen()
            time.sleep(0.5)  # noqa: ASYNC251
        await long_enough_to_be_seen()

    assert len(caplog.messages) == 4


@pytest.mark.asyncio
async def test_a_loop_that_waits_is_not_blocked(quick, caplog):
    async with watchdog.running():
        await asyncio.sleep(0.3)
        assert watchdog.loop_blocked_for() < 0.2

    assert caplog.messages == []


@pytest.mark.asyncio
async def test_the_library_that_blocks_is_not_blamed_but_its_caller(quick, caplog):
    async with watchdog.running():
        await long_enough_to_be_seen()
        import subprocess

        subprocess.run(["sleep", "0.6"], check=True)  # noqa: ASYNC221
        await long_enough_to_be_seen()

    assert f"by {__file__}:" in caplog.messages[0]


@pytest.mark.asyncio
async def test_an_incident_counts_for_a_while_after_its_end(quick):
    async with watchdog.running():
        await long_enough_to_be_seen()
        time.sleep(0.5)  # noqa: ASYNC251
        await long_enough_to_be_seen()
        assert watchdog.loop_blocked_for() > 0.4


@pytest.mark.asyncio
async def test_where_none_runs_nothing_is_blocked():
    assert watchdog.loop_blocked_for() == 0.0


@pytest.mark.asyncio
async def test_its_thread_ends_with_it(quick):
    import threading

    async with watchdog.running():
        assert "split-deploy-watchdog" in {thread.name for thread in threading.enumerate()}
    assert "split-deploy-watchdog" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.asyncio
async def test_each_sign_of_life_counts_in_the_lag_histogram(quick):
    async with watchdog.running():
        await asyncio.sleep(0.3)
        lag = watchdog.lag()

    assert 5 <= lag.count <= 30  # asked every 12.5 ms
    assert list(lag.buckets) == list(watchdog.BUCKETS)
    assert list(lag.buckets.values()) == sorted(lag.buckets.values())
    assert lag.buckets[10.0] == lag.count
    assert 0 < lag.sum <= lag.max * lag.count


@pytest.mark.asyncio
async def test_a_block_is_one_late_sign_of_life(quick):
    async with watchdog.running():
        await long_enough_to_be_seen()
        time.sleep(0.3)  # noqa: ASYNC251
        await long_enough_to_be_seen()
        lag = watchdog.lag()

    assert 0.25 < lag.max < 0.5
    assert lag.buckets[0.25] == lag.count - 1
    assert lag.buckets[0.5] == lag.count
    assert lag.sum >= lag.max


@pytest.mark.asyncio
async def test_what_is_later_than_the_last_bound_counts_in_the_total_alone():
    dog = watchdog.Watchdog(warning=60)
    dog._asked = time.monotonic() - 11
    dog._sign_of_life()

    lag = dog.lag()
    assert set(lag.buckets.values()) == {0}
    assert lag.count == 1
    assert lag.max > 11


@pytest.mark.asyncio
async def test_where_none_runs_there_is_no_lag():
    assert watchdog.lag() is None
