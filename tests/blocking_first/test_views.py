"""Views: with Django's handlers, clients, decorators and classes."""

import asyncio
from io import BytesIO

import pytest
from asgiref.sync import async_to_sync, iscoroutinefunction
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.core.signals import request_finished
from django.db import transaction
from django.http import Http404, HttpResponse, JsonResponse, StreamingHttpResponse
from django.test import AsyncClient, Client, TestCase
from django.urls import path
from django.utils.datastructures import MultiValueDictKeyError
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from split_deploy import blocking_first, io, parallel_ops, read_body, read_uploaded_file
from split_deploy.context import get_current_request
from split_deploy.testing import AsyncRoleClient
from tests.blocking_first.conftest import until
from tests.blocking_first.test_sections import Gate, is_in_pool, on_loop
from tests.handlers.client import Exchange, ask

pytestmark = pytest.mark.urls(__name__)


@pytest.fixture(autouse=True)
def no_middleware(settings):
    settings.MIDDLEWARE = []
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = None


@blocking_first
async def users(request):
    """Add a user, and count them: in the transaction of the test, if it has one."""
    with transaction.atomic():
        User.objects.create(username=request.GET["name"])
    async with io:
        await asyncio.sleep(0)
    async with parallel_ops() as ops:
        counted = ops.run(User.objects.count)
    return JsonResponse({"users": counted.result()})


@require_safe
@blocking_first
async def outside(request):
    return HttpResponse(str(is_in_pool()))


@csrf_exempt
@blocking_first
@require_POST
async def inside(request):
    return HttpResponse(str(is_in_pool()))


class Handlers(View):
    @blocking_first
    async def get(self, request):
        async with io:
            await asyncio.sleep(0)
        return HttpResponse(f"{type(self).__name__} {is_in_pool()}")

    async def post(self, request):
        return HttpResponse(str(on_loop()))


@method_decorator(blocking_first, name="get")
class Decorated(View):
    async def get(self, request):
        return HttpResponse(f"{type(self).__name__} {is_in_pool()}")


@blocking_first
async def missing(request):
    async with parallel_ops() as ops:
        ops.run(int)
        raise Http404


@blocking_first
async def stream(request):
    @blocking_first
    async def lines():
        for number in range(3):
            assert is_in_pool()
            async with io:
                await asyncio.sleep(0)
            yield f"{number} "

    return StreamingHttpResponse(lines())


@blocking_first
async def knows_its_request(request):
    known = [get_current_request() is request]
    async with io:
        known.append(get_current_request() is request)
        known += await asyncio.gather(is_of(request), is_of(request))
    async with parallel_ops() as ops:
        handle = ops.run(lambda: get_current_request() is request)
    known += [handle.result(), get_current_request() is request]
    return HttpResponse(str(all(known)))


async def is_of(request):
    return get_current_request() is request


gate = Gate()
ended = []


@blocking_first
async def waits(request):
    try:
        async with io:
            gate.entered.set()
            await asyncio.sleep(3600)
    finally:
        ended.append(is_in_pool())


@csrf_exempt
@blocking_first
async def read(request):
    """Read what the request brings: in a thread, or on the loop with ``?io``."""
    if "io" not in request.GET:
        content = await reading(request)
        assert not on_loop()
        return HttpResponse(content)
    async with io:
        content = await reading(request)
        assert on_loop()
    return HttpResponse(content)


async def reading(request):
    if "body" in request.GET:
        return await read_body(request)
    return await read_uploaded_file(request, "name")


async def plain_read(request):
    return HttpResponse(await reading(request))


urlpatterns = [
    path("users/", users),
    path("outside/", outside),
    path("inside/", inside),
    path("handlers/", Handlers.as_view()),
    path("decorated/", Decorated.as_view()),
    path("missing/", missing),
    path("stream/", stream),
    path("knows/", knows_its_request),
    path("waits/", waits),
    path("read/", read),
    path("plain/", csrf_exempt(plain_read)),
]


@pytest.fixture
def async_instance(settings, pool_of):
    settings.SPLIT_DEPLOY = {"ROLE": "async"}
    # A test of the sync instance that ran before has connected it, for as long as the process runs.
    request_finished.disconnect(dispatch_uid="split_deploy.request_id")
    return pool_of(2)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("target", "method", "content"),
    [
        ("/outside/", "GET", b"True"),
        ("/inside/", "POST", b"True"),
        ("/handlers/", "GET", b"Handlers True"),
        ("/handlers/", "POST", b"True"),
        ("/decorated/", "GET", b"Decorated True"),
        ("/stream/", "GET", b"0 1 2 "),
    ],
)
async def test_kinds_of_views_without_a_hop(async_instance, target, method, content):
    exchange = await ask(target, method)
    assert (exchange.status, exchange.content, exchange.hops.count) == (200, content, 0)


