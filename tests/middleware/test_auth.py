"""request.user and request.auser(), and the middleware that ask for them."""

import copy

import django
import pytest
from asgiref.sync import sync_to_async
from django.contrib import auth
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends import db
from django.core.exceptions import ImproperlyConfigured, SynchronousOnlyOperation
from django.http import HttpResponse
from django.test import AsyncRequestFactory
from django.urls import path
from django.utils.functional import SimpleLazyObject

from split_deploy.middleware import native
from split_deploy.middleware.auth import AuthenticationMiddleware

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]

HERE = __name__
MIDDLEWARE = native(
    [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]
)
LOGIN_REQUIRED = native(["django.contrib.auth.middleware.LoginRequiredMiddleware"])
REMOTE_USER = native(["django.contrib.auth.middleware.RemoteUserMiddleware"])
REMOTE_BACKEND = ["django.contrib.auth.backends.RemoteUserBackend"]


def named(user):
    return HttpResponse(user.get_username() or "nobody")


async def untouched(request):
    return HttpResponse()


async def asked(request):
    return named(await request.auser())


async def asked_then_read(request):
    user = await request.auser()
    assert request.user == user
    assert request.user.pk == user.pk
    assert await request.auser() is user
    assert copy.deepcopy(request.user) == user
    return named(request.user)


async def read_now(request):
    return named(request.user)


async def session_then_read(request):
    await request.session.aget("anything")
    return named(request.user)


async def read_in_a_thread(request):
    return await sync_to_async(lambda: named(request.user))()


async def somebody_else(request):
    request.user = User(username="impersonated")
    return named(request.user)


async def logs_in(request):
    await auth.alogin(request, await User.objects.aget(username="ada"), BACKENDS[0])
    return named(request.user)


async def logs_out(request):
    await auth.alogout(request)
    assert request.user.is_anonymous
    return HttpResponse()


@login_not_required
async def public(request):
    return HttpResponse("public")


urlpatterns = [
    path(f"{view.__name__}/", view)
    for view in (
        *(untouched, asked, asked_then_read, read_now, session_then_read, read_in_a_thread),
        *(somebody_else, logs_in, logs_out, public),
    )
]

BACKENDS = ["django.contrib.auth.backends.ModelBackend"]


@pytest.fixture
def client(serve):
    return serve(HERE, MIDDLEWARE)


@pytest.fixture
def ada(transactional_db):
    return User.objects.create_user("ada", password="secret")


@pytest.fixture(params=["db", "cached_db", "cache", "signed_cookies"])
def each_engine(request, serve, tmp_path):
    return serve(
        HERE,
        MIDDLEWARE,
        SESSION_ENGINE=f"django.contrib.sessions.backends.{request.param}",
        CACHES={
            "default": {
                "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
                "LOCATION": str(tmp_path),
            }
        },
    )


@pytest.mark.parametrize("view", ["asked", "asked_then_read", "read_now", "session_then_read"])
async def test_nobody_is_logged_in_without_a_session_and_no_thread_shows_it(client, view):
    response = await client.get(f"/{view}/")
    assert (response.content, response.hops) == (b"nobody", 0)
    assert response.headers["Vary"] == "Cookie"


async def test_nobody_is_loaded_who_is_not_asked_for(client, ada):
    await client.aforce_login(ada)
    response = await client.get("/untouched/")
    assert response.hops == 0
    assert "Vary" not in response.headers


async def test_session_and_user_are_loaded_in_one_hop(each_engine, ada):
    await each_engine.aforce_login(ada)

    response = await each_engine.get("/asked/")
    assert (response.content, response.hops) == (b"ada", 1)


async def test_request_user_is_the_one_that_was_awaited(each_engine, ada):
    await each_engine.aforce_login(ada)

    response = await each_engine.get("/asked_then_read/")
    assert (response.content, response.hops) == (b"ada", 1)


async def test_request_user_that_would_block_names_what_to_await(each_engine, ada):
    await each_engine.aforce_login(ada)

    for view in ("read_now", "session_then_read"):
        with pytest.raises(SynchronousOnlyOperation, match=r"await request\.auser\(\)"):
            await each_engine.get(f"/{view}/")


