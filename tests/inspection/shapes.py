"""Every shape of a view: what it declares, what it does, and what is wrong with it.

``urlpatterns`` has all of them, so that they can be called as well as inspected.
"""

import asyncio
import contextlib
import functools
import os
import sys
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from asgiref.sync import (
    async_to_sync,
    iscoroutinefunction,
    markcoroutinefunction,
    sync_to_async,
)
from django.contrib import admin
from django.contrib.auth.decorators import login_required, permission_required, user_passes_test
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.views import LoginView
from django.db import transaction
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.decorators import decorator_from_middleware, method_decorator
from django.views import View
from django.views.decorators.cache import cache_control, cache_page, never_cache
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import condition, require_GET, require_http_methods
from django.views.decorators.vary import vary_on_headers
from django.views.generic import ListView, RedirectView, TemplateView
from django.views.static import serve
from dmr import Controller, ResponseSpec, modify
from dmr.decorators import dispatch_decorator, wrap_middleware
from dmr.plugins.pydantic import PydanticSerializer
from ninja import NinjaAPI
from rest_framework.decorators import action, api_view, authentication_classes
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from tests.inspection.observing import note, seen


@dataclass(frozen=True)
class Shape:
    name: str
    callback: Any
    declared: str | None
    #: Where the view's own code runs; ``None`` for what can't be called.
    effective: str | None
    problems: set[str] = field(default_factory=set)
    method: str = "GET"


SHAPES: list[Shape] = []


def shape(name, declared, effective, *problems, method="GET"):
    """Add what is decorated to the table."""

    def add(callback):
        SHAPES.append(Shape(name, callback, declared, effective, set(problems), method))
        return callback

    return add


def add(name, callback, declared, effective, *problems, method="GET"):
    shape(name, declared, effective, *problems, method=method)(callback)


# Functions


@shape("def", "sync", "sync")
def sync_view(request, *args, **kwargs):
    return seen()


@shape("async-def", "async", "async")
async def async_view(request, *args, **kwargs):
    return seen()


def second_sync_view(request, *, flag=False):
    return seen()


add("lambda", lambda request: seen(), "sync", "sync")
add("lambda-of-sync", lambda request: sync_view(request), "sync", "sync")
add("lambda-of-async", lambda request: async_view(request), "sync", "async", "hidden-async")
add(
    "lambda-that-bridges",
    lambda request: async_to_sync(async_view)(request),
    "sync",
    "async",
    "async-bridge",
)
add("partial-of-sync", functools.partial(second_sync_view, flag=True), "sync", "sync")
add("partial-of-async", functools.partial(async_view, flag=True), "async", "async")
add(
    "partial-of-partial-of-async",
    functools.partial(functools.partial(async_view, a=1), b=2),
    "async",
    "async",
)
add(
    "partial-of-lambda-of-async",
    functools.partial(lambda request, view: view(request), view=async_view),
    "sync",
    "async",
    "hidden-async",
)
add("sync-to-async", sync_to_async(sync_view), "async", "sync", "thread-bridge")
add("async-to-sync", async_to_sync(async_view), "sync", "async", "async-bridge")
# Python 3.12 looks for the mark behind a partial, 3.11 doesn't.
if sys.version_info >= (3, 12):
    through_partial = ["async", "sync", "thread-bridge"]
else:
    through_partial = ["sync", "sync", "thread-bridge", "hidden-async"]
add("partial-of-sync-to-async", functools.partial(sync_to_async(sync_view)), *through_partial)
add("singledispatch", functools.singledispatch(sync_view), "sync", "sync")
add("lru-cached", functools.lru_cache(sync_view), "sync", "sync")


class Answer(HttpResponse):
    def __init__(self, request):
        note()
        super().__init__("seen")


add("class-of-response", Answer, "sync", "sync")
add("built-in-function", functools.partial(getattr, type("Has", (), {"a": 1}), "a"), "sync", None)


@shape("marked-sync", "async", "sync", "not-awaitable")
@markcoroutinefunction
def marked_sync(request):
    return seen()


@shape("marked-and-returns-a-coroutine", "async", "async")
@markcoroutinefunction
def marked_and_delegates(request):
    return async_view(request)


@shape("def-that-returns-a-coroutine", "sync", "async", "hidden-async")
def returns_a_coroutine(request):
    if request.method == "HEAD":
        return HttpResponse()
    return async_view(request)


