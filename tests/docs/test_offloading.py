"""docs/offloading.md: its numbers are counted, and its code runs."""

import asyncio
import re

import django
import pytest
from asgiref.sync import sync_to_async

from app import views
from app.http_client import lifespan
from split_deploy import tasks
from split_deploy.testing import counting
from tests.app.test_tutorial_views import endpoint
from tests.docs.pages import block
from tests.docs.test_reference import rows

__all__ = ["endpoint"]

PAGE = "docs/offloading.md"
COSTS = {
    re.match(r"`([^`]+)`", what)[1]: int(hops)
    for what, hops in rows("offloading.md", "## What each costs { #costs }")
}


@pytest.fixture(autouse=True)
def _end():
    yield
    tasks.retire(10)


@pytest.mark.asyncio
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", [path for path in COSTS if path.startswith("/async/")])
async def test_an_async_view_costs_what_the_page_says(async_client, endpoint, path):
    if path == "/async/offload/queue/" and django.VERSION < (6, 0):
        pytest.skip("Django 5.2 has no tasks framework")
    async with lifespan(), tasks.draining():
        response = await async_client.get(path)
    assert response.status_code in {200, 202}
    assert response.thread_hops.count == COSTS[path]


@pytest.mark.asyncio
async def test_async_to_sync_adds_none_to_the_hop_of_its_view(endpoint, rf):
    path = "/sync/adapters/async_to_sync/"
    async with counting() as counted:
        response = await sync_to_async(views.adapt_async_code)(rf.get(path))
    assert response.status_code == 200
    assert counted.count == COSTS[path]


@pytest.mark.asyncio
async def test_the_error_is_what_the_page_shows():
    sleeping = asyncio.Event()
    limit = tasks.statistics().background.limit
    begun = [tasks.background(sleeping.wait()) for _ in range(limit)]
    with pytest.raises(tasks.CapacityError) as error:
        tasks.background(sleeping.wait())
    sleeping.set()
    await asyncio.wait(begun)
    assert str(error.value) == block(PAGE, "One task too many")


def test_the_limits_are_those_of_the_settings():
    table = rows("offloading.md", "## What is too much { #full }")
    shown = " ".join(cell for row in table for cell in row)
    now = tasks.statistics()
    for key, limit in (
        ("BACKGROUND_TASKS", now.background.limit),
        ("TASK_THREADS", now.threads.limit),
        ("TASK_PROCESSES", now.processes.limit),
    ):
        assert f"`{key}`, {limit}" in shown


@pytest.mark.asyncio
async def test_the_metrics_are_in_prometheus_text_format():
    names = {}
    exec(block(PAGE, "What a process does beside its requests"), names)
    await tasks.run_in_thread(int)
    lines = names["task_metrics"]().splitlines()
    assert 'split_deploy_tasks_succeeded{kind="threads"} 1' in lines
    assert len(lines) == 3 * 8
