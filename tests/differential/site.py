"""The URLs of both stacks: each view uses what middleware and handler give it."""

import asyncio
import io
from typing import Any

from asgiref.sync import sync_to_async
from django.conf.urls.i18n import i18n_patterns
from django.contrib import auth, messages
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.middleware.csrf import get_token
from django.template import engines
from django.template.response import TemplateResponse
from django.urls import include, path
from django.utils.translation import get_language, gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

_PAGE = engines["django"].from_string(
    "{{ request.path }} {{ language }} {% for message in messages %}{{ message }};{% endfor %}"
)


async def echo(request: HttpRequest) -> HttpResponse:
    """What arrived."""
    return JsonResponse(
        {
            "method": request.method,
            "path": request.get_full_path(),
            "get": dict(request.GET.lists()),
            "post": dict(request.POST.lists()),
            "files": {name: [item.name, item.size] for name, item in request.FILES.items()},
            "cookies": sorted(request.COOKIES),
            "type": request.content_type,
            "secure": request.is_secure(),
            "language": get_language(),
            "text": gettext("Yes"),
            "scheme": request.scheme,
        }
    )


@csrf_exempt
async def body(request: HttpRequest) -> HttpResponse:
    """The body, as it is, without the protection of a form."""
    return HttpResponse(request.body, content_type="application/octet-stream")


async def whoami(request: HttpRequest) -> HttpResponse:
    user = await request.auser()
    return JsonResponse({"user": user.get_username(), "is": user.is_authenticated})


def whoami_sync(request: HttpRequest) -> HttpResponse:
    return JsonResponse(
        {"user": request.user.get_username(), "keys": sorted(request.session.keys())}
    )


@csrf_exempt
async def login(request: HttpRequest) -> HttpResponse:
    name = request.GET.get("name", "")
    user = await auth.aauthenticate(request, username=name, password=request.GET.get("password"))
    if user is None:
        return HttpResponse("no", status=401)
    await auth.alogin(request, user)
    return HttpResponse("yes")


@csrf_exempt
async def logout(request: HttpRequest) -> HttpResponse:
    await auth.alogout(request)
    return HttpResponse("out")


async def session_set(request: HttpRequest) -> HttpResponse:
    for key, value in request.GET.items():
        await request.session.aset(key, value)
    return HttpResponse(str(await request.session.aget("count")))


async def session_get(request: HttpRequest) -> HttpResponse:
    return JsonResponse({key: str(value) for key, value in await request.session.aitems()})


def session_count(request: HttpRequest) -> HttpResponse:
    request.session["count"] = int(request.session.get("count", 0)) + 1
    return HttpResponse(str(request.session["count"]))


async def session_expiry(request: HttpRequest) -> HttpResponse:
    seconds = int(request.GET.get("seconds", 0))
    await request.session.aset_expiry(seconds)
    return HttpResponse(str(await request.session.aget_expire_at_browser_close()))


async def session_cycle(request: HttpRequest) -> HttpResponse:
    await request.session.acycle_key()
    return HttpResponse("cycled")


async def session_flush(request: HttpRequest) -> HttpResponse:
    await request.session.aflush()
    return HttpResponse("flushed")


async def session_lost(request: HttpRequest) -> HttpResponse:
    """Deleted by somebody else while it is being used here."""
    await request.session.aset("lost", 1)
    if request.session.session_key:
        await type(request.session)(request.session.session_key).adelete()
    return HttpResponse("lost")


async def message_add(request: HttpRequest) -> HttpResponse:
    level = int(request.GET.get("level", messages.INFO))
    await sync_to_async(messages.add_message)(request, level, request.GET.get("text", ""))
    return HttpResponseRedirect("/messages/")


def message_add_sync(request: HttpRequest) -> HttpResponse:
    messages.info(request, request.GET.get("text", ""))
    return HttpResponse("added")


async def message_list(request: HttpRequest) -> HttpResponse:
    found = await sync_to_async(list)(messages.get_messages(request))
    return JsonResponse({"messages": [[item.level, str(item)] for item in found]})


