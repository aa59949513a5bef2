"""What each view of the tutorial teaches, between real servers: in the log, order and overlap.

In each topology, but for what starts a stack of its own.
"""

import re
import threading
import time

import httpx
import pytest

from tests.e2e.stack import Stack

STEP = 0.2  # the stack's TUTORIAL_STEP_SECONDS


class Log:
    """The stack's log from here on."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._start = len(stack.log().splitlines())

    def lines(self) -> list[str]:
        return self.stack.log().splitlines()[self._start :]

    def wait(self, text: str, times: int = 1) -> list[int]:
        """Where the lines with ``text`` are, as soon as there are ``times`` of them."""
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            found = [index for index, line in enumerate(self.lines()) if text in line]
            if len(found) >= times:
                return found
            time.sleep(0.02)
        pytest.fail(f"{text!r} is not {times} times in:\n" + "\n".join(self.lines()))

    def line(self, text: str) -> str:
        """The first line with ``text``, as soon as there is one."""
        index = self.wait(text)[0]
        return self.lines()[index]

    def has(self, text: str) -> bool:
        return any(text in line for line in self.lines())


@pytest.fixture
def log(any_stack) -> Log:
    return Log(any_stack)


def get(stack: Stack, path: str, role: str) -> str:
    """The text at ``path``, which is the instance of ``role``'s."""
    response = httpx.get(stack.url + path, timeout=20)
    assert response.status_code == 200, response.text
    assert response.headers["X-Served-By"] == stack.served_by(role)
    return response.text


def test_sync_answers_after_it_has_counted_and_called(any_stack, log):
    started = time.monotonic()
    assert get(any_stack, "/sync/", "sync") == "Blocking HTTP request"
    assert time.monotonic() - started >= 5 * STEP
    counts = [log.wait(f"Blocking count: {number}")[0] for number in range(1, 6)]
    assert counts == sorted(counts)
    assert log.wait("Blocking call: ")[0] > counts[-1]
    assert f"role={any_stack.served_by('sync')}" in log.lines()[counts[0]]


def test_async_answers_before_it_counts(any_stack, log):
    assert get(any_stack, "/async/", "async") == "Non-blocking HTTP request"
    assert not log.has("Non-blocking count: 5")
    counts = [log.wait(f"Non-blocking count: {number}")[0] for number in range(1, 6)]
    assert counts == sorted(counts)
    assert log.wait("Non-blocking call: ")[0] > counts[-1]
    assert f"role={any_stack.served_by('async')}" in log.lines()[counts[0]]


def test_two_background_tasks_count_side_by_side(any_stack, log):
    for _ in range(2):
        get(any_stack, "/async/", "async")
    log.wait("Non-blocking call: ", times=2)
    numbers = [
        match[1] for line in log.lines() if (match := re.search(r"Non-blocking count: (\d)", line))
    ]
    assert numbers.index("5") > max(i for i, number in enumerate(numbers) if number == "1")


def test_smoke_overlaps_its_two_calls(any_stack, log):
    started = time.monotonic()
    text = get(any_stack, "/async/smoke_some_meats/", "async")
    took = time.monotonic() - started
    assert re.fullmatch(r"Smoked 6 meats with [a-z ]+!", text)
    begun = [log.wait(f"{what}: started")[0] for what in ("Smokables", "Flavor")]
    ended = [log.wait(f"{what}: finished")[0] for what in ("Smokables", "Flavor")]
    assert max(begun) < min(ended)
    assert took >= 2 * STEP


def test_sync_to_async_answers_before_the_thread_counts_and_leaves_the_loop_free(any_stack, log):
    text = get(any_stack, "/async/sync_to_async/", "async")
    assert text == "Non-blocking HTTP request (via sync_to_async)"
    assert not log.has("Blocking count: 5")
    log.wait("Blocking count: 1")
    get(any_stack, "/async/hello/", "async")
    assert not log.has("Blocking count: 5")
    assert log.wait("Blocking call: ")[0] > log.wait("Blocking count: 5")[0]
    assert f"role={any_stack.served_by('async')}" in log.line("Blocking count: 1")
    assert not log.has("The event loop")


def test_burn_holds_up_everybody_on_its_loop_and_the_watchdog_names_the_line(start_stack):
    # One process, so that the hello can only be answered by the loop that burns.
    stack = start_stack(WEB_CONCURRENCY="1")
    log = Log(stack)
    answered = []

    def ask(path: str) -> None:
        with httpx.Client(base_url=stack.url, timeout=20) as client:
            assert client.get(path).status_code == 200
        answered.append(path)

    burning = threading.Thread(target=ask, args=("/async/burn_some_meats/",))
    burning.start()
    log.wait("The event loop is blocked")  # reported by a thread, while it is
    waiting = threading.Thread(target=ask, args=("/async/hello/",))
    waiting.start()
    ask("/")
    burning.join()
    waiting.join()

    assert answered[0] == "/", "the sync instance goes on"
    report = log.line("The event loop is blocked")
    assert "split_deploy.watchdog" in report
    assert re.search(r"app/async_views\.py:\d+ in burn_some_meats", report)
    log.wait("time.sleep(")  # in the stack that follows
    blocked = log.line("The event loop was blocked for")
    assert float(re.search(r"blocked for ([\d.]+) s", blocked)[1]) >= 0.25


def test_the_failure_of_a_background_task_is_logged(start_stack):
    stack = start_stack(TUTORIAL_ENDPOINT="http://127.0.0.1:1/", TUTORIAL_STEP_SECONDS="0.01")
    log = Log(stack)
    with httpx.Client(base_url=stack.url, timeout=20) as client:
        assert get(stack, "/async/", "async") == "Non-blocking HTTP request"
        log.wait("Background task tutorial: non_blocking failed.")
        log.wait("httpx.ConnectError")

        for path, role in (("/sync/", "sync"), ("/async/smoke_some_meats/", "async")):
            response = client.get(path)
            assert response.status_code == 502
            assert response.headers["X-Served-By"] == role
            assert "TUTORIAL_ENDPOINT http://127.0.0.1:1/ did not answer" in response.text


def test_a_background_task_ends_before_the_server_does(start_stack):
    stack = start_stack()
    log = Log(stack)
    get(stack, "/async/sync_to_async/", "async")
    log.wait("Blocking count: 1")
    assert stack.stop() == 0
    assert log.has("Waiting up to ")
    assert log.has("Blocking count: 5")