async def test_a_thread_reads_request_user_as_ever(client, ada):
    await client.aforce_login(ada)

    response = await client.get("/read_in_a_thread/")
    assert (response.content, response.hops) == (b"ada", 1)


async def test_a_session_without_a_user_is_nobody_s(client):
    session = db.SessionStore()
    await session.aset("number", 7)
    await session.asave()
    client.cookies["sessionid"] = session.session_key

    response = await client.get("/session_then_read/")
    assert (response.content, response.hops) == (b"nobody", 1)
    assert (await client.get("/asked/")).hops == 1


async def test_a_changed_password_ends_the_session_in_the_same_hop(client, ada):
    await client.aforce_login(ada)
    key = client.cookies["sessionid"].value
    ada.set_password("another")
    await ada.asave()

    response = await client.get("/asked/")
    assert response.content == b"nobody"
    assert response.hops == 1
    assert response.cookies["sessionid"].value == ""
    assert not await db.SessionStore().aexists(key)


async def test_a_changed_secret_key_gives_the_session_another_key(client, ada, settings):
    settings.SECRET_KEY = "old"
    settings.SECRET_KEY_FALLBACKS = []
    await client.aforce_login(ada)
    key = client.cookies["sessionid"].value
    settings.SECRET_KEY_FALLBACKS = ["old"]
    settings.SECRET_KEY = "new"

    response = await client.get("/asked/")
    assert response.content == b"ada"
    assert response.hops == 2  # the second to save it
    assert response.cookies["sessionid"].value not in ("", key)


async def test_whoever_is_put_there_is_the_user(client, ada):
    await client.aforce_login(ada)
    response = await client.get("/somebody_else/")
    assert (response.content, response.hops) == (b"impersonated", 0)


async def test_an_async_view_logs_in_and_out(client, ada):
    assert (await client.get("/logs_in/")).content == b"ada"
    assert (await client.get("/asked/")).content == b"ada"

    response = await client.get("/logs_out/")
    assert response.cookies["sessionid"].value == ""
    assert (await client.get("/asked/")).content == b"nobody"


async def test_it_has_to_come_after_the_session(serve):
    client = serve(HERE, MIDDLEWARE[1:])
    with pytest.raises(ImproperlyConfigured, match="requires session"):
        await client.get("/asked/")


async def test_a_session_that_is_not_ours_is_good_enough(ada):
    async def view(request):
        user = await request.auser()
        assert request.user == user
        return named(user)

    request = AsyncRequestFactory().get("/")
    request.session = db.SessionStore()
    await request.session.aset(auth.SESSION_KEY, str(ada.pk))
    await request.session.aset(auth.BACKEND_SESSION_KEY, BACKENDS[0])
    await request.session.aset(auth.HASH_SESSION_KEY, ada.get_session_auth_hash())
    assert (await AuthenticationMiddleware(view)(request)).content == b"ada"


# Backends


class AsyncBackend(ModelBackend):
    async def aget_user(self, user_id):
        return User(pk=user_id, username="by aget_user", password="!")

    def get_user(self, user_id):
        raise AssertionError


class SyncBackend(ModelBackend):
    def get_user(self, user_id):
        user = super().get_user(user_id)
        user.username = "by get_user"
        return user


@pytest.mark.parametrize(
    ("backend", "name"), [("AsyncBackend", b"by aget_user"), ("SyncBackend", b"by get_user")]
)
async def test_a_backend_s_own_method_is_called_where_it_belongs(serve, ada, backend, name):
    client = serve(HERE, MIDDLEWARE, AUTHENTICATION_BACKENDS=[f"{HERE}.{backend}"])
    ada.password = "!"
    await ada.asave()
    await client.aforce_login(ada)

    response = await client.get("/asked/")
    assert (response.content, response.hops) == (name, 1)


# LoginRequiredMiddleware


