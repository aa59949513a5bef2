"""What a report of one view says, beyond its modes."""

import functools
import subprocess
import sys

import pytest
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.test import AsyncClient
from django.urls import path
from django.views import View
from ninja import NinjaAPI
from ninja.security import HttpBearer

from split_deploy import EventStreamResponse
from split_deploy.inspection import inspect_operations, inspect_urlconf, inspect_view
from tests.inspection import shapes
from tests.inspection.shapes import (
    Things,
    async_api_function,
    async_view,
    awaits,
    sync_view,
    threads,
    wraps_in_sync,
)


def problem(callback):
    (found,) = inspect_view(callback).problems
    return found


# Certainty and words


@pytest.mark.parametrize(
    ("callback", "certainty"),
    [
        (sync_view, "proven"),
        (async_view, "proven"),
        (functools.partial(async_view), "proven"),
        (awaits(async_view), "proven"),
        (wraps_in_sync(async_view), "suspected"),
        (threads(sync_view), "suspected"),
        (shapes.AsyncCallable(), "proven"),
        (shapes.looks_up, "suspected"),
        (shapes.AsyncView.as_view(), "proven"),
        (shapes.SyncDispatchOfAsync.as_view(), "suspected"),
    ],
)
def test_a_fact_is_proven_and_what_was_followed_through_a_wrapper_is_suspected(callback, certainty):
    report = inspect_view(callback)
    assert report.declared.certainty == "proven"
    assert report.effective.certainty == certainty


def test_a_view_behind_a_decorator_is_called_by_its_own_name_and_place():
    for decorated in (wraps_in_sync(async_view), awaits(async_view), threads(sync_view)):
        report = inspect_view(decorated)
        assert report.view in {f"{shapes.__name__}.async_view", f"{shapes.__name__}.sync_view"}
        assert report.location.file == shapes.__file__


def test_a_class_is_called_by_its_own_name_and_place():
    report = inspect_view(shapes.AsyncView.as_view())
    assert report.view == f"{shapes.__name__}.AsyncView"
    with open(shapes.__file__) as file:
        assert file.read().splitlines()[report.location.line - 1] == "class AsyncView(View):"


def test_the_reason_names_the_decorator_that_hides_the_coroutine():
    report = inspect_view(wraps_in_sync(async_view))
    assert report.effective.reason == "the sync wrapper wraps_in_sync() around async def"
    assert problem(wraps_in_sync(async_view)).message.startswith(
        f"{shapes.__name__}.async_view returns a coroutine"
    )


# Classes


class Mixed(View):
    def get(self, request):
        return HttpResponse()

    async def post(self, request):
        return HttpResponse()


def test_a_class_with_mixed_handlers_is_reported_and_does_not_raise():
    report = inspect_view(Mixed)
    assert report.effective.mode is None
    assert "mixed-handlers" in {each.kind for each in report.problems}
    assert any("all sync or all async" in each.message for each in report.problems)


class Denied(LoginRequiredMixin, View):
    login_url = "/login/"

    async def get(self, request):
        return HttpResponse()


urlpatterns = [path("", Denied.as_view())]


@pytest.mark.asyncio
@pytest.mark.urls(__name__)
async def test_the_login_mixin_does_to_an_async_view_what_its_problem_says(settings):
    settings.MIDDLEWARE = ["tests.inspection.test_views.nobody"]
    assert "a request that it denies fails" in problem(Denied.as_view()).message

    with pytest.raises(TypeError, match="can't be used in 'await' expression"):
        await AsyncClient().get("/")


def nobody(get_response):
    from django.contrib.auth.models import AnonymousUser

    async def middleware(request):
        request.user = AnonymousUser()
        return await get_response(request)

    return middleware


nobody.async_capable = True
nobody.sync_capable = False


# Frameworks


def test_the_function_of_a_rest_framework_view_is_named():
    report = inspect_view(async_api_function)
    assert report.view == f"{shapes.__name__}.async_api_function"
    assert report.location.file == shapes.__file__


def test_an_async_action_of_a_view_set_names_the_view_set():
    assert (
        f"{shapes.__name__}.Things has an async handler"
        in problem(Things.as_view({"get": "retrieve"})).message
    )