@shape("async-def-that-awaits-another", "async", "async")
async def awaits_another(request):
    return await async_view(request)


@shape("async-def-that-only-calls-sync", "async", "sync", "blocking-view")
async def only_calls_sync(request):
    return sync_view(request)


@shape("async-def-that-only-uses-a-thread", "async", "sync", "thread-bridge")
async def only_uses_a_thread(request):
    return await sync_to_async(sync_view)(request)


@shape("async-def-that-only-uses-to-thread", "async", "sync", "thread-bridge")
async def only_uses_to_thread(request):
    """Delegate."""
    return await asyncio.to_thread(sync_view, request)


@shape("async-def-that-redirects", "async", "async")
async def redirects(request):
    note()
    return redirect("/elsewhere/")


@shape("def-that-runs-a-loop", "sync", "async", "async-bridge")
def runs_a_loop(request):
    return asyncio.run(async_view(request))


@shape("generator-function", "sync", None, "not-a-response")
def generator_function(request):
    yield seen()


@shape("async-generator-function", "sync", None, "not-a-response")
async def async_generator_function(request):
    yield seen()


REGISTRY = {"sync": sync_view}


@shape("def-that-looks-up-a-view", "sync", "sync")
def looks_up(request):
    return REGISTRY["sync"](request)


# Decorators


def wraps_in_sync(view):
    @functools.wraps(view)
    def wrapper(request, *args, **kwargs):
        return view(request, *args, **kwargs)

    return wrapper


def wraps_in_sync_without_wraps(view):
    def inner(*args, **kwargs):
        return view(*args, **kwargs)

    return inner


def wraps_in_async(view):
    @functools.wraps(view)
    async def wrapper(request, *args, **kwargs):
        return view(request, *args, **kwargs)

    return wrapper


def awaits(view):
    async def wrapper(request, *args, **kwargs):
        response = await view(request, *args, **kwargs)
        response["X-Wrapped"] = "yes"
        return response

    return wrapper


def threads(view):
    @functools.wraps(view)
    async def wrapper(request, *args, **kwargs):
        return await sync_to_async(view)(request, *args, **kwargs)

    return wrapper


def threads_beforehand(view):
    threaded = sync_to_async(view, thread_sensitive=False)

    @functools.wraps(view)
    async def wrapper(request, *args, **kwargs):
        return await threaded(request, *args, **kwargs)

    return wrapper


def runs(view):
    @functools.wraps(view)
    def wrapper(request, *args, **kwargs):
        return async_to_sync(view)(request, *args, **kwargs)

    return wrapper


def adds_a_header(view):
    @functools.wraps(view)
    def wrapper(request, *args, **kwargs):
        response = view(request, *args, **kwargs)
        response["X-Wrapped"] = "yes"
        return response

    return wrapper


def needs(serialize):
    """A factory: what it closes over is no view."""

    async def view(request):
        serialize(request.path)
        return seen()

    return view


def either(view):
    """A decorator as Django's own: it looks at what it decorates."""
    if iscoroutinefunction(view):

        async def wrapper(request):
            return await view(request)

    else:

        def wrapper(request):
            return view(request)

    return functools.wraps(view)(wrapper)


class Decorator:
    """A decorator that is a class, with ``__wrapped__``."""

    def __init__(self, view):
        functools.update_wrapper(self, view)
        self.view = view

    def __call__(self, request):
        return self.view(request)


add("sync-wrapper-of-sync", wraps_in_sync(sync_view), "sync", "sync")
add("sync-wrapper-of-async", wraps_in_sync(async_view), "sync", "async", "hidden-async")
add("bare-wrapper-of-sync", wraps_in_sync_without_wraps(sync_view), "sync", "sync")
add(
    "bare-wrapper-of-async",
    wraps_in_sync_without_wraps(async_view),
    "sync",
    "async",
    "hidden-async",
)
add(
    "two-sync-wrappers-of-async",
    wraps_in_sync(wraps_in_sync_without_wraps(async_view)),
    "sync",
    "async",
    "hidden-async",
)
add("async-wrapper-of-sync", wraps_in_async(sync_view), "async", "sync", "blocking-view")
add("async-wrapper-of-async", awaits(async_view), "async", "async")
add("async-wrapper-of-hidden-async", awaits(wraps_in_sync(async_view)), "async", "async")
add("thread-wrapper-of-sync", threads(sync_view), "async", "sync", "thread-bridge")
add(
    "thread-wrapper-made-beforehand",
    threads_beforehand(sync_view),
    "async",
    "sync",
    "thread-bridge",
)
add("loop-wrapper-of-async", runs(async_view), "sync", "async", "async-bridge")
add("header-wrapper-of-sync", adds_a_header(sync_view), "sync", "sync")
add("header-wrapper-of-async", adds_a_header(async_view), "sync", "async", "coroutine-as-response")
add("view-factory", needs(str), "async", "async")
add("either-of-sync", either(sync_view), "sync", "sync")
add("either-of-async", either(async_view), "async", "async")
add("class-decorator-of-sync", Decorator(sync_view), "sync", "sync")
add("class-decorator-of-async", Decorator(async_view), "sync", "async", "hidden-async")


