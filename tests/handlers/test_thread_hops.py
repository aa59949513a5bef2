"""What needs a thread and what doesn't."""

import asyncio
import logging
import threading
from io import BytesIO

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.core.signals import got_request_exception
from django.http import FileResponse, Http404, HttpResponse, JsonResponse
from django.template import engines
from django.template.response import SimpleTemplateResponse
from django.urls import path
from django.views import View

from split_deploy.handlers import NativeASGIHandler
from tests.handlers.client import Exchange, ask, is_on_the_loop

pytestmark = [pytest.mark.asyncio, pytest.mark.urls(__name__)]

ran_on_the_loop: list[bool]


@pytest.fixture(autouse=True)
def notes():
    global ran_on_the_loop
    ran_on_the_loop = []


@pytest.fixture
def log_to_nobody(monkeypatch):
    """pytest's own handlers are known not to block, but for that of a ``--log-file``."""
    monkeypatch.setattr(logging.getLogger("django"), "propagate", False)


def note():
    ran_on_the_loop.append(is_on_the_loop())


async def async_view(request):
    note()
    return JsonResponse({})


def sync_view(request):
    note()
    return HttpResponse()


class AsyncClass(View):
    async def get(self, request):
        note()
        return HttpResponse()


class Closing(HttpResponse):
    def close(self):
        note()
        super().close()


async def rendered(request):
    return SimpleTemplateResponse(engines["django"].from_string("a page"))


async def rendered_already(request):
    return SimpleTemplateResponse(engines["django"].from_string("a page")).render()


async def in_memory_file(request):
    return FileResponse(BytesIO(b"12"))


async def own_close(request):
    return Closing()


async def own_close_of_this_one(request):
    response = HttpResponse()
    close = response.close
    response.close = lambda: (note(), close())
    return response


async def own_closer(request):
    response = HttpResponse()
    response._resource_closers.append(note)
    return response


async def reads_post(request):
    note()
    return JsonResponse({"files": len(request.FILES), "fields": len(request.POST)})


def raising(error):
    async def view(request):
        raise error

    return view


urlpatterns = [
    path("", async_view),
    path("sync/", sync_view),
    path("class/", AsyncClass.as_view()),
    path("rendered/", rendered),
    path("rendered-already/", rendered_already),
    path("file/", in_memory_file),
    path("own-close/", own_close),
    path("own-close-of-this-one/", own_close_of_this_one),
    path("own-closer/", own_closer),
    path("post/", reads_post),
    path("404/", raising(Http404())),
    path("403/", raising(PermissionDenied())),
    path("400/", raising(BadRequest())),
    path("suspicious/", raising(SuspiciousOperation())),
    path("500/", raising(LookupError())),
]


@pytest.mark.parametrize("path", ["/", "/class/", "/rendered-already/"])
async def test_an_async_view_needs_no_thread(path):
    before = set(threading.enumerate())
    exchange = await ask(path)

    assert exchange.status == 200
    assert exchange.hops.count == 0
    assert set(threading.enumerate()) == before
    assert ran_on_the_loop in ([True], [])


async def test_a_sync_view_runs_in_a_thread_of_the_pool():
    exchange = await ask("/sync/")
    assert (exchange.status, exchange.hops.count) == (200, 1)
    assert ran_on_the_loop == [False]


async def test_a_template_response_is_rendered_in_a_thread():
    exchange = await ask("/rendered/")
    assert (exchange.content, exchange.hops.count) == (b"a page", 1)


async def test_atomic_requests_are_refused_to_an_async_view_at_once(monkeypatch):
    from django.db import connections

    handler = NativeASGIHandler()
    assert (await ask(handler=handler)).status == 200
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)

    with pytest.raises(RuntimeError, match="ATOMIC_REQUESTS"):
        handler.make_view_atomic(async_view)
    assert (await ask(handler=handler)).status == 500


# Errors

FIRST_AND_LATER = [("/404/", 404), ("/nowhere/", 404), ("/403/", 403), ("/400/", 400)]


@pytest.mark.usefixtures("log_to_nobody")
@pytest.mark.parametrize(("path", "status"), [*FIRST_AND_LATER, ("/suspicious/", 400)])
async def test_the_page_for_an_error_needs_a_thread_until_it_is_known_to_have_no_template(
    path, status, settings
):
    settings.TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates"}]
    first, later = await ask(path), await ask(path)

    assert first.status == later.status == status
    assert first.content == later.content
    assert (first.hops.count, later.hops.count) == (1, 0)


@pytest.mark.usefixtures("log_to_nobody")
async def test_a_template_of_the_project_is_rendered_in_a_thread(settings, tmp_path):
    (tmp_path / "404.html").write_text("not here")
    settings.TEMPLATES = [
        {"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [tmp_path]}
    ]
    for _ in range(2):
        exchange = await ask("/404/")
        assert (exchange.content, exchange.hops.count) == (b"not here", 1)


@pytest.mark.usefixtures("log_to_nobody")
async def test_with_debug_the_page_is_made_in_a_thread(settings):
    settings.DEBUG = True
    settings.TEMPLATES = []
    for _ in range(2):
        assert (await ask("/404/")).hops.count == 1


@pytest.mark.usefixtures("log_to_nobody")
async def test_without_a_cache_the_loaders_are_asked_in_a_thread(settings):
    loaders = ["django.template.loaders.app_directories.Loader"]
    settings.TEMPLATES = [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {"loaders": loaders},
        }
    ]
    for _ in range(2):
        assert (await ask("/404/")).hops.count == 1


