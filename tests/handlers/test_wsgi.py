"""The handler of the sync instance answers what Django's does, with fewer calls."""

import sys

import pytest
from django.contrib import messages
from django.core.exceptions import MiddlewareNotUsed, PermissionDenied
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import connections
from django.http import HttpResponse, StreamingHttpResponse
from django.template.response import SimpleTemplateResponse
from django.test import RequestFactory
from django.urls import path
from django.utils.deprecation import MiddlewareMixin

from split_deploy.handlers import NativeWSGIHandler
from split_deploy.middleware import native
from split_deploy.middleware.common import CommonMiddleware
from split_deploy.middleware.security import SecurityMiddleware
from tests.startproject import SEVEN

HERE = __name__

#: A real handler closes old connections, of which a test before may have left one.
pytestmark = pytest.mark.django_db


def page(request):
    return HttpResponse("a page")


def own_headers(request):
    return HttpResponse("own", headers={"X-Frame-Options": "ALLOWALL", "Content-Length": "3"})


def stream(request):
    return StreamingHttpResponse(iter([b"a ", b"stream"]))


def forbidden(request):
    raise PermissionDenied


def noted(request):
    messages.success(request, "noted")
    return HttpResponse(", ".join(map(str, messages.get_messages(request))))


def kept(request):
    messages.success(request, "for the next page")
    return HttpResponse("kept")


def remembered(request, number):
    request.session["number"] = number
    return HttpResponse(f"{request.user} {number}")


class Unrendered(SimpleTemplateResponse):
    def resolve_template(self, template):
        return type("Template", (), {"render": lambda self, context, request=None: "rendered"})()


def unrendered(request):
    return Unrendered("a.html")


urlpatterns = [
    path("page/", page),
    path("own-headers/", own_headers),
    path("stream/", stream),
    path("forbidden/", forbidden),
    path("noted/", noted),
    path("kept/", kept),
    path("remembered/<int:number>/", remembered),
    path("unrendered/", unrendered),
]


class Outside(MiddlewareMixin):
    """As a package has it: neither native nor Django's."""

    def process_response(self, request, response):
        response.headers["X-Outside"] = str(response.status_code)
        return response


class Wrapping(CommonMiddleware):
    """Gives itself another ``get_response`` than it was given."""

    def __init__(self, get_response):
        def timed(request):
            response = get_response(request)
            response.headers["X-Timed"] = "yes"
            return response

        super().__init__(timed)


class OfOneMode(SecurityMiddleware):
    """Which has a header of its own, and says that its hooks are for one mode."""

    def process_response(self, request, response):
        response = super().process_response(request, response)
        response.headers["X-Seen"] = str(response.status_code)
        return response


class SyncOnly(OfOneMode):
    async_capable = False


class AsyncOnly(OfOneMode):
    sync_capable = False


def unused(get_response):
    raise MiddlewareNotUsed


def answer(handler, environ):
    started = []
    response = handler(environ, lambda status, headers: started.append((status, headers)))
    body = b"".join(response)
    response.close()
    ((status, headers),) = started
    return status, sorted(headers), body


REQUESTS = [
    ("GET", "/page/", {}),
    ("HEAD", "/page/", {}),
    ("GET", "/page", {}),
    ("GET", "/page/?refused", {}),
    ("GET", "/page/?answered", {}),
    ("GET", "/page/", {"wsgi.url_scheme": "https"}),
    ("GET", "/page/", {"HTTP_HOST": "evil.example"}),
    ("GET", "/own-headers/", {}),
    ("GET", "/stream/", {}),
    ("GET", "/forbidden/", {}),
    ("GET", "/missing/", {}),
    ("GET", "/noted/", {}),
    ("GET", "/kept/", {}),
    ("GET", "/remembered/7/", {}),
    ("GET", "/unrendered/", {}),
    ("POST", "/page/", {}),
    ("GET", "/p%C3%A4ge/", {}),
]


