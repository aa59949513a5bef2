"""Middleware from elsewhere among the native ones: it works, is counted, and is named."""

import pytest
from django.core.signals import request_finished
from django.http import HttpResponse
from django.urls import path

from split_deploy.checks import middleware as check
from split_deploy.middleware import native
from tests.handlers.client import ask
from tests.startproject import SEVEN

OURS = "tests.differential.middleware."


async def view(request):
    return HttpResponse("seen")


urlpatterns = [path("", view)]


@pytest.fixture
def serve(settings):
    settings.ALLOWED_HOSTS = ["*"]
    settings.ROOT_URLCONF = __name__
    settings.SPLIT_DEPLOY = {"ROLE": "async"}
    # A test of the sync instance that ran before has connected it, for as long as the process runs.
    request_finished.disconnect(dispatch_uid="split_deploy.request_id")

    async def serve(*others):
        # Between two of the native ones.
        settings.MIDDLEWARE = native([*SEVEN[:3], *(OURS + name for name in others), *SEVEN[3:]])
        return await ask("/")

    return serve


@pytest.mark.asyncio
async def test_without_any_there_is_no_thread_hop(serve):
    assert (await serve()).hops.count == 0


@pytest.mark.asyncio
@pytest.mark.parametrize(("name", "header"), [("both", b"X-Both"), ("OnlyAsync", b"X-Only-Async")])
async def test_one_that_can_be_async_costs_none(serve, name, header):
    exchange = await serve(name)
    assert header in exchange.headers
    assert exchange.content == b"seen"
    assert exchange.hops.count == 0


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("name", "header", "hops"),
    [
        # One there, and what is inside it comes back to the loop from its thread.
        ("synchronous", b"X-Synchronous", 1),
        # process_request(), process_view() and process_response().
        ("Hooked", b"X-Hooks", 3),
    ],
)
async def test_one_that_cannot_is_adapted_and_counted(serve, name, header, hops):
    exchange = await serve(name)
    assert header in exchange.headers
    assert exchange.content == b"seen"
    assert exchange.hops.count == hops


@pytest.mark.parametrize("name", ["synchronous", "Hooked"])
def test_the_checks_name_it(settings, name):
    settings.SPLIT_DEPLOY = {"ROLE": "async"}
    settings.MIDDLEWARE = native([*SEVEN, OURS + name])
    (message,) = check.check()
    assert OURS + name in message.msg


def test_native_reports_it():
    assert native([*SEVEN, OURS + "both"]).without_native == [OURS + "both"]
