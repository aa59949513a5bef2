"""Work beside the requests, between real servers, and behind nginx where there is one."""

import re
import subprocess
from collections.abc import Iterator

import django
import httpx
import pytest

from tests.e2e.stack import Stack


@pytest.fixture
def client(any_stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=any_stack.url, timeout=20) as client:
        yield client


def get(client: httpx.Client, path: str, role: str = "async") -> httpx.Response:
    """The response of the instance of ``role``, or of the only one."""
    response = client.get(path)
    assert response.status_code in {200, 202}, response.text
    assert response.headers["X-Served-By"] in {role, "mixed"}
    return response


def test_what_is_left_to_the_background_is_done_after_the_answer(any_stack, client):
    response = get(client, "/async/offload/background/")
    assert response.text == "The notification is on its way."
    assert response.headers["X-Thread-Hops"] == "0"
    id_ = response.headers["X-Request-ID"]
    any_stack.wait_for_log(f"request_id={id_} user=- Notified ")


def test_a_thread_is_one_hop(client):
    response = get(client, "/async/offload/thread/")
    assert re.fullmatch(r"The fingerprint is [0-9a-f]{16}\.", response.text)
    assert response.headers["X-Thread-Hops"] == "1"


def test_a_process_writes_to_the_same_log_with_the_id_of_the_request(any_stack, client):
    response = get(client, "/async/offload/process/")
    assert response.text == "There are 78498 primes below 1000000."
    assert response.headers["X-Thread-Hops"] == "1"
    id_ = response.headers["X-Request-ID"]
    line = any_stack.wait_for_log(f"request_id={id_} user=- Counted the primes below 1000000")
    assert "app.offloading" in line


def test_a_job_goes_to_django_s_tasks_framework_where_there_is_one(client):
    if django.VERSION < (6, 0):
        assert client.get("/async/offload/queue/").status_code == 404
        return
    response = get(client, "/async/offload/queue/")
    assert response.status_code == 202
    assert response.json()["status"] == "SUCCESSFUL"


@pytest.mark.parametrize(
    ("path", "hops"),
    [("/async/adapters/thread_sensitive/", "1"), ("/async/adapters/any_thread/", "2")],
)
def test_sync_to_async_costs_a_hop_for_each_call(client, path, hops):
    assert get(client, path).headers["X-Thread-Hops"] == hops


def test_async_to_sync_in_a_sync_view_waits_for_both_at_once(client):
    response = get(client, "/sync/adapters/async_to_sync/", "sync")
    assert response.text == "Asked twice at once: [200, 200]"


def test_the_processes_end_with_the_server(start_stack):
    stack = start_stack()
    with httpx.Client(base_url=stack.url, timeout=20) as client:
        get(client, "/async/offload/process/")
    workers = workers_of(stack)
    assert workers
    assert stack.stop() == 0
    assert not workers & set(processes())


def processes() -> dict[int, tuple[int, str]]:
    """Of each process its parent and its command."""
    done = subprocess.run(
        ["ps", "-ewwo", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    )
    rows = (line.split(None, 2) for line in done.stdout.splitlines())
    return {int(pid): (int(parent), rest[0] if rest else "") for pid, parent, *rest in rows}


def workers_of(stack: Stack) -> set[int]:
    """The processes of ``run_in_process()`` that descend from ``stack``."""
    running = processes()
    found = set()
    for pid, (_, command) in running.items():
        ancestor = pid
        while ancestor in running and ancestor != stack.process.pid:
            ancestor = running[ancestor][0]
        if ancestor == stack.process.pid and "split_deploy.tasks.worker" in command:
            found.add(pid)
    return found
