"""``run_in_process()``: real processes."""

import asyncio
import os
import signal
import subprocess
import sys
import time

import pytest
from django.contrib.auth.models import User

from split_deploy import hops, request_id, tasks
from split_deploy.context import impersonate
from split_deploy.tasks import CapacityError, ProcessError, children, run_in_process
from tests.e2e.stack import ROOT
from tests.pool.conftest import until
from tests.tasks import work
from tests.unit.test_lifespan import Server

pytestmark = pytest.mark.asyncio


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_it_returns_what_the_function_does_in_a_process_that_stays(limits):
    limits(TASK_PROCESSES=1)
    assert await run_in_process(work.double, 20, plus=2) == 42
    first, second = await run_in_process(work.pid), await run_in_process(work.pid)
    assert first == second != os.getpid()


async def test_it_has_django_with_the_settings_of_the_environment(limits):
    assert await run_in_process(work.role_and_model) == ("sync", "User")


async def test_calls_run_side_by_side_in_as_many_processes_as_are_allowed(limits, tmp_path):
    limits(TASK_PROCESSES=2)
    path = str(tmp_path / "go")
    calls = [asyncio.create_task(run_in_process(work.wait_for, path)) for _ in range(3)]
    await until(lambda: tasks.statistics().processes.running == 2)
    assert tasks.statistics().processes.waiting == 1
    (tmp_path / "go").touch()
    assert len(set(await asyncio.gather(*calls))) == 2


async def test_one_too_many_is_refused_and_the_error_names_the_settings(limits, tmp_path):
    limits(TASK_PROCESSES=1, TASK_QUEUE=1)
    path = str(tmp_path / "go")
    calls = [asyncio.create_task(run_in_process(work.wait_for, path)) for _ in range(2)]
    await until(lambda: tasks.statistics().processes.waiting == 1)

    with pytest.raises(CapacityError, match=r'run_in_process.*"TASK_PROCESSES".*"TASK_QUEUE"'):
        await run_in_process(work.pid)

    (tmp_path / "go").touch()
    await asyncio.gather(*calls)


async def test_an_error_has_the_traceback_of_the_process_in_a_note(limits):
    with pytest.raises(ValueError, match="no such meat") as error:
        await run_in_process(work.fail, "no such meat")

    (note,) = error.value.__notes__
    assert note.startswith("In the process it was:\nTraceback")
    assert "in fail" in note
    assert "worker.py" not in note


async def test_errors_that_can_not_be_raised_here_are_named(limits):
    for function, message in (
        (work.fail_unreadably, "work.TwoArgumentsError: 1 and 2"),
        (work.leave, r"work.leave ended with SystemExit\('by mistake'\)"),
        (work.unpicklable, "What tests.tasks.work.unpicklable returned can't be sent"),
    ):
        with pytest.raises(ProcessError, match=message):
            await run_in_process(function)
    with pytest.raises(RuntimeError, match=r"work\.stop raised StopIteration"):
        await run_in_process(work.stop)


async def test_what_can_not_be_pickled_is_a_type_error_that_says_what_can(limits):
    for call in (run_in_process(lambda: None), run_in_process(work.double, lambda: None)):
        with pytest.raises(TypeError, match=r"Give run_in_process\(\) a function of a module"):
            await call


@pytest.mark.parametrize(
    ("function", "message"),
    [(work.die, "work.die died: it was killed"), (work.crash, "it ended with the status 3")],
)
async def test_a_process_that_dies_fails_its_own_call_alone(limits, tmp_path, function, message):
    limits(TASK_PROCESSES=2)
    path = str(tmp_path / "go")
    other = asyncio.create_task(run_in_process(work.wait_for, path))
    await until((tmp_path / "go.waiting").exists)

    with pytest.raises(ProcessError, match=message):
        await run_in_process(function)

    assert await run_in_process(work.double, 2) == 4, "another has taken its place"
    (tmp_path / "go").touch()
    await other


async def test_one_that_has_died_with_nothing_to_do_is_replaced_unnoticed(limits):
    limits(TASK_PROCESSES=1)
    first = await run_in_process(work.pid)
    os.kill(first, signal.SIGKILL)
    await until(
        lambda: (
            subprocess.run(
                ["ps", "-o", "stat=", str(first)], capture_output=True, text=True, check=False
            ).stdout.strip()[:1]
            in {"Z", ""}
        )
    )

    assert await run_in_process(work.pid) != first


async def test_one_that_does_not_start_says_why(limits, monkeypatch):
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "no.such.settings")
    with pytest.raises(ProcessError, match="did not start: Traceback") as error:
        await run_in_process(work.pid)
    assert "No module named 'no'" in str(error.value)

    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/no/such/python")
        with pytest.raises(ProcessError, match=r"did not start: .*'/no/such/python'"):
            await run_in_process(work.pid)

    monkeypatch.delenv("DJANGO_SETTINGS_MODULE")
    with pytest.raises(ProcessError, match="needs DJANGO_SETTINGS_MODULE in the environment"):
        await run_in_process(work.pid)