async def form(request: HttpRequest) -> HttpResponse:
    """A form's token, which is marked as that in the page, or what was posted."""
    if request.method == "POST":
        return HttpResponse(f"posted {request.POST.get('field')}")
    return HttpResponse(f"<token>{get_token(request)}</token>")


def form_sync(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"<token>{get_token(request)}</token>{request.POST.get('field')}")


async def page(request: HttpRequest) -> HttpResponse:
    return TemplateResponse(request, _PAGE, {"language": get_language()})


async def missing(request: HttpRequest) -> HttpResponse:
    raise Http404("nothing")


async def denied(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


async def bad(request: HttpRequest) -> HttpResponse:
    raise BadRequest("bad")


async def suspicious(request: HttpRequest) -> HttpResponse:
    raise SuspiciousOperation("suspicious")


async def failing(request: HttpRequest) -> HttpResponse:
    raise LookupError("on purpose")


def failing_sync(request: HttpRequest) -> HttpResponse:
    raise LookupError("on purpose")


async def status(request: HttpRequest, code: int) -> HttpResponse:
    return HttpResponse("status", status=code)


async def large(request: HttpRequest) -> HttpResponse:
    response = HttpResponse(b"0123456789" * 1000)
    if "etag" in request.GET:
        response.headers["ETag"] = '"fixed"'
    return response


async def modified(request: HttpRequest) -> HttpResponse:
    return HttpResponse("old", headers={"Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"})


async def stream(request: HttpRequest) -> HttpResponse:
    async def parts() -> Any:
        for number in range(5):
            await asyncio.sleep(0)
            yield f"part {number};" * 30

    return StreamingHttpResponse(parts())


async def stream_sync(request: HttpRequest) -> HttpResponse:
    return StreamingHttpResponse(f"part {number};" for number in range(5))


async def file(request: HttpRequest) -> HttpResponse:
    return FileResponse(io.BytesIO(b"content" * 50), filename="name.txt", as_attachment=True)


async def cookies(request: HttpRequest) -> HttpResponse:
    response = HttpResponse("cookies")
    response.set_cookie("one", request.GET.get("value", ""), max_age=60, samesite="Lax")
    response.set_signed_cookie("two", "signed", httponly=True)
    response.delete_cookie("three")
    return response


async def cached(request: HttpRequest) -> HttpResponse:
    """Different each time that it is really called."""
    number = _calls.setdefault(asyncio.get_running_loop(), [0])
    number[0] += 1
    return HttpResponse(f"call {number[0]}")


_calls: dict[Any, list[int]] = {}


async def atomic(request: HttpRequest) -> HttpResponse:
    exists = await auth.get_user_model().objects.filter(username="ann").aexists()
    return HttpResponse(str(exists))


urlpatterns = [
    path("echo/", echo),
    path("body/", body),
    path("whoami/", whoami),
    path("whoami-sync/", whoami_sync),
    path("login/", login),
    path("logout/", logout),
    path("session/set/", session_set),
    path("session/get/", session_get),
    path("session/count/", session_count),
    path("session/expiry/", session_expiry),
    path("session/cycle/", session_cycle),
    path("session/flush/", session_flush),
    path("session/lost/", session_lost),
    path("messages/add/", message_add),
    path("messages/add-sync/", message_add_sync),
    path("messages/", message_list),
    path("form/", form),
    path("form-sync/", form_sync),
    path("page/", page),
    path("missing/", missing),
    path("denied/", denied),
    path("bad/", bad),
    path("suspicious/", suspicious),
    path("failing/", failing),
    path("failing-sync/", failing_sync),
    path("status/<int:code>/", status),
    path("large/", large),
    path("modified/", modified),
    path("stream/", stream),
    path("stream-sync/", stream_sync),
    path("file/", file),
    path("cookies/", cookies),
    path("cached/", cached),
    path("never/", never_cache(cached)),
    path("framed/", xframe_options_exempt(echo)),
    path("only-post/", csrf_exempt(require_POST(echo))),
    path("orm/", atomic),
    path("i18n/", include("django.conf.urls.i18n")),
]
urlpatterns += i18n_patterns(path("local/", page))