@pytest.mark.asyncio
@pytest.mark.parametrize(("target", "status"), [("/inside/", 405), ("/missing/", 404)])
async def test_errors_are_responses(async_instance, settings, target, status):
    settings.TEMPLATES = []
    exchange = await ask(target)
    assert exchange.status == status


@pytest.mark.asyncio
async def test_the_current_request_is_known_in_all_of_it(async_instance, settings):
    settings.MIDDLEWARE = ["split_deploy.middleware.ContextMiddleware"]
    for exchange in await asyncio.gather(*(ask("/knows/") for _ in range(20))):
        assert exchange.content == b"True"
    assert get_current_request() is None


def test_the_current_request_is_known_under_wsgi(settings):
    settings.MIDDLEWARE = ["split_deploy.middleware.ContextMiddleware"]
    assert Client().get("/knows/").content == b"True"


@pytest.mark.asyncio
async def test_a_client_that_leaves_ends_the_view_in_a_thread(async_instance):
    gate.entered.clear()
    ended.clear()
    exchange = Exchange("/waits/").begin()
    await until(gate.entered.is_set)
    exchange.leave()
    await exchange.end()
    assert ended == [True]
    await until(lambda: async_instance.statistics().busy == 0)


def test_a_view_is_async_for_django():
    assert iscoroutinefunction(users)
    assert Handlers.view_is_async
    assert Decorated.view_is_async


class InATransaction(TestCase):
    """The view sees what the test has written, and what it writes is gone in the end."""

    def setUp(self):
        User.objects.create(username="of the test")

    def test_with_the_client(self):
        assert Client().get("/users/?name=a").json() == {"users": 2}
        assert User.objects.count() == 2

    async def test_with_the_async_client(self):
        response = await AsyncClient().get("/users/?name=b")
        assert response.json() == {"users": 2}
        assert await User.objects.acount() == 2


@pytest.mark.django_db
def test_with_the_client_that_counts_hops(settings):
    settings.SPLIT_DEPLOY = {"ROLE": "async"}
    User.objects.create(username="of the test")
    response = async_to_sync(AsyncRoleClient().get)("/users/?name=c")
    assert response.json() == {"users": 2}
    assert response.thread_hops.count == 0


@pytest.mark.django_db
def test_in_pytest_s_transaction(client):
    User.objects.create(username="of the test")
    assert client.get("/users/?name=d").json() == {"users": 2}


# What a request brings


CONTENT = b"0123456789" * 100


@pytest.fixture(params=["in memory", "on disk"])
def where_uploads_are(request, settings):
    if request.param == "on disk":
        settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 100
        settings.FILE_UPLOAD_HANDLERS = [
            f"{TemporaryFileUploadHandler.__module__}.{TemporaryFileUploadHandler.__name__}"
        ]


def upload():
    return {"name": SimpleUploadedFile("name.txt", CONTENT)}


@pytest.mark.parametrize("target", ["/read/", "/read/?io", "/plain/"])
def test_an_uploaded_file(where_uploads_are, target):
    assert Client().post(target, upload()).content == CONTENT


@pytest.mark.asyncio
@pytest.mark.parametrize("target", ["/read/", "/read/?io", "/plain/"])
async def test_an_uploaded_file_in_the_async_instance(where_uploads_are, async_instance, target):
    body = (
        b'--x\r\nContent-Disposition: form-data; name="name"; filename="a.txt"\r\n\r\n'
        + CONTENT
        + b"\r\n--x--\r\n"
    )
    scope = {"headers": [(b"content-type", b"multipart/form-data; boundary=x")]}
    route, _, question = target.partition("?")
    exchange = await ask(
        route, "POST", body=body, scope={**scope, "query_string": question.encode()}
    )
    assert exchange.content == CONTENT


@pytest.mark.asyncio
@pytest.mark.parametrize("target", ["/read/", "/plain/"])
@pytest.mark.parametrize("question", [b"body", b"body&io"])
async def test_a_body(where_uploads_are, async_instance, target, question):
    exchange = await ask(
        target, "POST", body=[CONTENT, b"the end"], scope={"query_string": question}
    )
    assert exchange.content == CONTENT + b"the end"


def test_a_body_under_wsgi():
    response = Client().post("/read/?body", CONTENT, content_type="text/plain")
    assert response.content == CONTENT


def test_a_file_that_is_not_there_is_a_key_error():
    with pytest.raises(MultiValueDictKeyError):
        Client().post("/read/", {"other": BytesIO(b"")})
    with pytest.raises(KeyError):
        Client().post("/read/?io", {"other": BytesIO(b"")})
