"""What is said of each middleware, and what a request really costs there."""

import asyncio

import pytest
from asgiref.sync import iscoroutinefunction
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.base import BaseHandler
from django.http import HttpResponse
from django.urls import path
from django.utils.decorators import (
    async_only_middleware,
    sync_and_async_middleware,
    sync_only_middleware,
)
from django.utils.deprecation import MiddlewareMixin

from split_deploy.inspection import inspect_middleware
from split_deploy.middleware.base import SyncAndAsyncMiddleware

# The numbers of hops in the async role that were counted in stock Django.
STOCK = {
    "django.middleware.security.SecurityMiddleware": 2,
    "django.contrib.sessions.middleware.SessionMiddleware": 2,
    "django.middleware.common.CommonMiddleware": 2,
    "django.middleware.csrf.CsrfViewMiddleware": 3,
    "django.contrib.auth.middleware.AuthenticationMiddleware": 1,
    "django.contrib.messages.middleware.MessageMiddleware": 2,
    "django.middleware.clickjacking.XFrameOptionsMiddleware": 1,
}
OURS = [
    "split_deploy.middleware.InstanceMiddleware",
    "split_deploy.middleware.HealthMiddleware",
]


async def view(request):
    return HttpResponse("here")


urlpatterns = [path("", view)]


@sync_only_middleware
def sync_only(get_response):
    return lambda request: get_response(request)


@async_only_middleware
def async_only(get_response):
    async def middleware(request):
        return await get_response(request)

    return middleware


@sync_and_async_middleware
def both(get_response):
    if iscoroutinefunction(get_response):
        return async_only(get_response)
    return sync_only(get_response)


class OldStyle:
    """Without a word on what it is capable of: sync, then."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_view(self, request, callback, args, kwargs):
        return None


class EveryHook(MiddlewareMixin):
    def process_request(self, request):
        return None

    def process_view(self, request, callback, args, kwargs):
        return None

    def process_exception(self, request, exception):
        return None

    def process_template_response(self, request, response):
        return response

    def process_response(self, request, response):
        return response


class AsyncView(MiddlewareMixin):
    async def process_view(self, request, callback, args, kwargs):
        return None


class OwnAcall(EveryHook):
    async def __acall__(self, request):
        return await self.get_response(request)


class Native(SyncAndAsyncMiddleware):
    async def ahandle(self, request):
        return await self.get_response(request)


class Nothing:
    sync_capable = False
    async_capable = False


HERE = __name__


def crossings(middleware, settings) -> int:
    """Count what a request to an async view costs in the middleware, at asgiref's two doors."""
    settings.ROOT_URLCONF = HERE
    settings.MIDDLEWARE = []
    without = _count()
    settings.MIDDLEWARE = middleware
    return _count() - without


class CountingLoop(asyncio.SelectorEventLoop):
    """The loop of both doors: what goes out to a thread, and what comes back from one."""

    hops = 0

    def run_in_executor(self, executor, function, *args):
        self.hops += 1
        return super().run_in_executor(executor, function, *args)

    def call_soon_threadsafe(self, callback, *args, **kwargs):
        self.hops += callback == self.create_task
        return super().call_soon_threadsafe(callback, *args, **kwargs)


def _count() -> int:
    statuses = []

    async def request() -> None:
        requests = [{"type": "http.request", "body": b""}]

        async def receive():
            return requests.pop() if requests else await asyncio.Event().wait()

        async def send(message):
            statuses.append(message.get("status"))

        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "path": "/",
            "query_string": b"",
            "headers": [(b"host", b"testserver")],
        }
        await ASGIHandler()(scope, receive, send)

    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        runner.run(request())
        assert statuses[0] == 200
        return runner.get_loop().hops


@pytest.mark.parametrize("path", STOCK)
def test_stock_middleware_costs_in_the_async_role_what_was_counted(path):
    (report,) = inspect_middleware("async", [path])

    assert report.hops == STOCK[path]
    assert not report.native
    assert not report.adapted
    assert report.certainty == "proven"


@pytest.mark.django_db
def test_the_seven_of_startproject_cost_thirteen_hops(settings):
    assert crossings(list(STOCK), settings) == 13
    assert sum(each.hops for each in inspect_middleware("async", list(STOCK))) == 13


