"""The request is the one that Django makes."""

from io import BytesIO

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from django.urls import path, reverse

from split_deploy.handlers import request as module
from split_deploy.handlers.request import NativeASGIRequest
from tests.handlers.client import a_scope, ask

HEADERS = [
    [],
    [(b"content-type", b"text/plain; charset=latin-1"), (b"content-length", b"3")],
    [(b"Content-Type", b"text/plain")],  # not as ASGI wants it
    [(b"x-one", b"1"), (b"x-two", b"2"), (b"x-one", b"3")],
    [(b"cookie", b"a=1"), (b"cookie", b"b=2")],
    [(b"cookie", b"a=1; ")],
    [(b"cookie", b"a=1;")],
    [(b"cookie", b"")],
    [(b"x_underscore", b"spoofed"), (b"x-underscore", b"honest")],
    [(b"x-latin", b"\xe4")],
    [(b"\xe4", b"1")],
    ((b"x-a", b"1"),),
]


def state(request):
    return {key: value for key, value in vars(request).items() if key != "_stream"} | {
        "GET": request.GET,
        "COOKIES": request.COOKIES,
        "headers": dict(request.headers),
        "scheme": request.scheme,
        "encoding": request.encoding,
        "body": request.body,
    }


@pytest.mark.parametrize("headers", HEADERS, ids=repr)
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"query_string": b"a=%C3%A4", "client": ("203.0.113.9", 1), "server": ("example.com", 80)},
        {"root_path": "/site", "path": "/site/page/", "scheme": "https"},
    ],
    ids=["bare", "query", "prefix"],
)
def test_it_has_all_that_django_s_has(headers, more):
    scope = a_scope(**{"path": "/page/", **more})
    scope["headers"] = headers

    ours, django = (cls(dict(scope), BytesIO(b"abc")) for cls in (NativeASGIRequest, ASGIRequest))

    assert state(ours) == state(django)
    assert list(ours.META) == list(django.META)
    assert ours.scope["headers"] is headers


def test_headers_that_can_be_gone_through_only_once_are_all_there():
    scope = a_scope() | {"headers": iter([(b"x-a", b"1"), (b"x-a", b"2")])}
    assert NativeASGIRequest(scope, BytesIO()).META["HTTP_X_A"] == "1,2"


def test_a_query_that_is_no_text_is_an_error_as_in_django():
    with pytest.raises(UnicodeDecodeError):
        NativeASGIRequest(a_scope(query_string=b"\xff"), BytesIO())


def test_the_names_that_clients_choose_do_not_pile_up():
    for number in range(2 * module._MOST_NAMES):
        headers = [(b"x-%d" % number, b"1")]
        request = NativeASGIRequest(a_scope() | {"headers": headers}, BytesIO())
        assert request.META[f"HTTP_X_{number}"] == "1"
    assert len(module._names) <= module._MOST_NAMES


async def where(request):
    return HttpResponse(f"{request.path} {request.path_info} {reverse('where')}")


urlpatterns = [path("where/", where, name="where")]


@pytest.mark.asyncio
@pytest.mark.urls(__name__)
async def test_the_script_name_of_the_server_is_in_front_of_urls(settings):
    exchange = await ask("/site/where/", scope={"root_path": "/site"})
    assert exchange.content == b"/site/where/ /where/ /site/where/"

    settings.FORCE_SCRIPT_NAME = "/forced"
    exchange = await ask("/forced/where/")
    assert exchange.content == b"/forced/where/ /where/ /forced/where/"


@pytest.mark.asyncio
@pytest.mark.urls(__name__)
async def test_a_request_that_cannot_be_made_is_answered_with_400(caplog):
    exchange = await ask(scope={"query_string": b"\xff"})
    assert (exchange.status, exchange.content) == (400, b"")
    assert "Bad Request (UnicodeDecodeError)" in caplog.messages


@pytest.mark.asyncio
async def test_a_scope_that_is_not_http_is_refused():
    with pytest.raises(ValueError, match="Django can only handle ASGI/HTTP connections, not other"):
        await ask(scope={"type": "other"})
