"""Forms, header tokens, origins, referers: what is accepted, and the threads that it takes."""

import io
from tempfile import SpooledTemporaryFile, TemporaryFile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.http import HttpResponse, HttpResponseForbidden, JsonResponse
from django.middleware.csrf import get_token
from django.test import AsyncRequestFactory
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from split_deploy.middleware import csrf, native

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]

HERE = __name__
STOCK = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
]
MIDDLEWARE = native(STOCK)


async def token(request):
    return HttpResponse(get_token(request))


async def form(request):
    uploads = {name: file.size for name, file in request.FILES.items()}
    return JsonResponse({"data": request.POST.get("data", ""), "uploads": uploads})


@csrf_exempt
async def exempt(request):
    return HttpResponse()


async def shows_the_reason(request, reason=""):
    return HttpResponseForbidden(reason)


urlpatterns = [path("token/", token), path("form/", form), path("exempt/", exempt)]


@pytest.fixture
def client(serve):
    return serve(HERE, MIDDLEWARE, csrf=True)


def upload():
    return SimpleUploadedFile("a", b"x" * 99)


async def token_of(client):
    return (await client.get("/token/")).content.decode()


async def test_a_get_needs_no_thread(client):
    response = await client.get("/token/")
    assert response.hops == 0
    assert response.cookies["csrftoken"]["max-age"] == 31449600
    assert response.headers["Vary"] == "Cookie"


async def test_a_form_with_its_token_needs_no_thread(client):
    data = {"csrfmiddlewaretoken": await token_of(client), "data": "x" * 1000}
    response = await client.post("/form/", data)  # multipart
    assert (response.json()["data"], response.hops) == ("x" * 1000, 0)

    body = f"csrfmiddlewaretoken={data['csrfmiddlewaretoken']}&data=xyz"
    response = await client.post("/form/", body, "application/x-www-form-urlencoded")
    assert (response.json()["data"], response.hops) == ("xyz", 0)


async def test_a_small_upload_is_read_into_memory(client):
    data = {
        "csrfmiddlewaretoken": await token_of(client),
        "file": upload(),
    }
    response = await client.post("/form/", data)
    assert (response.json()["uploads"], response.hops) == ({"file": 99}, 0)


async def test_a_large_form_is_parsed_in_a_thread(client):
    data = {"csrfmiddlewaretoken": await token_of(client), "data": "x" * 100_000}
    response = await client.post("/form/", data)
    assert (len(response.json()["data"]), response.hops) == (100_000, 1)

    body = f"csrfmiddlewaretoken={data['csrfmiddlewaretoken']}&data={data['data']}"
    response = await client.post("/form/", body, "application/x-www-form-urlencoded")
    assert (len(response.json()["data"]), response.hops) == (100_000, 1)


class Handler(MemoryFileUploadHandler):
    """A project's, which may do anything."""


@pytest.mark.parametrize(
    "handlers",
    [
        [f"{HERE}.Handler"],
        ["django.core.files.uploadhandler.TemporaryFileUploadHandler"],
        ["django.core.files.uploadhandler.MemoryFileUploadHandler", f"{HERE}.Handler"],
    ],
)
async def test_uploads_that_may_go_elsewhere_are_parsed_in_a_thread(client, settings, handlers):
    settings.FILE_UPLOAD_HANDLERS = handlers
    data = {
        "csrfmiddlewaretoken": await token_of(client),
        "file": upload(),
    }
    response = await client.post("/form/", data)
    assert (response.json()["uploads"], response.hops) == ({"file": 99}, 1)


async def test_without_upload_handlers_a_file_is_left_out(client, settings):
    settings.FILE_UPLOAD_HANDLERS = []
    data = {"csrfmiddlewaretoken": await token_of(client), "data": "x", "file": upload()}
    assert (await client.post("/form/", data)).json() == {"data": "x", "uploads": {}}


async def test_a_token_in_the_header_needs_no_thread(client):
    headers = {"X-CSRFToken": await token_of(client)}
    for method in (client.post, client.put, client.patch, client.delete):
        response = await method("/form/", b'{"a": 1}', "application/json", headers=headers)
        assert (response.status_code, response.hops) == (200, 0)


async def test_what_is_exempt_is_not_read(client):
    response = await client.post("/exempt/", {"data": "x" * 100_000})
    assert (response.status_code, response.hops) == (200, 0)


