"""Sessions of every engine, and the threads that they take."""

from datetime import timedelta
from typing import ClassVar

import pytest
from asgiref.sync import sync_to_async
from django.contrib.sessions.backends import cache as cache_backend
from django.contrib.sessions.backends import cached_db, db, file, signed_cookies
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.models import Session
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django.core.exceptions import SynchronousOnlyOperation
from django.http import HttpResponse, JsonResponse
from django.test import AsyncClient, AsyncRequestFactory
from django.urls import path

from split_deploy.middleware import native
from split_deploy.middleware.sessions import SessionMiddleware
from split_deploy.sessions import GuardedStore, ThreadedStore, native_store

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]

HERE = __name__
MIDDLEWARE = native(["django.contrib.sessions.middleware.SessionMiddleware"])
LOCMEM = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


def files(path):
    return {
        "default": {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": str(path / "cache"),
        }
    }


async def untouched(request):
    return HttpResponse()


async def read(request):
    return HttpResponse(await request.session.aget("number", "none"))


async def write(request):
    await request.session.aset("number", 7)
    return HttpResponse()


async def read_now(request):
    return HttpResponse(request.session["number"])


async def write_now(request):
    request.session["number"] = 8
    return HttpResponse()


async def read_twice(request):
    await request.session.aget("number")
    return HttpResponse(request.session["number"])


async def flush(request):
    await request.session.aflush()
    return HttpResponse()


async def cycle(request):
    await request.session.acycle_key()
    return HttpResponse()


async def fail(request):
    await request.session.aset("number", 9)
    return HttpResponse(status=500)


async def fails_untouched(request):
    return HttpResponse(status=500)


async def flush_now(request):
    request.session.flush()


async def cycle_now(request):
    await request.session.aget("number")
    request.session.cycle_key()


async def expiring(request):
    await request.session.aset_expiry(timedelta(hours=1))
    return HttpResponse()


async def deleted_meanwhile(request):
    await request.session.aset("number", 7)
    await Session.objects.all().adelete()
    return HttpResponse()


async def save_now(request):
    await request.session.aget("number")
    request.session.save()
    return HttpResponse()


async def ask(request):
    session = request.session
    return JsonResponse(
        {
            "has": await session.ahas_key("number"),
            "keys": list(await session.akeys()),
            "popped": await session.apop("number", None),
            "default": await session.asetdefault("other", 1),
            "age": await session.aget_expiry_age(),
        }
    )


urlpatterns = [
    path(f"{view.__name__}/", view)
    for view in (
        *(untouched, read, write, read_now, write_now, read_twice, flush, cycle, fail),
        *(expiring, deleted_meanwhile, save_now, flush_now, cycle_now, fails_untouched, ask),
    )
]

#: How a request is served with each engine: hops to read a session, and to make one.
ENGINES = {
    "db": (1, 1),
    "cached_db": (1, 1),
    "cache": (1, 1),
    "file": (1, 1),
    "signed_cookies": (0, 0),
    "cache in memory": (0, 0),
    "cached_db in memory": (1, 1),
}


@pytest.fixture(params=ENGINES)
def engine(request, serve, tmp_path):
    name, _, in_memory = request.param.partition(" in ")
    options = {
        "SESSION_ENGINE": f"django.contrib.sessions.backends.{name}",
        "CACHES": LOCMEM if in_memory else files(tmp_path),
        "SESSION_FILE_PATH": str(tmp_path),
    }
    client = serve(HERE, MIDDLEWARE, **options)
    client.reading, client.writing = ENGINES[request.param]
    yield client
    # Where the class keeps what the setting was.
    for store in (file.SessionStore, native_store(file.SessionStore)):
        if "_storage_path" in vars(store):
            del store._storage_path


@pytest.fixture
def client(serve):
    return serve(HERE, MIDDLEWARE)


async def test_a_request_without_a_session_needs_no_thread(engine):
    assert (await engine.get("/untouched/")).hops == 0
    response = await engine.get("/read/")
    assert (response.content, response.hops) == (b"none", 0)
    assert response.headers["Vary"] == "Cookie"