async def test_log_lines_have_the_request_id_and_no_call_leaves_anything_to_the_next(limits):
    limits(TASK_PROCESSES=1)
    token = request_id.current.set("a-request-1")
    try:
        assert await run_in_process(work.request_id_at_hand) == "a-request-1"
    finally:
        request_id.current.reset(token)
    assert await run_in_process(work.request_id_at_hand) == "-"
    assert await run_in_process(work.leave_something, "a") == ""
    assert await run_in_process(work.leave_something, "b") == ""


async def test_the_user_is_known_by_its_id_and_by_nothing_else(limits):
    limits(TASK_PROCESSES=1)
    with impersonate(User(pk=7, username="not handed over")):
        assert await run_in_process(work.user_at_hand) == ("7", (7, ["date_joined"]))
    assert await run_in_process(work.user_at_hand) == ("-", None)


async def test_a_transaction_that_a_call_leaves_open_is_over(limits, tmp_path, monkeypatch):
    limits(TASK_PROCESSES=1)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'of_the_process.sqlite3'}")
    assert not await run_in_process(work.open_transaction)
    assert not await run_in_process(work.open_transaction)


async def test_a_result_that_queries_when_it_is_sent_leaves_no_connection(
    limits, tmp_path, monkeypatch
):
    limits(TASK_PROCESSES=1)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'of_the_process.sqlite3'}")
    assert await run_in_process(work.lazy) == 1
    assert not await run_in_process(work.is_connected)


async def test_it_counts_as_one_thread_hop(limits):
    counted = hops.Hops()
    with hops.counted_into(counted):
        await run_in_process(work.pid)
    assert counted.count == 1
    assert next(iter(counted.sites)).called == "tests.tasks.work.pid"


async def test_signals_that_are_for_the_server_do_not_end_it(limits):
    limits(TASK_PROCESSES=1)
    pid = await run_in_process(work.pid)
    os.kill(pid, signal.SIGINT)
    os.kill(pid, signal.SIGTERM)
    assert await run_in_process(work.pid) == pid
    assert os.getpgid(pid) != os.getpgid(0), "nor does Ctrl-C get there"


async def test_at_shutdown_a_call_has_its_time_and_then_its_process_ends(limits, tmp_path):
    async with tasks.offloading():
        call = asyncio.create_task(run_in_process(work.wait_for, str(tmp_path / "go")))
        await until((tmp_path / "go.waiting").exists)
        asyncio.get_running_loop().call_later(0.05, (tmp_path / "go").touch)
    pid = await call
    assert not is_running(pid)


async def test_at_shutdown_what_takes_too_long_is_killed_and_named(limits, tmp_path, caplog):
    limits(DRAIN_TIMEOUT=0.05)
    async with tasks.offloading():
        call = asyncio.create_task(run_in_process(work.wait_for, str(tmp_path / "go")))
        await until((tmp_path / "go.waiting").exists)

    assert "1 call(s) of run_in_process() did not end in 0.05 s." in caplog.text
    with pytest.raises(ProcessError, match="it was killed"):
        await call


async def test_at_shutdown_what_still_waits_when_the_time_is_up_is_not_begun(limits, tmp_path):
    limits(TASK_PROCESSES=1, DRAIN_TIMEOUT=0.05)
    async with tasks.offloading():
        first = asyncio.create_task(run_in_process(work.wait_for, str(tmp_path / "go")))
        await until((tmp_path / "go.waiting").exists)
        second = asyncio.create_task(run_in_process(work.pid))
        await until(lambda: tasks.statistics().processes.waiting == 1)

    with pytest.raises(ProcessError, match="it was killed"):
        await first
    with pytest.raises(ProcessError, match="starts no process any more: the instance is stopping"):
        await second


async def test_at_shutdown_a_process_that_is_still_starting_is_killed_too(
    limits, tmp_path, monkeypatch
):
    begun = tmp_path / "begun"
    slow = f"import pathlib, time; pathlib.Path({str(begun)!r}).touch(); time.sleep(60)"
    monkeypatch.setattr(children, "_BEGIN", slow)
    limits(DRAIN_TIMEOUT=0.05)
    async with tasks.offloading():
        call = asyncio.create_task(run_in_process(work.pid))
        await until(begun.exists)

    with pytest.raises(ProcessError, match="did not start: it was killed"):
        await asyncio.wait_for(call, 10)


async def test_the_lifespan_of_the_instance_ends_the_processes(limits):
    server = Server()
    await server.start()
    pid = await run_in_process(work.pid)
    assert is_running(pid)
    assert await server.stop() == {"type": "lifespan.shutdown.complete"}
    assert not is_running(pid)


async def test_a_computation_ends_with_the_server_that_is_killed(tmp_path):
    """Nobody is left to take what it computes."""
    script = (
        "import asyncio\n"
        "from split_deploy.tasks import run_in_process\n"
        "from tests.tasks import work\n"
        f"asyncio.run(run_in_process(work.wait_for, {str(tmp_path / 'go')!r}))\n"
    )
    server = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", script], cwd=ROOT
    )
    try:
        await until((tmp_path / "go.waiting").exists)
        (child,) = map(int, children_of(server.pid))
    finally:
        server.kill()
        server.wait()
    deadline = time.monotonic() + 10
    while is_running(child):
        assert time.monotonic() < deadline, "it goes on"
        await asyncio.sleep(0.02)


def children_of(pid):
    done = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=True
    )
    return done.stdout.split()