async def test_who_is_not_logged_in_is_sent_to_log_in_without_a_thread(serve):
    client = serve(HERE, MIDDLEWARE + LOGIN_REQUIRED, LOGIN_URL="/login/")

    response = await client.get("/untouched/")
    assert response.headers["Location"] == "/login/?next=/untouched/"
    assert response.hops == 0


async def test_who_is_logged_in_is_looked_up_once(serve, ada):
    client = serve(HERE, MIDDLEWARE + LOGIN_REQUIRED, LOGIN_URL="/login/")
    await client.aforce_login(ada)

    response = await client.get("/asked_then_read/")
    assert (response.content, response.hops) == (b"ada", 1)


async def test_a_public_view_asks_as_much_as_django_s(serve, ada):
    client = serve(HERE, MIDDLEWARE + LOGIN_REQUIRED)
    await client.aforce_login(ada)

    response = await client.get("/public/")
    asks = django.VERSION < (6,)
    assert response.content == b"public"
    assert response.hops == asks
    assert ("Vary" in response.headers) == asks


def lazily_somebody(get_response):
    async def middleware(request):
        request.user = SimpleLazyObject(lambda: User.objects.get(username="ada"))
        return await get_response(request)

    return middleware


lazily_somebody.async_capable = True
lazily_somebody.sync_capable = False


async def test_another_authentication_s_lazy_user_is_read_in_a_thread(serve, ada):
    client = serve(HERE, [f"{HERE}.lazily_somebody", *LOGIN_REQUIRED])

    response = await client.get("/untouched/")
    assert (response.status_code, response.hops) == (200, 1)


# RemoteUserMiddleware


@pytest.fixture
def remote(serve):
    return serve(HERE, MIDDLEWARE + REMOTE_USER, AUTHENTICATION_BACKENDS=REMOTE_BACKEND)


async def test_without_the_header_nobody_is_looked_up(remote):
    response = await remote.get("/untouched/")
    assert (response.status_code, response.hops) == (200, 0)


async def test_a_remote_user_is_made_and_logged_in(remote):
    response = await remote.get("/read_now/", headers={"Remote-User": "grace"})
    assert response.content == b"grace"
    assert await User.objects.filter(username="grace").aexists()


async def test_a_remote_user_with_a_session_is_looked_up_once(remote):
    await remote.get("/read_now/", headers={"Remote-User": "grace"})

    response = await remote.get("/read_now/", headers={"Remote-User": "grace"})
    assert (response.content, response.hops) == (b"grace", 1)


async def test_who_has_no_header_any_more_is_logged_out(remote):
    await remote.get("/read_now/", headers={"Remote-User": "grace"})
    assert (await remote.get("/read_now/")).content == b"nobody"


async def test_and_stays_if_so_wanted(serve):
    middleware = native(["django.contrib.auth.middleware.PersistentRemoteUserMiddleware"])
    client = serve(HERE, MIDDLEWARE + middleware, AUTHENTICATION_BACKENDS=REMOTE_BACKEND)
    await client.get("/read_now/", headers={"Remote-User": "grace"})
    assert (await client.get("/asked/")).content == b"grace"


# XViewMiddleware


async def test_the_view_is_named_to_staff_and_found_out_in_one_hop(serve, ada, settings):
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "django.contrib.admindocs"]
    middleware = native(["django.contrib.admindocs.middleware.XViewMiddleware"])
    client = serve(HERE, MIDDLEWARE + middleware)
    response = await client.head("/untouched/")
    assert ("X-View" in response.headers, response.hops) == (False, 0)
    ada.is_staff = True
    await ada.asave()
    await client.aforce_login(ada)

    response = await client.head("/untouched/")
    assert response.headers["X-View"] == f"{HERE}.untouched"
    assert response.hops == 1
    response = await client.get("/untouched/")
    assert ("X-View" in response.headers, response.hops) == (False, 0)


async def test_nobody_is_an_anonymous_user():
    async def view(request):
        assert isinstance(await request.auser(), AnonymousUser)
        return HttpResponse()

    request = AsyncRequestFactory().get("/")
    request.session = db.SessionStore()
    await AuthenticationMiddleware(view)(request)
