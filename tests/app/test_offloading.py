"""The views about offloading, one by one; tests/e2e/test_offloading.py has them behind nginx."""

import asyncio
import threading

import django
import pytest
from asgiref.sync import async_to_sync

from app import async_views, offloading, views
from app.http_client import lifespan
from app.models import WatchedURL
from split_deploy import tasks
from split_deploy.conf import get_config
from tests.app.test_tutorial_views import endpoint, no_endpoint

__all__ = ["endpoint", "no_endpoint"]


@pytest.fixture(autouse=True)
def _end():
    yield
    tasks.retire(10)


@pytest.fixture
def full(monkeypatch):
    """No room for anything."""

    async def refuse(*_):
        raise tasks.CapacityError("full")

    def refuse_at_once(coro, **_):
        coro.close()
        raise tasks.CapacityError("full")

    monkeypatch.setattr(async_views, "background", refuse_at_once)
    monkeypatch.setattr(async_views, "run_in_thread", refuse)
    monkeypatch.setattr(async_views, "run_in_process", refuse)


def test_the_computations_are_right():
    assert [offloading.count_primes(limit) for limit in (2, 3, 10, 100)] == [0, 1, 4, 25]
    assert offloading.fingerprint("a") == offloading.fingerprint("a") != offloading.fingerprint("b")


@pytest.mark.asyncio
async def test_a_notification_follows_the_answer(async_client, endpoint):
    async with lifespan(), tasks.draining():
        response = await async_client.get("/async/offload/background/")
        assert response.text == "The notification is on its way."
        assert endpoint == []
    assert endpoint == ["/called"]


@pytest.mark.asyncio
async def test_a_computation_in_c_is_made_in_a_thread(async_client, monkeypatch):
    threads = []
    real = offloading.fingerprint
    monkeypatch.setattr(
        offloading, "fingerprint", lambda text: threads.append(threading.get_ident()) or real(text)
    )
    response = await async_client.get("/async/offload/thread/")
    assert response.text == f"The fingerprint is {real('hickory')}."
    assert threading.get_ident() not in threads


@pytest.mark.asyncio
async def test_a_computation_in_python_is_made_in_a_process(async_client):
    response = await async_client.get("/async/offload/process/")
    assert response.text == "There are 78498 primes below 1000000."
    assert tasks.statistics().processes.succeeded == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("what", ["background", "thread", "process"])
async def test_without_room_the_answer_is_503_and_says_when_to_come_back(async_client, full, what):
    response = await async_client.get(f"/async/offload/{what}/")
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"


@pytest.mark.asyncio
@pytest.mark.django_db(transaction=True)
async def test_a_job_is_handed_to_django_s_tasks_framework(async_client):
    response = await async_client.get("/async/offload/queue/")
    if django.VERSION < (6, 0):
        assert response.status_code == 404
        return
    assert response.status_code == 202
    job = response.json()
    assert job["status"] == "SUCCESSFUL", "Django's default backend runs it at once"
    assert job["job"]


@pytest.mark.asyncio
@pytest.mark.django_db(transaction=True)
async def test_the_summary_is_that_of_the_board(async_client, django_user_model):
    owner = await django_user_model.objects.acreate(username="owner")
    for name in ("a", "b"):
        await WatchedURL.objects.acreate(url=f"https://{name}.example/", owner=owner)
    response = await async_client.get("/async/adapters/thread_sensitive/")
    assert response.json() == {"urls": 2, "owners": 1}


@pytest.mark.asyncio
async def test_two_threads_compute_side_by_side(async_client, monkeypatch):
    both = threading.Barrier(2, timeout=10)
    monkeypatch.setattr(offloading, "fingerprint", lambda text: both.wait() * 0 or text)
    response = await async_client.get("/async/adapters/any_thread/")
    assert response.text == "The fingerprints are hickory and mesquite."


def test_a_sync_view_asks_twice_at_once(sync_client, endpoint):
    response = sync_client.get("/sync/adapters/async_to_sync/")
    assert response.text == "Asked twice at once: [204, 204]"
    assert endpoint == ["/called", "/called"]


def test_a_sync_view_says_which_endpoint_did_not_answer(sync_client, no_endpoint):
    assert sync_client.get("/sync/adapters/async_to_sync/").status_code == 502


def test_async_to_sync_makes_a_loop_and_a_thread_each_time():
    """As docs/offloading.md says of the sync instance."""
    loops = []

    async def work():
        loops.append((asyncio.get_running_loop(), threading.current_thread()))

    for _ in range(2):
        async_to_sync(work)()
    (one, thread), (other, _) = loops
    assert one is not other
    assert one.is_closed()
    assert thread is not threading.current_thread()
    thread.join(10)
    assert not thread.is_alive()


def test_the_limits_are_read_from_the_environment():
    assert (get_config().task_threads, get_config().task_processes) == (4, 2)


def test_the_views_are_of_their_instances_kind():
    assert not asyncio.iscoroutinefunction(views.adapt_async_code)
    for name in ("offload_to_background", "offload_to_queue", "adapt_any_thread"):
        assert asyncio.iscoroutinefunction(getattr(async_views, name))