async def test_a_session_is_made_in_one_hop_and_read_in_one(engine):
    response = await engine.get("/write/")
    assert response.hops == engine.writing
    assert response.cookies["sessionid"]["max-age"] == 1209600

    response = await engine.get("/read/")
    assert (response.content, response.hops) == (b"7", engine.reading)
    assert "sessionid" not in response.cookies
    assert response.headers["Vary"] == "Cookie"


async def test_one_that_nobody_asks_for_is_not_read(engine):
    await engine.get("/write/")

    response = await engine.get("/untouched/")
    assert response.hops == 0
    assert "Vary" not in response.headers


async def test_it_is_read_once_and_then_by_the_sync_methods_too(engine):
    await engine.get("/write/")

    response = await engine.get("/read_twice/")
    assert (response.content, response.hops) == (b"7", engine.reading)


async def test_it_is_changed_in_one_hop_to_read_and_one_to_save(engine):
    await engine.get("/write/")
    key = engine.cookies["sessionid"].value

    assert (await engine.get("/write/")).hops == engine.reading + engine.writing
    if engine.reading:
        assert engine.cookies["sessionid"].value == key


async def test_a_sync_read_that_would_block_names_the_async_one(engine):
    await engine.get("/write/")

    if not engine.reading:
        response = await engine.get("/read_now/")
        assert (response.content, response.hops) == (b"7", 0)
        return
    for url in ("/read_now/", "/write_now/"):
        with pytest.raises(SynchronousOnlyOperation, match=r"await request\.session\.aget\(key\)"):
            await engine.get(url)


async def test_a_sync_write_of_a_new_session_is_saved(engine):
    assert (await engine.get("/write_now/")).hops == engine.writing
    assert (await engine.get("/read/")).content == b"8"


async def test_a_flush_is_one_hop_and_deletes_the_cookie(engine):
    await engine.get("/write/")

    response = await engine.get("/flush/")
    assert response.hops == engine.writing
    assert response.cookies["sessionid"].value == ""
    assert (await engine.get("/read/")).content == b"none"


async def test_another_key_is_one_hop_beside_the_save(engine):
    await engine.get("/write/")
    key = engine.cookies["sessionid"].value

    response = await engine.get("/cycle/")
    assert response.hops == 2 * engine.writing
    if engine.reading:
        assert engine.cookies["sessionid"].value != key
    assert (await engine.get("/read/")).content == b"7"


async def test_nothing_is_saved_with_an_error(engine):
    response = await engine.get("/fail/")
    assert response.status_code == 500
    assert "sessionid" not in response.cookies


async def test_the_other_async_methods_read_it_once(engine):
    await engine.get("/write/")

    response = await engine.get("/ask/")
    assert response.json() == {
        "has": True,
        "keys": ["number"],
        "popped": 7,
        "default": 1,
        "age": 1209600,
    }
    assert response.hops == engine.reading + engine.writing


async def test_an_expiry_of_its_own(engine):
    response = await engine.get("/expiring/")
    assert response.hops == engine.writing
    assert 3590 < response.cookies["sessionid"]["max-age"] <= 3600


async def test_saved_with_every_request_if_so_set(engine, settings):
    settings.SESSION_SAVE_EVERY_REQUEST = True
    assert (await engine.get("/untouched/")).hops == 0
    await engine.get("/write/")

    response = await engine.get("/untouched/")
    # Read, for its expiry, and saved in the same thread.
    assert response.hops == engine.writing
    assert "sessionid" in response.cookies


async def test_a_cookie_of_no_session_is_deleted_as_by_django(serve):
    for middleware in (MIDDLEWARE, ["django.contrib.sessions.middleware.SessionMiddleware"]):
        client = serve(HERE, middleware)
        client.cookies["sessionid"] = "a" * 32
        response = await client.get("/read/")
        assert response.content == b"none"
        assert response.cookies["sessionid"].value == ""
        assert response.headers["Vary"] == "Cookie"


@pytest.mark.parametrize("key", ["short", ""])
async def test_a_cookie_that_can_be_no_key_is_deleted_as_by_django(serve, key):
    for middleware in (MIDDLEWARE, ["django.contrib.sessions.middleware.SessionMiddleware"]):
        client = serve(HERE, middleware)
        client.cookies["sessionid"] = key
        response = await client.get("/untouched/")
        assert response.cookies["sessionid"]["max-age"] == 0
        assert response.headers["Vary"] == "Cookie"


