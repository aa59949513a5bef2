"""What an exception in the view for an exception comes to, layer by layer."""

import asyncio
import sys
from itertools import product

import pytest
from django.core.exceptions import BadRequest
from django.core.handlers.asgi import ASGIHandler
from django.core.signals import got_request_exception
from django.http import Http404, HttpResponse
from django.urls import path

from split_deploy.handlers import NativeASGIHandler
from split_deploy.middleware import native
from tests.differential.stacks import Request, leaks_ignored, run

LAYERS = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]


async def good(request):
    return HttpResponse("good")


async def bad(request):
    raise BadRequest


async def lost(request):
    raise Http404


def handler400(request, exception):
    raise LookupError("in handler400")


def handler404(request, exception):
    raise Http404("in handler404")


def handler500(request):
    if isinstance(request.GET.get("last"), str):
        raise LookupError("in handler500")
    return HttpResponse("handler500", status=500)


urlpatterns = [path("good/", good), path("bad/", bad), path("lost/", lost)]


def failing(at):
    """A layer that fails on the way in, or on the way out."""

    def factory(get_response):
        def middleware(request):
            if at == "in":
                raise BadRequest
            response = get_response(request)
            if at == "out":
                raise BadRequest
            return response

        return middleware

    return factory


fails_in, fails_out, fails_not = failing("in"), failing("out"), failing("")

PLACES = [(name, place) for name in ("in", "out", "not") for place in range(4)]


@pytest.mark.urls(__name__)
@pytest.mark.parametrize(("name", "place"), PLACES)
def test_it_is_met_by_as_many_layers_as_in_djangos_chain(settings, name, place):
    settings.ALLOWED_HOSTS = ["testserver"]
    settings.SPLIT_DEPLOY = {"ROLE": "async"}
    layers = [*LAYERS[:place], f"{__name__}.fails_{name}", *LAYERS[place:]]
    visits = [
        Request(path=f"/{view}/{query}")
        for view, query in product(("good", "bad", "lost"), ("", "?last"))
    ] + [Request(path="/good/", headers=(("host", "evil"),))]

    with leaks_ignored():
        theirs = outcome(settings, ASGIHandler, layers, visits)
    ours = outcome(settings, NativeASGIHandler, native(layers), visits)

    assert ours == theirs


def outcome(settings, handler, middleware, visits):
    settings.MIDDLEWARE = middleware
    met = []

    def remember(request, **_):
        met.append((request.path, repr(sys.exception())))

    got_request_exception.connect(remember)
    try:
        _, exchanges = asyncio.run(run(handler(), visits))
    finally:
        got_request_exception.disconnect(remember)
    return exchanges, met