@pytest.mark.usefixtures("log_to_nobody")
async def test_a_view_of_the_project_for_an_error_runs_in_a_thread(settings, monkeypatch):
    def handler404(request, exception):
        note()
        return HttpResponse(status=404)

    monkeypatch.setitem(globals(), "handler404", handler404)
    settings.TEMPLATES = []

    assert (await ask("/404/")).hops.count == 1
    assert ran_on_the_loop == [False]


@pytest.mark.usefixtures("log_to_nobody")
async def test_a_form_that_the_error_page_would_parse_is_parsed_in_a_thread(settings):
    settings.TEMPLATES = []
    form = [(b"content-type", b"multipart/form-data; boundary=x")]
    body = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n'

    plain = await ask("/404/", "POST", body=b"a=b")
    multipart = await ask("/404/", "POST", body=body, scope={"headers": form})

    assert (plain.hops.count, multipart.hops.count) == (0, 1)


@pytest.mark.usefixtures("log_to_nobody")
async def test_a_token_that_is_in_the_session_is_looked_up_in_a_thread(settings):
    settings.TEMPLATES = []
    settings.CSRF_USE_SESSIONS = True
    settings.MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware"]
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"

    exchange = await ask("/404/")

    # Two are of Django's middleware.
    assert (exchange.status, exchange.hops.count) == (404, 1 + 2)


@pytest.mark.usefixtures("log_to_nobody")
async def test_a_mistake_of_the_project_is_answered_in_a_thread():
    threads = []

    def receiver(**kwargs):
        threads.append(is_on_the_loop())

    got_request_exception.connect(receiver)
    try:
        exchange = await ask("/500/")
    finally:
        got_request_exception.disconnect(receiver)

    assert (exchange.status, exchange.hops.count) == (500, 1)
    assert threads == [False]


async def test_a_log_that_may_block_is_written_in_a_thread(settings, monkeypatch, tmp_path):
    settings.TEMPLATES = []
    logger = logging.getLogger("django")
    monkeypatch.setattr(logger, "propagate", False)
    handler = logging.FileHandler(tmp_path / "log")
    monkeypatch.setattr(logger, "handlers", [handler])

    exchange = await ask("/404/")
    handler.close()

    assert exchange.hops.count == 1
    assert "Not Found: /404/" in (tmp_path / "log").read_text()


async def test_an_error_is_logged_once(settings, caplog):
    settings.TEMPLATES = []
    exchange = await ask("/403/")

    assert exchange.hops.count == 0
    assert caplog.messages == ["Forbidden (Permission denied): /403/"]


# Middleware


def sync_middleware(get_response):
    def middleware(request):
        note()
        return get_response(request)

    return middleware


class AsyncHooks:
    """Middleware whose hooks are all coroutine functions."""

    async_capable = True
    sync_capable = False

    def __init__(self, get_response):
        self.get_response = get_response

    async def __call__(self, request):
        note()
        return await self.get_response(request)

    async def process_view(self, request, view, args, kwargs):
        note()

    async def process_template_response(self, request, response):
        note()
        return response

    async def process_exception(self, request, error):
        note()
        return HttpResponse("excused", status=200)


async def test_a_sync_middleware_is_run_in_a_thread(settings):
    settings.MIDDLEWARE = [f"{__name__}.sync_middleware"]
    exchange = await ask("/")

    assert (exchange.status, exchange.hops.count) == (200, 1)
    assert ran_on_the_loop == [False, True]


@pytest.mark.parametrize(
    ("path", "content"), [("/rendered-already/", b"a page"), ("/500/", b"excused")]
)
async def test_coroutine_hooks_are_awaited(settings, path, content):
    settings.MIDDLEWARE = [f"{__name__}.AsyncHooks"]
    exchange = await ask(path)

    assert (exchange.status, exchange.content, exchange.hops.count) == (200, content, 0)
    assert ran_on_the_loop == [True] * 3


async def test_an_unmarked_async_middleware_has_its_errors_converted(settings):
    settings.TEMPLATES = []
    settings.MIDDLEWARE = [f"{__name__}.AsyncHooks", f"{__name__}.Refusing"]
    assert (await ask("/")).status == 403


class Refusing(AsyncHooks):
    async def __call__(self, request):
        raise PermissionDenied


# The end


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
async def test_what_cannot_block_is_closed_on_the_event_loop():
    exchange = await ask("/file/")
    assert exchange.content == b"12"
    # A sync iterator is read in a thread, as in Django.
    assert exchange.hops.count == 1


@pytest.mark.parametrize("path", ["/own-close/", "/own-close-of-this-one/", "/own-closer/"])
async def test_what_a_project_closes_is_closed_in_a_thread(path):
    exchange = await ask(path)
    assert exchange.hops.count == 1
    assert ran_on_the_loop == [False]


async def test_a_call_that_the_view_left_in_its_thread_may_still_read_the_body():
    release, outcome = threading.Event(), []

    def read_late(request):
        release.wait(5)
        outcome.append(request.read())

    async def leaving(request):
        request.META["task"] = asyncio.create_task(sync_to_async(read_late)(request))
        await asyncio.sleep(0.01)
        return HttpResponse()

    urlpatterns.append(path("leaving/", leaving))
    try:
        exchange = Exchange("/leaving/", "POST", body=b"the body").begin()
        await exchange.started.wait()
        release.set()
        await exchange.end()
    finally:
        urlpatterns.pop()

    assert outcome == [b"the body"]