def test_each_operation_of_a_ninja_path_is_reported():
    callback = next(each for each in shapes.SHAPES if each.name == "ninja-sync-beside-async")
    get, post = inspect_operations(callback.callback)

    assert (get.view, get.effective.mode, get.problems) == (
        f"{shapes.__name__}.ninja_get",
        "async",
        (),
    )
    assert (post.view, post.effective.mode) == (f"{shapes.__name__}.ninja_post", "sync")
    assert inspect_view(callback.callback).effective.mode is None


def test_sync_authentication_of_an_async_ninja_operation_is_suspected():
    class Sync(HttpBearer):
        def authenticate(self, request, token):
            return token

    class Async(HttpBearer):
        async def authenticate(self, request, token):
            return token

    api = NinjaAPI(urls_namespace="auth", docs_url=None, openapi_url=None)

    @api.get("/sync", auth=Sync(), url_name="sync")
    async def with_sync(request): ...

    @api.get("/async", auth=Async(), url_name="async")
    async def with_async(request): ...

    callbacks = {each.name: each.callback for each in api.urls[0]}
    assert problem(callbacks["sync"]).kind == "sync-decorator"
    assert inspect_view(callbacks["async"]).problems == ()


def test_no_framework_is_imported_that_the_project_has_not_imported():
    script = """
import sys
import django
from django.conf import settings
settings.configure(ROOT_URLCONF="tests.inspection.urlconfs")
django.setup()
from split_deploy.inspection import inspect_urlconf
inspect_urlconf()
print(sorted({"rest_framework", "ninja", "dmr", "pydantic"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


# Streams


def rows():
    yield b"row"


async def arows():
    yield b"row"


def async_in_sync(request):
    return StreamingHttpResponse(arows())


def async_nested_in_sync(request):
    async def chunks():
        yield b"chunk"

    return StreamingHttpResponse(chunks(), content_type="text/csv")


def async_expression_in_sync(request):
    return StreamingHttpResponse(each async for each in arows())


def events_in_sync(request):
    return EventStreamResponse(arows())


async def sync_in_async(request):
    return StreamingHttpResponse(rows())


async def sync_expression_in_async(request):
    return StreamingHttpResponse(b"row" for _ in range(3))


async def file_in_async(request):
    return FileResponse(open(__file__, "rb"))  # noqa: ASYNC230 - Django's documented use


class StreamsItsOwn(View):
    def get(self, request):
        return StreamingHttpResponse(self.chunks())

    async def chunks(self):
        yield b"chunk"


def sync_in_sync(request):
    return StreamingHttpResponse(rows())


async def async_in_async(request):
    return StreamingHttpResponse(arows())


def unknown(request, chunks):
    return StreamingHttpResponse(chunks)


@pytest.mark.parametrize(
    ("callback", "kind"),
    [
        (async_in_sync, "async-stream"),
        (async_nested_in_sync, "async-stream"),
        (async_expression_in_sync, "async-stream"),
        (events_in_sync, "async-stream"),
        (StreamsItsOwn.as_view(), "async-stream"),
        (sync_in_async, "sync-stream"),
        (sync_expression_in_async, "sync-stream"),
        (file_in_async, "sync-stream"),
    ],
)
def test_a_stream_of_the_other_mode_is_a_problem_at_its_line(callback, kind):
    found = problem(callback)
    assert (found.kind, found.certainty) == (kind, "proven")
    with open(__file__) as file:
        assert "Response(" in file.read().splitlines()[found.location.line - 1]


@pytest.mark.parametrize("callback", [sync_in_sync, async_in_async, unknown])
def test_a_stream_of_the_same_mode_or_an_unknown_one_is_none(callback):
    assert inspect_view(callback).problems == ()


# The reference deployment


@pytest.mark.parametrize(("urlconf", "mode"), [("urls", "sync"), ("async_urls", "async")])
def test_each_instance_of_the_reference_deployment_is_of_one_mode(urlconf, mode):
    for report in inspect_urlconf(urlconf):
        assert (report.declared.mode, report.effective.mode) == (mode, mode), report
        assert report.problems == (), report