async def test_one_that_was_deleted_meanwhile_is_an_interruption(client):
    await client.get("/write/")
    response = await client.get("/deleted_meanwhile/")
    assert response.status_code == 400


async def test_it_can_be_read_by_the_sync_instance_and_the_other_way_round(client, settings):
    await client.get("/write/")
    stored = db.SessionStore(client.cookies["sessionid"].value)
    assert await stored.aget("number") == 7

    await stored.aset("number", 11)
    await stored.asave()
    assert (await client.get("/read/")).content == b"11"


@pytest.mark.parametrize(
    ("url", "name"), [("save_now", "asave"), ("flush_now", "aflush"), ("cycle_now", "acycle_key")]
)
async def test_a_sync_call_names_the_async_one(client, url, name):
    await client.get("/write/")
    with pytest.raises(SynchronousOnlyOperation, match=rf"await request\.session\.{name}\(\)"):
        await client.get(f"/{url}/")


async def test_django_s_way_to_allow_it_allows_it_here_too(client, monkeypatch):
    await client.get("/write/")
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    # In a thread that has the data; what is shown is that nothing refuses.
    store = native_store(db.SessionStore)(client.cookies["sessionid"].value)
    assert await sync_to_async(lambda: store["number"])() == 7
    store._check("save")


# Stores of a project


class InMemory(SessionBase):
    """With sync methods alone."""

    stored: ClassVar = {}

    def load(self):
        return dict(self.stored.get(self.session_key, {}))

    def exists(self, session_key):
        return session_key in self.stored

    def create(self):
        self._session_key = self._get_new_session_key()
        self.save(must_create=True)
        self.modified = True

    def save(self, must_create=False):
        if self.session_key is None:
            self.create()
            return
        if not must_create and self.session_key not in self.stored:
            raise UpdateError
        self.stored[self.session_key] = dict(self._get_session(no_load=must_create))

    def delete(self, session_key=None):
        self.stored.pop(session_key or self.session_key, None)


class Async(InMemory):
    """With async methods of its own, and sync ones that must not be called."""

    async def aload(self):
        return dict(self.stored.get(self.session_key, {}))

    async def aexists(self, session_key):
        return session_key in self.stored

    async def acreate(self):
        self._session_key = await self._aget_new_session_key()
        await self.asave(must_create=True)
        self.modified = True

    async def asave(self, must_create=False):
        if self.session_key is None:
            await self.acreate()
            return
        if not must_create and self.session_key not in self.stored:
            raise UpdateError
        self.stored[self.session_key] = dict(await self._aget_session(no_load=must_create))

    async def adelete(self, session_key=None):
        self.stored.pop(session_key or self.session_key, None)

    def save(self, must_create=False):
        raise AssertionError

    load = exists = create = delete = save


class Quick(InMemory):
    never_blocks = True


@pytest.fixture
def engine_of(serve, monkeypatch):
    def engine_of(store):
        InMemory.stored.clear()
        monkeypatch.setattr("tests.middleware.test_sessions.SessionStore", store, raising=False)
        return serve(HERE, MIDDLEWARE, SESSION_ENGINE=HERE)

    return engine_of


@pytest.mark.parametrize(("store", "hops"), [(InMemory, 1), (Async, 0), (Quick, 0)])
async def test_a_project_s_own_store_is_called_where_it_may_be(engine_of, store, hops):
    client = engine_of(store)

    assert (await client.get("/write/")).hops == hops
    response = await client.get("/read/")
    assert (response.content, response.hops) == (b"7", hops)
    assert (await client.get("/write/")).hops == 2 * hops
    assert (await client.get("/cycle/")).hops == 2 * hops
    assert (await client.get("/flush/")).hops == hops
    assert not InMemory.stored


class Audited(cache_backend.SessionStore):
    """Django's in a cache, which tells of each save: as one may that has to be in a thread."""

    saves: ClassVar = []

    def save(self, must_create=False):
        self.saves.append(self.session_key)
        super().save(must_create)


@pytest.mark.parametrize(
    "backend", ["django.core.cache.backends.locmem.LocMemCache", f"{HERE}.AsyncCache"]
)
async def test_a_project_s_own_store_in_a_cache_is_called_in_a_thread(engine_of, settings, backend):
    client = engine_of(Audited)
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": "audited"}}
    Audited.saves.clear()

    assert (await client.get("/write/")).hops == 1
    assert Audited.saves
    assert (await client.get("/read/")).content == b"7"


