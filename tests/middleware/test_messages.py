"""Messages in cookies and sessions, written and read by async views."""

from random import Random

import pytest
from django.contrib import messages
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.sessions.backends import db
from django.core.exceptions import SynchronousOnlyOperation
from django.http import HttpResponse, JsonResponse
from django.urls import path

from split_deploy.middleware import native
from split_deploy.middleware.messages import MessageMiddleware

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]

HERE = __name__
STOCK = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
MIDDLEWARE = native(STOCK)
STORAGE = "django.contrib.messages.storage"


async def untouched(request):
    return HttpResponse()


async def add(request):
    messages.success(request, "saved")
    return HttpResponse()


def text(number):
    """What takes a kilobyte, compressed as it may be."""
    return f"{number}" * 5 + Random(number).randbytes(1000).hex()


async def add_many(request):
    for number in range(5):
        messages.info(request, text(number))
    return HttpResponse()


async def read(request):
    return JsonResponse(
        [message.message[:5] for message in messages.get_messages(request)], safe=False
    )


async def load_then_read(request):
    await request.session.aget("anything")
    return await read(request)


async def count(request):
    return JsonResponse(len(messages.get_messages(request)), safe=False)


async def quiet(request):
    messages.set_level(request, messages.ERROR)
    messages.success(request, "not said")
    return HttpResponse(str(messages.get_level(request)))


urlpatterns = [
    path(f"{view.__name__}/", view)
    for view in (untouched, add, add_many, read, load_then_read, count, quiet)
]


@pytest.fixture
def client(serve):
    return serve(HERE, MIDDLEWARE)


@pytest.fixture
def in_session(serve):
    return serve(HERE, MIDDLEWARE, MESSAGE_STORAGE=f"{STORAGE}.session.SessionStorage")


async def test_a_request_without_messages_makes_no_storage_and_needs_no_thread(serve, monkeypatch):
    made = []
    monkeypatch.setattr(FallbackStorage, "__init__", lambda *args, **kwargs: made.append(args))
    response = await serve(HERE, MIDDLEWARE).get("/untouched/")
    assert (response.hops, made) == (0, [])


@pytest.mark.parametrize("storage", ["cookie.CookieStorage", "fallback.FallbackStorage"])
async def test_a_message_in_a_cookie_needs_no_thread(serve, storage):
    client = serve(HERE, MIDDLEWARE, MESSAGE_STORAGE=f"{STORAGE}.{storage}")

    assert (await client.get("/add/")).hops == 0
    response = await client.get("/count/")
    assert (response.json(), response.hops) == (1, 0)
    response = await client.get("/read/")
    assert (response.json(), response.hops) == (["saved"], 0)
    assert response.cookies["messages"].value == ""
    assert (await client.get("/read/")).json() == []


async def test_it_stays_until_it_is_read(client):
    await client.get("/add/")
    response = await client.get("/untouched/")
    assert "messages" not in response.cookies
    await client.get("/add/")
    assert (await client.get("/read/")).json() == ["saved", "saved"]


async def test_what_does_not_fit_into_the_cookie_is_in_the_session(client):
    # A new session: that nothing is in it yet takes no thread to see. One to save it.
    assert (await client.get("/add_many/")).hops == 1

    # To load the session before the view, and to save that they are gone.
    response = await client.get("/read/")
    assert response.json() == [f"{number}" * 5 for number in range(5)]
    assert response.hops == 2
    assert (await client.get("/read/")).json() == []


async def test_to_load_them_is_no_access_to_the_session(client):
    await client.get("/add_many/")
    response = await client.get("/untouched/")
    assert response.hops == 1
    assert "Vary" not in response.headers


def sync_only(get_response):
    return lambda request: get_response(request)


async def test_they_are_read_from_a_session_that_is_not_ours(serve):
    client = serve(HERE, [MIDDLEWARE[0], f"{HERE}.sync_only", MIDDLEWARE[1]])
    await client.get("/add_many/")
    assert len((await client.get("/read/")).json()) == 5
    assert (await client.get("/read/")).json() == []


class Answering(MessageMiddleware):
    def process_request(self, request):
        super().process_request(request)
        return HttpResponse("by process_request")


async def test_a_subclass_may_answer(serve):
    client = serve(HERE, [MIDDLEWARE[0], f"{HERE}.Answering"])
    for _ in range(2):
        assert (await client.get("/read/")).content == b"by process_request"
        client.cookies["messages"] = "of anybody"


async def test_more_of_them_are_added_to_those(client):
    await client.get("/add_many/")
    await client.get("/add/")
    assert (await client.get("/read/")).json() == [*(f"{n}" * 5 for n in range(5)), "saved"]


async def test_an_overflow_into_a_session_that_was_not_loaded_is_stored_in_one_hop(client):
    session = db.SessionStore()
    await session.aset("number", 7)
    await session.asave()
    client.cookies["sessionid"] = session.session_key

    response = await client.get("/add_many/")
    assert response.hops == 2  # with the save
    stored = db.SessionStore(session.session_key)
    assert await stored.aget("number") == 7
    assert (await client.get("/read/")).json() == [f"{number}" * 5 for number in range(5)]


async def test_django_s_storage_in_the_session(in_session):
    assert (await in_session.get("/add/")).hops == 1
    assert (await in_session.get("/untouched/")).hops == 0
    # To load it, to store the new one beside it, to save it.
    assert (await in_session.get("/add/")).hops == 2
    assert (await in_session.get("/load_then_read/")).json() == ["saved", "saved"]


async def test_to_read_it_names_what_to_await_first(in_session):
    await in_session.get("/add/")
    with pytest.raises(SynchronousOnlyOperation, match=r"await request\.session\.aget\(key\)"):
        await in_session.get("/read/")


async def test_the_level_of_a_request(client):
    response = await client.get("/quiet/")
    assert (response.content, response.hops) == (b"40", 0)
    assert "messages" not in response.cookies


async def test_a_broken_cookie_is_deleted_when_it_is_read_as_by_django(serve):
    for middleware in (STOCK, MIDDLEWARE):
        client = serve(HERE, middleware)
        client.cookies["messages"] = "broken"
        assert "messages" not in (await client.get("/untouched/")).cookies
        assert (await client.get("/read/")).json() == []


async def test_messages_that_fit_nowhere_are_an_error_with_debug_as_by_django(serve):
    for middleware in (STOCK, MIDDLEWARE):
        in_cookie = {"MESSAGE_STORAGE": f"{STORAGE}.cookie.CookieStorage"}
        client = serve(HERE, middleware, DEBUG=False, **in_cookie)
        assert (await client.get("/add_many/")).status_code == 200
        client = serve(HERE, middleware, DEBUG=True, **in_cookie)
        with pytest.raises(ValueError, match="Not all temporary messages"):
            await client.get("/add_many/")


async def test_the_storage_in_the_session_needs_one(serve):
    client = serve(HERE, MIDDLEWARE[1:], MESSAGE_STORAGE=f"{STORAGE}.session.SessionStorage")
    with pytest.raises(Exception, match="requires session middleware"):
        await client.get("/untouched/")


class Own(CookieStorage):
    """A project's."""


@pytest.mark.parametrize("url", ["/untouched/", "/add/"])
async def test_a_project_s_storage_is_updated_in_a_thread_if_it_has_been_used(serve, url):
    client = serve(HERE, MIDDLEWARE, MESSAGE_STORAGE=f"{HERE}.Own")
    assert (await client.get(url)).hops == (url == "/add/")