class Timed(contextlib.ContextDecorator):
    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return False


add("context-decorator-of-sync", Timed()(sync_view), "sync", "sync")
add("context-decorator-of-async", Timed()(async_view), "sync", "async", "hidden-async")
add("atomic-of-async", transaction.atomic(async_view), "sync", "async", "hidden-async")
add("non-atomic-of-async", transaction.non_atomic_requests(awaits(async_view)), "async", "async")

uses_the_response = {
    *("never-cache", "cache-control", "vary", "xframe-exempt", "csrf-protect"),
}
for label, decorate in {
    "csrf-exempt": csrf_exempt,
    "never-cache": never_cache,
    "cache-control": cache_control(private=True),
    "vary": vary_on_headers("Accept"),
    "require-get": require_GET,
    "require-methods": require_http_methods(["GET"]),
    "xframe-exempt": xframe_options_exempt,
    "sensitive": sensitive_post_parameters("password"),
    "csrf-protect": csrf_protect,
    "permission-required": permission_required("app.add_thing"),
}.items():
    add(f"{label}-of-sync", decorate(sync_view), "sync", "sync")
    add(f"{label}-of-async", decorate(async_view), "async", "async")
    add(
        f"{label}-of-hidden-async",
        decorate(wraps_in_sync(async_view)),
        "sync",
        "async",
        "coroutine-as-response" if label in uses_the_response else "hidden-async",
    )

add("cache-page-of-sync", cache_page(60)(sync_view), "sync", "sync")
add("cache-page-of-async", cache_page(60)(async_view), "async", "async", "sync-decorator")
add("gzip-of-async", gzip_page(async_view), "async", "async", "sync-decorator")
add("condition-of-async", condition(lambda request: None)(async_view), "async", "async")
add("login-required-of-sync", login_required(sync_view), "sync", "sync")
add("login-required-of-async", login_required(async_view), "async", "async", "thread-hop")


async def passes(user):
    return True


add("async-test-of-async", user_passes_test(passes)(async_view), "async", "async")
add(
    "stack-of-decorators",
    csrf_exempt(never_cache(login_required(cache_page(60)(async_view)))),
    "async",
    "async",
    "thread-hop",
    "sync-decorator",
)


class Passing:
    """An old-style middleware without hooks."""

    def __init__(self, get_response):
        pass


add(
    "from-middleware-of-async",
    decorator_from_middleware(Passing)(async_view),
    "async",
    "async",
    "sync-decorator",
)


# Callable objects and methods


class Callable:
    def __call__(self, request):
        return seen()


class AsyncCallable:
    async def __call__(self, request):
        return seen()


class MarkedAsyncCallable(AsyncCallable):
    def __init__(self):
        markcoroutinefunction(self)


class MarkedSyncCallable(Callable):
    def __init__(self):
        markcoroutinefunction(self)


class Delegating:
    def __call__(self, request):
        return self.answer(request)

    async def answer(self, request):
        return seen()


class Methods:
    def sync(self, request):
        return seen()

    async def asynchronous(self, request):
        return seen()

    @classmethod
    async def of_the_class(cls, request):
        return seen()

    @staticmethod
    async def static(request):
        return seen()

    prepared = functools.partialmethod(asynchronous)

    def hidden(self, request):
        return self.asynchronous(request)