@pytest.mark.parametrize("store", [Async, InMemory])
async def test_an_error_without_an_access_says_nothing_of_the_session(engine_of, settings, store):
    """Not even with SESSION_SAVE_EVERY_REQUEST and a cookie of a session that is gone."""
    settings.SESSION_SAVE_EVERY_REQUEST = True
    client = engine_of(store)
    client.cookies["sessionid"] = "a" * 32
    response = await client.get("/fails_untouched/")
    assert response.status_code == 500
    assert "Vary" not in response.headers
    assert "sessionid" not in response.cookies


async def test_an_async_store_saves_nothing_with_an_error(engine_of):
    response = await engine_of(Async).get("/fail/")
    assert (response.status_code, "sessionid" in response.cookies) == (500, False)
    assert not InMemory.stored


async def test_an_async_store_s_session_that_is_gone_is_an_interruption(engine_of):
    client = engine_of(Async)
    await client.get("/write/")

    async def gone(self, must_create=False):
        raise UpdateError

    store = type("Gone", (Async,), {"asave": gone})
    session = native_store(store)(client.cookies["sessionid"].value)
    assert session.way == "await"
    response = await _leave(session)
    assert isinstance(response, SessionInterrupted)


async def _leave(session):
    async def view(request):
        request.session = session
        await session.aset("number", 1)
        return HttpResponse()

    try:
        return await SessionMiddleware(view)(AsyncRequestFactory().get("/"))
    except SessionInterrupted as error:
        return error


def overriding(base, *names):
    """A subclass of ``base`` that overrides ``names`` and changes nothing."""
    return type("SessionStore", (base,), {name: getattr(base, name) for name in names})


async def test_the_way_of_a_store_goes_by_who_wrote_its_methods():
    def way(store):
        return native_store(store)().way

    assert way(db.SessionStore) == way(cached_db.SessionStore) == way(file.SessionStore) == "thread"
    assert way(signed_cookies.SessionStore) == "here"
    assert way(overriding(db.SessionStore, "load")) == "thread"
    assert way(overriding(db.SessionStore, "aload")) == "await"
    assert way(overriding(db.SessionStore, "load", "aload")) == "await"
    # The sync one is newer.
    assert way(overriding(overriding(db.SessionStore, "aload"), "load")) == "thread"
    assert way(overriding(signed_cookies.SessionStore, "load")) == "thread"
    assert issubclass(native_store(overriding(db.SessionStore, "aload")), GuardedStore)
    assert not issubclass(native_store(overriding(db.SessionStore, "aload")), ThreadedStore)


class AsyncCache(LocMemCache):
    async def aget(self, key, default=None, version=None):
        return self.get(key, default, version)


async def test_a_store_signs_with_its_own_name_which_the_sync_instance_knows():
    class SessionStore(db.SessionStore):
        """With another qualified name."""

    assert native_store(SessionStore)().key_salt == SessionStore().key_salt
    assert native_store(db.SessionStore)().key_salt == db.SessionStore().key_salt


async def test_a_cache_that_is_async_itself_is_awaited(serve):
    backend = f"{HERE}.AsyncCache"
    caching = {"default": {"BACKEND": backend, "LOCATION": "async"}}
    serve(HERE, MIDDLEWARE, CACHES=caching)
    assert type(caches["default"]) is AsyncCache
    assert native_store(cache_backend.SessionStore)().way == "await"


async def test_a_session_that_somebody_else_put_there_is_saved_in_a_thread():
    async def view(request):
        request.session = db.SessionStore()
        await request.session.aset("number", 5)
        return HttpResponse()

    response = await SessionMiddleware(view)(AsyncRequestFactory().get("/"))
    key = response.cookies["sessionid"].value
    assert await db.SessionStore(key).aget("number") == 5


async def test_a_stock_client_is_served_alike(settings):
    settings.ROOT_URLCONF, settings.MIDDLEWARE = HERE, MIDDLEWARE
    client = AsyncClient()
    await client.get("/write/")
    assert (await client.get("/read/")).content == b"7"
