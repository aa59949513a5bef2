"""The log filter: role, request id and user id on each record, in both roles."""

import logging

import pytest
from asgiref.sync import sync_to_async
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse
from django.urls import path

from split_deploy.context import aget_current_user, get_current_user, impersonate
from split_deploy.logging import RequestContextFilter
from tests.context.site import cookie_headers, loads, somebody, wsgi
from tests.handlers.client import ask

pytestmark = pytest.mark.urls(__name__)

logger = logging.getLogger("tests.context")


@pytest.fixture
def lines(caplog):
    caplog.handler.addFilter(RequestContextFilter())
    caplog.set_level("INFO")

    def lines():
        return [
            (record.role, record.user_id, record.getMessage())
            for record in caplog.records
            if record.name in ("tests.context", "django.request") and record.request_id != "-"
        ]

    return lines


def view(request):
    logger.info("before")
    get_current_user()
    logger.info("after")
    with impersonate(somebody(9)):
        logger.info("inside")
    return HttpResponse(status=400)


async def aview(request):
    logger.info("before")
    await aget_current_user()
    logger.info("after")
    with impersonate(somebody(9)):
        await sync_to_async(logger.info)("inside")
    return HttpResponse(status=400)


urlpatterns = [path("", view), path("async/", aview)]


def test_in_the_sync_role(sync_role, lines):
    with wsgi(WSGIHandler(), "/", 7):
        pass
    assert lines() == [
        ("sync", "-", "before"),
        ("sync", "7", "after"),
        ("sync", "9", "inside"),
        ("sync", "7", "Bad Request: /"),
    ]


@pytest.mark.asyncio
async def test_in_the_async_role(async_role, lines):
    await ask("/async/", scope=cookie_headers(7))
    assert lines() == [
        ("async", "-", "before"),
        ("async", "7", "after"),
        ("async", "9", "inside"),
        ("async", "7", "Bad Request: /async/"),
    ]


def test_a_line_never_loads_the_user(sync_role, lines):
    with wsgi(WSGIHandler(), "/no/such/page/", 7):
        pass
    assert lines() == [("sync", "-", "Not Found: /no/such/page/")]
    assert not loads


def test_without_a_request_there_is_nobody(caplog):
    caplog.handler.addFilter(RequestContextFilter())
    logger.warning("outside")
    (record,) = caplog.records
    assert (record.role, record.request_id, record.user_id) == ("sync", "-", "-")