add("callable-object", Callable(), "sync", "sync")
add("async-callable-object", AsyncCallable(), "sync", "async", "hidden-async")
add("marked-async-callable-object", MarkedAsyncCallable(), "async", "async")
add("marked-sync-callable-object", MarkedSyncCallable(), "async", "sync", "not-awaitable")
add("object-that-delegates", Delegating(), "sync", "async", "hidden-async")
add("bound-method", Methods().sync, "sync", "sync")
add("bound-async-method", Methods().asynchronous, "async", "async")
add("async-class-method", Methods.of_the_class, "async", "async")
add("async-static-method", Methods.static, "async", "async")
add("partial-method", Methods().prepared, "async", "async")
add("method-that-returns-a-coroutine", Methods().hidden, "sync", "async", "hidden-async")


# Class-based views


class SyncView(View):
    def get(self, request):
        return seen()

    def post(self, request):
        return seen()


class AsyncView(View):
    async def get(self, request):
        return seen()


class HiddenHandler(View):
    @wraps_in_sync_without_wraps
    async def get(self, request):
        return seen()


class FalseHandler(View):
    @wraps_in_async
    def get(self, request):
        return seen()


class ThreadHandler(View):
    @threads
    def get(self, request):
        return seen()


class OneHandlerIsHidden(View):
    def get(self, request):
        return seen()

    @wraps_in_sync
    async def post(self, request):
        return seen()


class AsyncDispatch(View):
    async def dispatch(self, request, *args, **kwargs):
        return seen()


class AsyncDispatchOfAsync(AsyncView):
    async def dispatch(self, request, *args, **kwargs):
        return await super().dispatch(request, *args, **kwargs)


class AsyncDispatchOfSync(SyncView):
    async def dispatch(self, request, *args, **kwargs):
        return super().dispatch(request, *args, **kwargs)


class SyncDispatchOfAsync(AsyncView):
    def dispatch(self, request, *args, **kwargs):
        return super().dispatch(request, *args, **kwargs)


class DispatchThatAddsAHeader(AsyncView):
    def dispatch(self, request, *args, **kwargs):
        response = super().dispatch(request, *args, **kwargs)
        response["X-Seen"] = "yes"
        return response


class OnlyDispatch(View):
    def dispatch(self, request, *args, **kwargs):
        return seen()


class LoginRequiredSync(LoginRequiredMixin, SyncView):
    pass


class LoginRequiredAsync(LoginRequiredMixin, AsyncView):
    pass


@method_decorator(csrf_exempt, name="dispatch")
class ExemptAsync(AsyncView):
    pass


@method_decorator(never_cache, name="dispatch")
class NeverCachedSync(SyncView):
    pass


@method_decorator(never_cache, name="dispatch")
class NeverCachedAsync(AsyncView):
    pass


@method_decorator([csrf_exempt, require_GET], name="dispatch")
class ListOfDecorators(AsyncView):
    pass


@method_decorator(login_required, name="dispatch")
class LoginRequiredDispatch(AsyncView):
    pass


@method_decorator(never_cache, name="get")
class NeverCachedHandler(View):
    async def get(self, request):
        return seen()


class DecoratedHandlers(View):
    @method_decorator(login_required)
    async def get(self, request):
        return seen()

    @method_decorator(adds_a_header)
    async def post(self, request):
        return seen()


class Inherited(SyncView):
    def get(self, request):
        return super().get(request)


class InheritedAsync(AsyncView):
    def get(self, request):
        return super().get(request)


class NullHandler(View):
    post = None

    def get(self, request):
        return seen()


class NoHandlers(View):
    pass


class Index(TemplateView):
    template_name = "missing.html"

    def get_context_data(self, **kwargs):
        note()
        raise Http404


class Rows(ListView):
    def get_queryset(self):
        note()
        raise Http404


class Elsewhere(RedirectView):
    def get_redirect_url(self, *args, **kwargs):
        note()
        return "/elsewhere/"


class Login(LoginView):
    def get_form_class(self):
        note()
        raise Http404


class MarkedByHand(View):
    """The framework's way: it says by itself what it is."""

    view_is_async = True

    async def get(self, request):
        return seen()


