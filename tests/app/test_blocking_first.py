"""The blocking-first views; tests/e2e/test_blocking_first.py has them behind nginx."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from app import async_views
from app.http_client import lifespan
from split_deploy.inspection import inspect_source, inspect_view
from tests.app.test_tutorial_views import endpoint, no_endpoint

__all__ = ["endpoint", "no_endpoint"]

TARGET = "/async/blocking_first/"


@pytest.mark.asyncio
@pytest.mark.django_db(transaction=True)
async def test_it_queries_asks_and_queries_again(async_client, endpoint, django_user_model):
    owner = await django_user_model.objects.acreate(username="owner")
    for name in ("a", "b"):
        await owner.watched_urls.acreate(url=f"https://{name}.example/")
    async with lifespan():
        response = await async_client.get(TARGET)
    assert response.json() == {
        "urls": 2,
        "owners": 1,
        "latest": "https://b.example/",
        "endpoint": 204,
    }
    assert response.thread_hops.count == 0
    assert endpoint == ["/called"]


@pytest.mark.asyncio
@pytest.mark.django_db(transaction=True)
async def test_it_says_which_endpoint_did_not_answer(async_client, no_endpoint):
    async with lifespan():
        assert (await async_client.get(TARGET)).status_code == 502


@pytest.mark.urls("async_urls")
def test_a_list_is_looked_up_in_the_transaction_of_the_test(watched):
    upload = SimpleUploadedFile("list.txt", f"https://b.example/\n{watched.url}\n".encode())
    response = Client(enforce_csrf_checks=True).post(f"{TARGET}list/", {"list": upload})
    assert response.json() == {"known": [watched.url]}


@pytest.mark.urls("async_urls")
def test_without_a_list_the_answer_is_400():
    response = Client().post(f"{TARGET}list/")
    assert response.status_code == 400
    assert "list" in response.json()["error"]


@pytest.mark.parametrize("view", [async_views.summarize_board, async_views.find_known_urls])
def test_they_are_async_and_the_checks_have_nothing_to_say(view):
    report = inspect_view(view)
    assert (report.effective.mode, report.problems) == ("async", ())
    first = view.__wrapped__.__wrapped__.__code__.co_firstlineno
    lines = range(first, first + 25)
    found = [
        each for each in inspect_source(["app"]) if each.location.file.endswith("async_views.py")
    ]
    assert not [each for each in found if each.location.line in lines]