@pytest.mark.parametrize(("method", "target", "more"), REQUESTS)
def test_it_answers_what_django_s_answers(settings, method, target, more):
    settings.ROOT_URLCONF = HERE
    settings.ALLOWED_HOSTS = ["testserver"]
    settings.SECURE_HSTS_SECONDS = 60
    settings.SECURE_REFERRER_POLICY = "origin, same-origin"
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    settings.TEMPLATES = []
    middleware = [
        "tests.middleware.test_native.Refusing",
        *SEVEN[:2],
        f"{HERE}.Outside",
        *SEVEN[2:],
    ]

    found = []
    for handler, listed in ((WSGIHandler, middleware), (NativeWSGIHandler, native(middleware))):
        settings.MIDDLEWARE = listed
        serving = handler()
        for _ in range(2):  # what is kept for the second is the same
            environ = RequestFactory().generic(method, target).environ | more
            found.append(answer(serving, environ))

    theirs, theirs_again, ours, ours_again = map(comparable, found)
    assert theirs[0] == theirs_again[0]
    assert ours == theirs
    assert ours_again == theirs_again


@pytest.mark.parametrize("name", ["SyncOnly", "AsyncOnly", "Wrapping", "unused"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_fits_into_no_row_is_called_all_the_same(settings, name, place):
    settings.ROOT_URLCONF = HERE
    settings.ALLOWED_HOSTS = ["testserver"]
    settings.MIDDLEWARE = native([SEVEN[0], SEVEN[6]])
    settings.MIDDLEWARE.insert(place, f"{HERE}.{name}")
    for target in ("/page/", "/forbidden/"):
        found = [
            answer(handler(), RequestFactory().get(target).environ)
            for handler in (WSGIHandler, NativeWSGIHandler)
        ]
        assert found[0] == found[1]
        headers = dict(found[1][1])
        assert ("X-Seen" in headers, "X-Timed" in headers) == (
            name.endswith("Only"),
            name == "Wrapping",
        )


def comparable(answered):
    """Without what has the time in it."""
    status, headers, body = answered
    return (
        status,
        [
            (name, value.partition("=")[0] if name == "Set-Cookie" else value)
            for name, value in headers
        ],
        body,
    )


def calls(handler, environ):
    """How many calls of Python functions it takes to answer."""
    count = 0

    def profile(frame, event, argument):
        nonlocal count
        count += event == "call"

    sys.setprofile(profile)
    try:
        answer(handler, environ)
    finally:
        sys.setprofile(None)
    return count


def test_it_makes_fewer_calls(settings):
    settings.ROOT_URLCONF = HERE
    settings.ALLOWED_HOSTS = ["testserver"]
    stacks = [
        (WSGIHandler, SEVEN),
        (WSGIHandler, native(SEVEN)),
        (NativeWSGIHandler, native(SEVEN)),
    ]
    counted = []
    for handler, middleware in stacks:
        settings.MIDDLEWARE = middleware
        serving = handler()
        for _ in range(2):
            count = calls(serving, RequestFactory().get("/page/").environ)
        counted.append(count)

    assert counted[0] > counted[1] > counted[2]


def test_a_view_is_in_a_transaction_as_in_django(settings):
    settings.ROOT_URLCONF = HERE
    handler = NativeWSGIHandler()
    assert handler.make_view_atomic(page) is page
    connections["default"].settings_dict["ATOMIC_REQUESTS"] = True
    try:
        assert handler.make_view_atomic(page) is not page
    finally:
        connections["default"].settings_dict["ATOMIC_REQUESTS"] = False


def test_the_signals_name_it_as_the_sender(settings):
    settings.ROOT_URLCONF = HERE
    settings.ALLOWED_HOSTS = ["testserver"]
    senders = []

    def note(sender, **_):
        senders.append(sender)

    for signal in (request_started, request_finished):
        signal.connect(note)
    try:
        answer(NativeWSGIHandler(), RequestFactory().get("/page/").environ)
    finally:
        for signal in (request_started, request_finished):
            signal.disconnect(note)
    assert senders == [NativeWSGIHandler, NativeWSGIHandler]