add("class", SyncView.as_view(), "sync", "sync")
add("class-head", SyncView.as_view(), "sync", "sync", method="HEAD")
add("async-class", AsyncView.as_view(), "async", "async")
add("decorated-async-class", csrf_exempt(AsyncView.as_view()), "async", "async")
# functools.wraps() copies the mark that as_view() has set.
add("sync-wrapper-of-async-class", wraps_in_sync(AsyncView.as_view()), "async", "async")
add(
    "bare-wrapper-of-async-class",
    wraps_in_sync_without_wraps(AsyncView.as_view()),
    "sync",
    "async",
    "hidden-async",
)
add("hidden-handler", HiddenHandler.as_view(), "sync", "async", "hidden-async")
add("false-handler", FalseHandler.as_view(), "async", "sync", "blocking-view")
add("thread-handler", ThreadHandler.as_view(), "async", "sync", "thread-bridge")
add(
    "one-handler-is-hidden",
    OneHandlerIsHidden.as_view(),
    "sync",
    None,
    "mixed-handlers",
    method="POST",
)
add("async-dispatch-alone", AsyncDispatch.as_view(), "sync", "async", "hidden-async")
add("async-dispatch-of-async", AsyncDispatchOfAsync.as_view(), "async", "async")
add(
    "async-dispatch-of-sync",
    AsyncDispatchOfSync.as_view(),
    "sync",
    "sync",
    "hidden-async",
    "blocking-view",
)
add("sync-dispatch-of-async", SyncDispatchOfAsync.as_view(), "async", "async")
add(
    "dispatch-that-adds-a-header",
    DispatchThatAddsAHeader.as_view(),
    "async",
    "async",
    "coroutine-as-response",
)
add("only-dispatch", OnlyDispatch.as_view(), "sync", "sync")
add("login-mixin-of-sync", LoginRequiredSync.as_view(), "sync", "sync")
add("login-mixin-of-async", LoginRequiredAsync.as_view(), "async", "async", "sync-decorator")
add("method-decorator-exempt", ExemptAsync.as_view(), "async", "async")
add("method-decorator-of-sync", NeverCachedSync.as_view(), "sync", "sync")
add(
    "method-decorator-of-async",
    NeverCachedAsync.as_view(),
    "async",
    "async",
    "coroutine-as-response",
)
add("list-of-method-decorators", ListOfDecorators.as_view(), "async", "async")
add("login-required-dispatch", LoginRequiredDispatch.as_view(), "async", "async", "sync-decorator")
add("method-decorator-of-handler", NeverCachedHandler.as_view(), "async", "async")
add(
    "method-decorators-of-handlers",
    DecoratedHandlers.as_view(),
    "async",
    "async",
    "thread-hop",
    "coroutine-as-response",
    method="POST",
)
add("inherited-handler", Inherited.as_view(), "sync", "sync")
add("inherited-async-handler", InheritedAsync.as_view(), "sync", "async", "hidden-async")
add("null-handler", NullHandler.as_view(), "sync", "sync", "invalid-handler")
add("no-handlers", NoHandlers.as_view(), "sync", "sync", "no-handlers")
add("class-without-as-view", AsyncView, "sync", None, "class-without-as-view")
add("template-view", Index.as_view(), "sync", "sync")
add("list-view", Rows.as_view(), "sync", "sync")
add("redirect-view", Elsewhere.as_view(), "sync", "sync")
add("login-view", Login.as_view(), "sync", "sync")
add("view-is-async-set-by-hand", MarkedByHand.as_view(), "async", "async")


class Folder(os.PathLike):
    def __fspath__(self):
        note()
        return "/nonexistent"


add("static-serve", functools.partial(serve, path="a", document_root=Folder()), "sync", "sync")


class Site(admin.AdminSite):
    def has_permission(self, request):
        return True

    def get_app_list(self, request, app_label=None):
        note()
        raise Http404

    async def report(self, request):
        return seen()


site = Site(name="shapes")
add("admin-view", site.admin_view(site.index), "sync", "sync")
add(
    "admin-index",
    next(each for each in site.get_urls() if each.name == "index").callback,
    "sync",
    "sync",
)
add("async-admin-view", site.admin_view(site.report), "sync", "async", "coroutine-as-response")


# Streams


def chunks():
    note()
    yield b"chunk"


async def achunks():
    note()
    yield b"chunk"


@shape("stream", "sync", "sync")
def stream(request):
    note()
    return StreamingHttpResponse(chunks())


@shape("async-stream", "async", "async")
async def async_stream(request):
    note()
    return StreamingHttpResponse(achunks())


# Django REST framework


class Api(APIView):
    authentication_classes = ()

    def get(self, request):
        note()
        return Response({})


