"""``AsyncRoleClient`` counts what an instance would need."""

import pytest
from django.http import Http404, HttpResponse
from django.urls import path

from split_deploy.testing import AsyncRoleClient

pytestmark = [pytest.mark.asyncio, pytest.mark.urls(__name__)]


async def view(request):
    return HttpResponse()


def sync_view(request):
    return HttpResponse()


async def missing(request):
    raise Http404


async def failing(request):
    raise LookupError


urlpatterns = [
    path("", view),
    path("sync/", sync_view),
    path("missing/", missing),
    path("failing/", failing),
]


@pytest.mark.parametrize(
    ("target", "status", "hops"), [("/", 200, 0), ("/sync/", 200, 1), ("/missing/", 404, 0)]
)
async def test_it_is_the_native_handler_that_answers(settings, target, status, hops):
    settings.TEMPLATES = []
    response = await AsyncRoleClient().get(target)
    assert (response.status_code, response.thread_hops.count) == (status, hops)


async def test_an_error_of_the_view_is_raised_as_by_django_s_client():
    with pytest.raises(LookupError):
        await AsyncRoleClient().get("/failing/")
    response = await AsyncRoleClient(raise_request_exception=False).get("/failing/")
    assert response.status_code == 500
