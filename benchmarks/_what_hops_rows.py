"""What ``what_hops.py`` asks of both stacks: a row each, of requests and a view.

A row is about one thing. Its view does nothing else, the middleware are those of ``startproject``
unless it is about another, and the count is that of its last request.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.contrib.auth import aauthenticate, alogin, alogout, authenticate
from django.contrib.auth.decorators import login_required
from django.contrib.auth.hashers import acheck_password
from django.contrib.auth.models import User
from django.core.cache import caches
from django.core.exceptions import BadRequest, PermissionDenied
from django.db import transaction
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    JsonResponse,
    StreamingHttpResponse,
)
from django.shortcuts import aget_object_or_404, render
from django.template.response import TemplateResponse
from django.templatetags.static import static
from django.urls import path, reverse
from django.views.decorators.cache import cache_page

from benchmarks._what_hops_settings import ERROR_TEMPLATES, PASSWORD, with_templates

#: Above ``FILE_UPLOAD_MAX_MEMORY_SIZE``, and so to be put on the disk.
LARGE = 3 * 1024 * 1024


@dataclass(frozen=True)
class Request:
    """A request. One that changes something carries the CSRF token in its header."""

    path: str = ""
    method: str = "GET"
    body: bytes = b""
    content_type: str = ""
    gzip: bool = False


@dataclass(frozen=True)
class Row:
    """``settings`` are for this row alone; ``before`` are views that the same client asks first.

    ``first`` and ``last`` are middleware around the usual ones.
    """

    group: str
    name: str
    view: Callable[..., Any] | None
    status: int = 200
    request: Request = field(default_factory=Request)
    before: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    first: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    is_logged_to_a_file: bool = False
    is_an_error_in_django: bool = False
    connected: Callable[..., Any] | None = None
    needs: str = ""


def ok() -> JsonResponse:
    return JsonResponse({"ok": True})


async def nothing(request: HttpRequest) -> JsonResponse:
    return ok()


def sync_view(request: HttpRequest) -> JsonResponse:
    return ok()


# Errors


async def not_found(request: HttpRequest) -> JsonResponse:
    raise Http404


async def answers_404(request: HttpRequest) -> JsonResponse:
    return JsonResponse({}, status=404)


async def forbidden(request: HttpRequest) -> JsonResponse:
    raise PermissionDenied


async def bad_request(request: HttpRequest) -> JsonResponse:
    raise BadRequest


async def fails(request: HttpRequest) -> JsonResponse:
    raise LookupError


# Bodies


async def form(request: HttpRequest) -> JsonResponse:
    _ = request.POST, request.FILES
    return ok()


async def body(request: HttpRequest) -> JsonResponse:
    _ = len(request.body)
    return ok()


FORM = "application/x-www-form-urlencoded"


def multipart(size: int) -> Request:
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'
    return Request(
        method="POST",
        body=head + b"x" * size + b"\r\n--x--\r\n",
        content_type="multipart/form-data; boundary=x",
    )


# Passwords, users and sessions


async def check(request: HttpRequest) -> JsonResponse:
    await acheck_password(PASSWORD, _ENCODED)
    return ok()


_ENCODED = f"md5$salt${'0' * 32}"


async def log_in(request: HttpRequest) -> JsonResponse:
    user = await User.objects.aget(username="alice")
    await alogin(request, user, "django.contrib.auth.backends.ModelBackend")
    return ok()


async def authenticate_and_log_in(request: HttpRequest) -> JsonResponse:
    user = await aauthenticate(request, username="alice", password=PASSWORD)
    await alogin(request, user)
    return ok()


async def authenticate_in_a_thread(request: HttpRequest) -> JsonResponse:
    user = await sync_to_async(authenticate)(request, username="alice", password=PASSWORD)
    await alogin(request, user)
    return ok()


async def log_out(request: HttpRequest) -> JsonResponse:
    await alogout(request)
    return ok()


async def whoami(request: HttpRequest) -> JsonResponse:
    user = await request.auser()
    return JsonResponse({"name": user.get_username()})


async def session_read(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"seen": await request.session.aget("seen")})


async def session_write(request: HttpRequest) -> JsonResponse:
    await request.session.aset("seen", 1)
    return ok()


async def session_count(request: HttpRequest) -> JsonResponse:
    await request.session.aset("seen", await request.session.aget("seen", 0) + 1)
    return ok()


# Messages, templates, URLs


async def add_message(request: HttpRequest) -> JsonResponse:
    messages.success(request, "Saved.")
    return ok()


async def show_messages(request: HttpRequest) -> JsonResponse:
    # Else Django's stack refuses to load it in the middle of the loop.
    await request.session.ahas_key("_messages")
    return JsonResponse({"messages": [str(message) for message in messages.get_messages(request)]})


async def rendered(request: HttpRequest) -> HttpResponse:
    return render(request, "plain.html", {"name": "x"})


async def rendered_with_user(request: HttpRequest) -> HttpResponse:
    await request.auser()
    return render(request, "user.html", {"name": "x"})


async def rendered_in_a_thread(request: HttpRequest) -> HttpResponse:
    return await sync_to_async(render)(request, "user.html", {"name": "x"})


async def template_response(request: HttpRequest) -> TemplateResponse:
    return TemplateResponse(request, "plain.html", {"name": "x"})


async def text(request: HttpRequest) -> HttpResponse:
    return HttpResponse("text " * 200)


async def addresses(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"url": reverse("page"), "static": static("app.css")})


# Cache


def cached(alias: str) -> Callable[..., Any]:
    async def get_and_set(request: HttpRequest) -> JsonResponse:
        cache = caches[alias]
        await cache.aset("what hops", 1)
        await cache.aget("what hops")
        return ok()

    return get_and_set


# Files and streams


async def file(request: HttpRequest) -> FileResponse:
    return FileResponse(open(__file__, "rb"))  # noqa: ASYNC230 - what is counted is the rest


async def sync_stream(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(b"part" for _ in range(10))


async def async_stream(request: HttpRequest) -> StreamingHttpResponse:
    async def parts():
        for _ in range(10):
            yield b"part"

    return StreamingHttpResponse(parts())


# ORM


async def get_or_404(request: HttpRequest) -> JsonResponse:
    await aget_object_or_404(User, username="alice")
    return ok()


async def iterate(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"users": [user.username async for user in User.objects.all()]})


async def two_queries(request: HttpRequest) -> JsonResponse:
    await User.objects.acount()
    await User.objects.acount()
    return ok()


async def two_queries_in_one(request: HttpRequest) -> JsonResponse:
    await sync_to_async(_in_a_transaction)()
    return ok()


@transaction.atomic
def _in_a_transaction() -> None:
    User.objects.count()
    User.objects.count()


# Receivers


def sync_receiver(**_: Any) -> None:
    pass


async def async_receiver(**_: Any) -> None:
    pass


_SESSIONS = "django.contrib.sessions.backends"
_POST = Request(method="POST", body=b"a=1", content_type=FORM)
_LOGGED_IN = ("log_in",)


def rows() -> Iterator[Row]:
    """All of them, in the order of the page."""
    yield Row("Views", "a view that does nothing", nothing)
    yield Row("Views", "a sync view", sync_view)

    error = "Errors"
    templates = with_templates(ERROR_TEMPLATES)
    yield Row(error, "no URL matches: 404", None, 404, Request("no/such/page/"))
    yield Row(error, "`Http404` raised", not_found, 404)
    yield Row(error, "`Http404` raised, with a 404.html", not_found, 404, settings=templates)
    yield Row(error, "a response with status 404", answers_404, 404)
    yield Row(error, "the same, logged to a file", answers_404, 404, is_logged_to_a_file=True)
    yield Row(error, "`PermissionDenied` raised", forbidden, 403)
    yield Row(error, "`BadRequest` raised", bad_request, 400)
    yield Row(error, "a view that fails: 500", fails, 500)
    yield Row(error, "the same, with a 500.html", fails, 500, settings=templates)
    yield Row(error, "`Http404` raised, with `DEBUG`", not_found, 404, settings={"DEBUG": True})
    yield Row(error, "a view that fails, with `DEBUG`", fails, 500, settings={"DEBUG": True})
    yield Row(error, "a POST without CSRF token", form, 403, Request(method="POST", body=b"a=1"))

    bodies = "Bodies"
    json_body = Request(method="POST", body=b"{}", content_type="application/json")
    large = Request(method="POST", body=b"x" * LARGE, content_type="application/octet-stream")
    limit = {"DATA_UPLOAD_MAX_MEMORY_SIZE": 2 * LARGE}
    yield Row(bodies, "`request.body` of a POST", body, request=json_body)
    yield Row(bodies, "a form", form, request=_POST)
    yield Row(bodies, "an upload of 1 KB", form, request=multipart(1024))
    yield Row(bodies, "an upload of 3 MB", form, request=multipart(LARGE))
    yield Row(bodies, "`request.body` of 3 MB", body, request=large, settings=limit)

    who = "Logins"
    yield Row(who, "`acheck_password()`", check)
    yield Row(who, "`aauthenticate()` and `alogin()`", authenticate_and_log_in)
    yield Row(who, "`sync_to_async(authenticate)()` and `alogin()`", authenticate_in_a_thread)
    yield Row(who, "`alogout()`", log_out, before=_LOGGED_IN)
    yield Row(who, "`request.auser()` without a session", whoami)
    yield Row(who, "`request.auser()`, sessions in the database", whoami, before=_LOGGED_IN)
    yield Row(who, "`@login_required`", login_required(nothing), before=_LOGGED_IN)

    session = "Sessions"
    engines = {
        "db": ("in the database", {}),
        "cached_db": ("`cached_db` with Redis", {"SESSION_CACHE_ALIAS": "redis"}),
        "cache": ("in Redis", {"SESSION_CACHE_ALIAS": "redis"}),
        "file": ("in files", {}),
        "signed_cookies": ("in signed cookies", {}),
    }
    for engine, (name, more) in engines.items():
        settings = {"SESSION_ENGINE": f"{_SESSIONS}.{engine}", **more}
        needs = "redis" if more else ""
        before = ("session_write",)
        options = {"settings": settings, "needs": needs}
        yield Row(session, f"a session {name}: made", session_write, **options)
        yield Row(session, f"a session {name}: read", session_read, before=before, **options)
        yield Row(session, f"a session {name}: changed", session_count, before=before, **options)

    note = "Messages"
    in_session = {"MESSAGE_STORAGE": "django.contrib.messages.storage.session.SessionStorage"}
    shown = {"before": ("add_message",)}
    yield Row(note, "a message added", add_message)
    yield Row(note, "messages shown", show_messages, **shown)
    yield Row(note, "a message added, in the session", add_message, settings=in_session)
    yield Row(note, "messages shown, from the session", show_messages, settings=in_session, **shown)

    page = "Pages"
    yield Row(page, "`render()` with context processors", rendered)
    user = {"before": _LOGGED_IN}
    yield Row(page, "`sync_to_async(render)` with the user", rendered_in_a_thread, **user)
    yield Row(
        page, "`await auser()`, `render()`", rendered_with_user, **user, is_an_error_in_django=True
    )
    yield Row(page, "a `TemplateResponse`", template_response)
    yield Row(page, "`reverse()` and `static()`", addresses)
    locale = ("django.middleware.locale.LocaleMiddleware",)
    yield Row(page, "`LocaleMiddleware`", nothing, first=locale)
    zipped = (
        "django.middleware.gzip.GZipMiddleware",
        "django.middleware.http.ConditionalGetMiddleware",
    )
    yield Row(
        page,
        "`GZipMiddleware`, `ConditionalGetMiddleware`",
        text,
        request=Request(gzip=True),
        first=zipped,
    )

    cache = "Cache"
    names = {
        "default": "in memory",
        "redis": "in Redis",
        "django_locmem": "with Django's `LocMemCache`",
        "django_redis": "with Django's `RedisCache`",
        "file": "in files",
        "database": "in the database",
    }
    for alias, name in names.items():
        needs = "redis" if "redis" in alias else ""
        yield Row(cache, f"`aset()` and `aget()` {name}", cached(alias), needs=needs)
    yield Row(cache, "`@cache_page`, from memory", cache_page(60)(nothing), before=("page",))
    pair: dict[str, Any] = {
        "before": ("page",),
        "first": ("django.middleware.cache.UpdateCacheMiddleware",),
        "last": ("django.middleware.cache.FetchFromCacheMiddleware",),
    }
    yield Row(cache, "the cache middleware, from memory", nothing, **pair)
    of_redis = {"CACHE_MIDDLEWARE_ALIAS": "redis"}
    yield Row(
        cache, "the cache middleware, from Redis", nothing, **pair, settings=of_redis, needs="redis"
    )

    stream = "Files and streams"
    yield Row(stream, "a `FileResponse`", file)
    yield Row(stream, "a stream of a sync iterator", sync_stream)
    yield Row(stream, "a stream of an async iterator", async_stream)

    orm = "Database"
    yield Row(orm, "`aget_object_or_404()`", get_or_404)
    yield Row(orm, "`async for`", iterate)
    yield Row(orm, "two queries", two_queries)
    yield Row(orm, "the two in one `sync_to_async()`", two_queries_in_one)

    signal = "Signals"
    yield Row(signal, "a sync receiver of `request_finished`", nothing, connected=sync_receiver)
    yield Row(signal, "an async receiver of `request_finished`", nothing, connected=async_receiver)


def urlpatterns(row: Row) -> list[Any]:
    """The URLconf of ``row``: its view, and those that its ``before`` names."""
    helpers = (log_in, session_write, add_message)
    found = [path(f"{view.__name__}/", view) for view in helpers]
    if row.view is not None:
        found.insert(0, path("page/", row.view, name="page"))
    return found