class AsyncApi(APIView):
    authentication_classes = ()

    async def get(self, request):
        note()
        return Response({})


class Things(ViewSet):
    authentication_classes = ()

    def list(self, request):
        note()
        return Response([])

    async def retrieve(self, request, pk=None):
        note()
        return Response({})

    @action(detail=False)
    def recent(self, request):
        note()
        return Response([])


@shape("drf-api-view-function", "sync", "sync")
@api_view(["GET"])
@authentication_classes([])
def api_function(request):
    note()
    return Response({})


@shape("drf-async-api-view-function", "sync", None, "drf-async-handler")
@api_view(["GET"])
@authentication_classes([])
async def async_api_function(request):
    note()
    return Response({})


add("drf-class", Api.as_view(), "sync", "sync")
add("drf-async-class", AsyncApi.as_view(), "async", None, "drf-async-handler")
add("drf-view-set", Things.as_view({"get": "list"}), "sync", "sync")
add("drf-view-set-action", Things.as_view({"get": "recent"}), "sync", "sync")
add("drf-async-view-set", Things.as_view({"get": "retrieve"}), "sync", None, "drf-async-handler")
add(
    "drf-mixed-view-set",
    Things.as_view({"post": "list", "get": "retrieve"}),
    "sync",
    None,
    "drf-async-handler",
    "mixed-handlers",
)


# Django Ninja

ninja = NinjaAPI(urls_namespace="shapes", docs_url=None, openapi_url=None)


@ninja.get("/sync", url_name="ninja-sync")
def ninja_sync(request):
    note()
    return {}


@ninja.get("/async", url_name="ninja-async")
async def ninja_async(request):
    note()
    return {}


@ninja.get("/both", url_name="ninja-both")
async def ninja_get(request):
    note()
    return {}


@ninja.post("/both", url_name="ninja-both")
def ninja_post(request):
    note()
    return {}


@ninja.get("/hidden", url_name="ninja-hidden")
@wraps_in_sync
async def ninja_hidden(request):
    note()
    return {}


_ninja = {each.name: each.callback for each in ninja.urls[0] if each.name}
add("ninja-sync", _ninja["ninja-sync"], "sync", "sync")
add("ninja-async", _ninja["ninja-async"], "async", "async")
add("ninja-async-beside-sync", _ninja["ninja-both"], "async", "async")
add(
    "ninja-sync-beside-async", _ninja["ninja-both"], "async", "sync", "thread-bridge", method="POST"
)
add("ninja-hidden-async", _ninja["ninja-hidden"], "sync", "async", "hidden-async")


# django-modern-rest


class SyncController(Controller[PydanticSerializer]):
    def get(self) -> list[str]:
        note()
        return []

    def post(self) -> list[str]:
        note()
        return []


class AsyncController(Controller[PydanticSerializer]):
    @modify(status_code=200)
    async def get(self) -> list[str]:
        note()
        return []


@dispatch_decorator(login_required)
class DecoratedSyncController(Controller[PydanticSerializer]):
    def get(self) -> list[str]:
        note()
        return []


@dispatch_decorator(login_required)
class DecoratedAsyncController(Controller[PydanticSerializer]):
    async def get(self) -> list[str]:
        note()
        return []


csrf_protected = wrap_middleware(
    csrf_protect, ResponseSpec(return_type=dict[str, str], status_code=HTTPStatus.FORBIDDEN)
)(lambda response: response)


@csrf_protected
class WrappedSyncController(Controller[PydanticSerializer]):
    responses = csrf_protected.responses

    def get(self) -> list[str]:
        note()
        return []


@csrf_protected
class WrappedAsyncController(Controller[PydanticSerializer]):
    responses = csrf_protected.responses

    async def get(self) -> list[str]:
        note()
        return []


add("dmr-decorated-sync", DecoratedSyncController.as_view(), "sync", "sync")
add("dmr-decorated-async", DecoratedAsyncController.as_view(), "async", "async", "sync-decorator")
add("dmr-wrapped-sync", WrappedSyncController.as_view(), "sync", "sync")
add("dmr-wrapped-async", WrappedAsyncController.as_view(), "async", "async")
add("dmr-sync", SyncController.as_view(), "sync", "sync")
add("dmr-async", AsyncController.as_view(), "async", "async")


urlpatterns = [path(f"{each.name}/", each.callback) for each in SHAPES]