SECRET = "a" * 32
FORM = "application/x-www-form-urlencoded"
GOOD = {"cookie": SECRET, "body": f"csrfmiddlewaretoken={SECRET}"}
CASES = {
    "good": GOOD,
    "no cookie": {"body": GOOD["body"]},
    "no token": {"cookie": SECRET},
    "another token": {"cookie": "b" * 32, "body": GOOD["body"]},
    "a short token": {"cookie": SECRET, "body": "csrfmiddlewaretoken=a"},
    "a token of other characters": {"cookie": SECRET, "body": "csrfmiddlewaretoken=" + "*" * 32},
    "a broken cookie": {"cookie": "*", "body": GOOD["body"]},
    "header": {"cookie": SECRET, "headers": {"X-CSRFToken": SECRET}},
    "another header": {"cookie": SECRET, "headers": {"X-CSRFToken": "c" * 32}},
    "same origin": GOOD | {"headers": {"Origin": "http://testserver"}},
    "another origin": GOOD | {"headers": {"Origin": "http://evil.example"}},
    "a trusted origin": GOOD | {"headers": {"Origin": "https://trusted.example"}},
    "a trusted subdomain": GOOD | {"headers": {"Origin": "https://sub.many.example"}},
    "a broken origin": GOOD | {"headers": {"Origin": "http://["}},
    "secure, no referer": GOOD | {"secure": True},
    "secure, same referer": GOOD
    | {"secure": True, "headers": {"Referer": "https://testserver/a/"}},
    "secure, another referer": GOOD
    | {"secure": True, "headers": {"Referer": "https://evil.example/"}},
    "secure, insecure referer": GOOD
    | {"secure": True, "headers": {"Referer": "http://testserver/"}},
    "secure, broken referer": GOOD | {"secure": True, "headers": {"Referer": "https://["}},
    "secure, trusted referer": GOOD
    | {"secure": True, "headers": {"Referer": "https://trusted.example/"}},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_the_same_is_accepted_and_refused_for_the_same_reason(serve, case, settings):
    settings.CSRF_TRUSTED_ORIGINS = ["https://trusted.example", "https://*.many.example"]
    settings.CSRF_FAILURE_VIEW = "django.views.csrf.csrf_failure"
    settings.DEBUG = True
    answers = []
    for middleware in (STOCK, MIDDLEWARE):
        client = serve(HERE, middleware, csrf=True)
        if "cookie" in case:
            client.cookies["csrftoken"] = case["cookie"]
        response = await client.post(
            "/form/",
            case.get("body", ""),
            FORM,
            secure=case.get("secure", False),
            headers=case.get("headers", {}),
        )
        answers.append((response.status_code, response.content, response.headers.items()))
    stock, ours = answers
    assert ours[0] == stock[0]
    if ours[0] == 403:
        assert ours[1] == stock[1]
    assert dict(ours[2]).keys() == dict(stock[2]).keys()


async def test_a_refusal_is_answered_in_one_hop_and_logged_once(client, caplog):
    response = await client.post("/form/", {"data": "x"})
    assert (response.status_code, response.hops) == (403, 1)
    assert b"CSRF verification failed" in response.content
    assert [record.getMessage() for record in caplog.records] == [
        "Forbidden (CSRF cookie not set.): /form/"
    ]


async def test_a_refusal_of_a_large_form_takes_no_second_hop(client):
    await client.get("/token/")
    response = await client.post("/form/", {"data": "x" * 100_000})
    assert (response.status_code, response.hops) == (403, 1)


@pytest.mark.parametrize(("size", "hops"), [(1, 0), (100_000, 1)])
async def test_an_async_view_for_failures_is_awaited(client, settings, caplog, size, hops):
    settings.CSRF_FAILURE_VIEW = f"{HERE}.shows_the_reason"
    await client.get("/token/")

    response = await client.post("/form/", {"data": "x" * size})
    assert (response.status_code, response.content) == (403, b"CSRF token missing.")
    assert response.hops == hops
    assert [record.getMessage() for record in caplog.records] == [
        "Forbidden (CSRF token missing.): /form/"
    ]


# CSRF_USE_SESSIONS


@pytest.fixture
def in_session(serve):
    return serve(HERE, MIDDLEWARE, csrf=True, CSRF_USE_SESSIONS=True)


async def test_a_token_in_the_session(in_session):
    response = await in_session.get("/token/")
    assert response.hops == 1  # to save it
    data = {"csrfmiddlewaretoken": response.content.decode(), "data": "x"}

    response = await in_session.post("/form/", data)
    assert (response.status_code, response.hops) == (200, 1)  # to load it
    assert "csrftoken" not in in_session.cookies
    data["csrfmiddlewaretoken"] = "b" * 64
    assert (await in_session.post("/form/", data)).status_code == 403


async def test_without_a_session_no_thread_is_needed(in_session):
    response = await in_session.post("/exempt/")
    assert response.hops == 0
    assert response.headers["Vary"] == "Cookie"


def sync_only(get_response):
    return lambda request: get_response(request)


@pytest.fixture
def behind_sync_only(serve):
    """The session is one of Django's own, since its middleware is in sync mode."""
    middleware = [MIDDLEWARE[0], f"{HERE}.sync_only", MIDDLEWARE[1]]
    return serve(HERE, middleware, csrf=True, CSRF_USE_SESSIONS=True)


async def test_a_token_in_a_session_that_is_not_ours(behind_sync_only):
    client = behind_sync_only
    data = {"csrfmiddlewaretoken": await token_of(client), "data": "x"}
    assert (await client.post("/form/", data)).status_code == 200
    assert (await client.get("/token/")).status_code == 200
    data["csrfmiddlewaretoken"] = "b" * 64
    assert (await client.post("/form/", data)).status_code == 403


class Answering(csrf.CsrfViewMiddleware):
    def process_request(self, request):
        super().process_request(request)
        if "answered" in request.GET:
            return HttpResponse("by process_request")
        return None

    def process_view(self, request, *args):
        response = super().process_view(request, *args)
        if response is not None:
            response.headers["X-Refused"] = "yes"
        return response


@pytest.mark.parametrize("size", [1, 100_000])
async def test_a_subclass_s_hooks_give_what_they_return(serve, size):
    middleware = [MIDDLEWARE[0], f"{HERE}.Answering"]
    client = serve(HERE, middleware, csrf=True, CSRF_USE_SESSIONS=True)
    await client.get("/token/")
    assert (await client.get("/token/?answered")).content == b"by process_request"
    response = await client.post("/form/", {"data": "x" * size})
    assert (response.status_code, response.headers["X-Refused"]) == (403, "yes")


async def test_sessions_have_to_come_first(serve):
    client = serve(HERE, MIDDLEWARE[1:], csrf=True, CSRF_USE_SESSIONS=True)
    with pytest.raises(Exception, match=r"request\.session is not set"):
        await client.get("/token/")


# What may block


def request_with(stream, *, length="10", content_type=FORM):
    request = AsyncRequestFactory().post("/", b"x", content_type)
    request._stream = stream
    request.META.pop("CONTENT_LENGTH", None)
    if length is not None:
        request.META["CONTENT_LENGTH"] = length
    return request


async def test_a_body_on_disk_is_read_in_a_thread():
    with SpooledTemporaryFile(max_size=100) as spooled, TemporaryFile() as on_disk:
        assert not csrf._parsing_may_block(request_with(spooled))
        spooled.write(b"x" * 101)
        assert csrf._parsing_may_block(request_with(spooled))
        assert csrf._parsing_may_block(request_with(on_disk))


@pytest.mark.parametrize(("body", "blocks"), [(b"a=b", False), (b"a=" + b"b" * 2**16, True)])
async def test_a_body_of_unknown_length_is_measured_if_it_is_in_memory(body, blocks):
    assert csrf._parsing_may_block(request_with(io.BytesIO(body), length=None)) == blocks
    assert csrf._parsing_may_block(request_with(object(), length=None))


async def test_a_body_that_was_read_and_one_that_is_no_form_are_not_read_again():
    request = request_with(io.BytesIO(b"a=b"), length=str(2**20))
    assert csrf._parsing_may_block(request)
    assert request.body == b"a=b"
    assert not csrf._parsing_may_block(request)
    assert request.POST["a"] == "b"
    request.POST = request.POST  # as a middleware may that has read a form in its own way
    del request._body
    assert not csrf._parsing_may_block(request)
    assert not csrf._parsing_may_block(
        request_with(io.BytesIO(), length=str(2**20), content_type="application/json")
    )