LISTS = {
    "none": [],
    "ours": OURS,
    "every hook": [f"{HERE}.EveryHook"],
    "an async hook": [f"{HERE}.AsyncView"],
    "no hooks of its own __acall__": [f"{HERE}.OwnAcall"],
    "native": [f"{HERE}.Native"],
    "both": [f"{HERE}.both"],
    "async only": [f"{HERE}.async_only"],
    "sync only": [f"{HERE}.sync_only"],
    "two sync only": [f"{HERE}.sync_only", f"{HERE}.sync_only"],
    "two sync only, apart": [f"{HERE}.sync_only", f"{HERE}.both", f"{HERE}.sync_only"],
    "apart by an async one": [f"{HERE}.sync_only", f"{HERE}.async_only", f"{HERE}.sync_only"],
    "sync only at the top": [f"{HERE}.sync_only", f"{HERE}.Native", f"{HERE}.EveryHook"],
    "sync only at the view": [f"{HERE}.EveryHook", f"{HERE}.OldStyle"],
    "hooks outside of sync only": [f"{HERE}.EveryHook", f"{HERE}.sync_only"],
    "hooks inside of sync only": [f"{HERE}.sync_only", f"{HERE}.EveryHook"],
    "old style": [f"{HERE}.OldStyle"],
}


@pytest.mark.django_db
@pytest.mark.parametrize("middleware", LISTS.values(), ids=LISTS)
def test_the_hops_of_any_list_are_those_that_are_measured(middleware, settings):
    said = sum(each.hops for each in inspect_middleware("async", middleware))
    assert said == crossings(middleware, settings)


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("middleware", LISTS.values(), ids=LISTS)
def test_the_modes_are_those_that_django_chooses(middleware, is_async, settings):
    chosen = {}

    class Handler(BaseHandler):
        def adapt_method_mode(self, is_async, method, method_is_async=None, debug=False, name=None):
            if name:
                chosen[name] = "async" if is_async else "sync"
            return super().adapt_method_mode(is_async, method, method_is_async, debug, name)

    settings.MIDDLEWARE = middleware
    Handler().load_middleware(is_async=is_async)

    reports = inspect_middleware("async" if is_async else "sync", middleware)
    assert {f"middleware {each.path}": each.mode for each in reports} == chosen


def test_nothing_is_adapted_in_the_sync_role_but_what_is_async_only():
    paths = [*OURS, *STOCK, f"{HERE}.OldStyle", f"{HERE}.both"]
    assert all(each.native and not each.hops for each in inspect_middleware("sync", paths))

    (report,) = inspect_middleware("sync", [f"{HERE}.async_only"])
    assert (report.mode, report.adapted, report.native, report.hops) == ("async", True, False, 2)


def test_the_mixed_role_is_served_by_the_asgi_handler_too():
    assert inspect_middleware("mixed", list(STOCK)) == inspect_middleware("async", list(STOCK))


def test_what_is_adapted_says_so():
    (report,) = inspect_middleware("async", [f"{HERE}.OldStyle"])
    assert (report.sync_capable, report.async_capable) == (True, False)
    assert (report.mode, report.adapted, report.native) == ("sync", True, False)
    assert report.hooks == ("process_view",)
    assert str(report.location).startswith("tests/inspection/test_middleware.py:")


def test_a_function_is_suspected_as_nobody_knows_what_it_returns():
    (function, cls) = inspect_middleware("async", [f"{HERE}.both", f"{HERE}.Native"])
    assert (function.certainty, cls.certainty) == ("suspected", "proven")


def test_what_cannot_run_says_why_and_the_others_are_reported_all_the_same():
    reports = inspect_middleware(
        "async", ["nowhere.Middleware", f"{HERE}.Nothing", f"{HERE}.HERE", *OURS]
    )
    errors = [each.error for each in reports]
    assert errors[0].startswith("nowhere.Middleware can't be imported: ModuleNotFoundError")
    assert "neither sync_capable nor async_capable" in errors[1]
    assert "can't be called" in errors[2]
    assert errors[3:] == [None, None]
    assert [each.mode for each in reports[:3]] == [None, None, None]


def test_the_settings_in_use_are_the_default(settings):
    settings.MIDDLEWARE = OURS
    assert [each.path for each in inspect_middleware("sync")] == OURS
