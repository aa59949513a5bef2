"""request_started and request_finished: who gets them, and in which thread."""

import asyncio
import threading
from contextvars import ContextVar

import pytest
from asgiref.sync import sync_to_async
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.http import HttpResponse
from django.test import AsyncClient, Client
from django.urls import get_urlconf, path

from split_deploy import signals
from split_deploy.handlers import NativeASGIHandler
from tests.handlers.client import ask, is_on_the_loop

pytestmark = [pytest.mark.asyncio, pytest.mark.urls(__name__)]


told: ContextVar[tuple] = ContextVar("told", default=())


async def view(request):
    if request.GET.get("cache"):
        await caches["default"].aget("key")
    return HttpResponse(",".join(told.get()))


urlpatterns = [path("", view)]


@pytest.fixture
def connect():
    connected = []

    def connect(signal, receiver, **options):
        connected.append((signal, receiver, options))
        signal.connect(receiver, **options)

    yield connect
    for signal, receiver, options in connected:
        signal.disconnect(receiver, **options)


@pytest.fixture
def heard():
    return []


@pytest.fixture
def sync_receiver(heard):
    def receiver(signal, sender, **named):
        heard.append((signal, sender, threading.current_thread(), sorted(named)))

    return receiver


@pytest.fixture
def async_receiver(heard):
    async def receiver(signal, sender, **named):
        heard.append((signal, sender, threading.current_thread(), sorted(named)))

    return receiver


async def test_nobody_else_listens_to_a_bare_request():
    exchange = await ask()
    assert exchange.hops.count == 0


async def test_a_sync_receiver_runs_in_the_request_s_thread(connect, heard, sync_receiver):
    connect(request_started, sync_receiver)
    connect(request_finished, sync_receiver)
    exchange = await ask()

    (started, by, thread, named), (finished, by_too, thread_too, named_too) = heard
    assert (started, finished) == (request_started, request_finished)
    assert by is by_too is NativeASGIHandler
    assert (named, named_too) == (["scope"], [])
    assert thread is thread_too is not threading.main_thread()
    assert exchange.hops.count == 2


async def test_an_async_receiver_runs_on_the_event_loop(connect, heard, async_receiver):
    connect(request_started, async_receiver)
    exchange = await ask()

    ((signal, sender, thread, named),) = heard
    assert (signal, sender, named) == (request_started, NativeASGIHandler, ["scope"])
    assert thread is threading.main_thread()
    assert exchange.hops.count == 0


async def test_several_async_receivers_run_side_by_side(connect):
    met = asyncio.Barrier(2)

    async def one(**_):
        await met.wait()

    async def other(**_):
        await met.wait()

    connect(request_finished, one)
    connect(request_finished, other)
    exchange = await ask()
    assert exchange.hops.count == 0


@pytest.mark.parametrize("names", [("one",), ("one", "other")])
async def test_the_view_has_what_async_receivers_put_into_a_context_variable(connect, names):
    """As since Django 6.1."""

    def receiver_of(name):
        async def receiver(**_):
            told.set((*told.get(), name))

        return receiver

    receivers = [receiver_of(name) for name in names]
    for receiver in receivers:
        connect(request_started, receiver)
    assert (await ask()).content == ",".join(names).encode()


async def test_the_error_of_one_of_several_async_receivers_is_raised_as_it_is(connect):
    cancelled = []

    async def failing(**_):
        raise LookupError

    async def waiting(**_):
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            cancelled.append(1)
            raise

    connect(request_started, waiting)
    connect(request_started, failing)
    with pytest.raises(LookupError):
        await ask()
    assert cancelled == [1]


async def test_a_receiver_is_heard_of_as_soon_as_it_is_connected_and_no_longer(
    heard, sync_receiver
):
    handler = NativeASGIHandler()
    await ask(handler=handler)
    request_finished.connect(sync_receiver)
    await ask(handler=handler)
    request_finished.disconnect(sync_receiver)
    await ask(handler=handler)
    assert len(heard) == 1


async def test_a_receiver_is_not_kept_alive(heard):
    def connect_and_forget():
        def receiver(**_):
            heard.append(1)

        request_finished.connect(receiver)

    connect_and_forget()
    await ask()
    assert heard == []


async def test_a_receiver_of_another_sender_is_not_called(connect, heard, sync_receiver):
    connect(request_finished, sync_receiver, sender=Client)
    exchange = await ask()
    assert (heard, exchange.hops.count) == ([], 0)


async def test_the_urlconf_of_the_request_is_forgotten(settings):
    await NativeASGIHandler()(
        {**_scope(), "path": "/"}, _once({"type": "http.request"}), _ignore
    )  # in this very task
    assert get_urlconf() is None


def _scope():
    return {"type": "http", "method": "GET", "headers": [], "query_string": b""}


def _once(message):
    async def receive():
        return message

    return receive


async def _ignore(message):
    pass


class ClosingCache(LocMemCache):
    closed: list = []  # noqa: RUF012

    def close(self, **kwargs):
        self.closed.append(is_on_the_loop())


async def test_a_cache_that_has_something_to_close_is_closed_in_a_thread_if_it_was_used(settings):
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.ClosingCache"}}
    ClosingCache.closed.clear()

    unused = await ask()
    used = await ask(scope={"query_string": b"cache=1"})

    assert unused.hops.count == 0
    assert ClosingCache.closed == [False]
    assert used.hops.count == 1 + 1  # aget() of a cache in memory is a hop in Django

    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    assert (await ask(scope={"query_string": b"cache=1"})).hops.count == 1


async def test_a_cache_is_closed_though_a_receiver_of_a_project_fails(connect, settings):
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.ClosingCache"}}
    ClosingCache.closed.clear()

    def failing(**_):
        raise LookupError

    connect(request_finished, failing)
    with pytest.raises(LookupError):
        await ask(scope={"query_string": b"cache=1"})
    assert ClosingCache.closed == [False]


async def test_django_s_own_receivers_stay_connected_for_every_other_sender():
    NativeASGIHandler()
    connected = [reference() for _, reference, *_ in request_finished.receivers]
    assert close_old_connections in connected

    # Its client disconnects and connects one of them, wherever it sends from.
    assert (await AsyncClient().get("/")).status_code == 200
    assert (await sync_to_async(Client().get)("/")).status_code == 200
    exchange = await ask()
    assert exchange.hops.count == 0


async def test_a_response_can_be_closed_on_the_event_loop_by_a_project():
    NativeASGIHandler()
    HttpResponse().close()


async def test_what_was_taken_over_can_be_given_back():
    class Handler(NativeASGIHandler):
        pass

    handler = Handler()
    assert (await ask(handler=handler)).hops.count == 0
    signals.give_back(Handler)
    assert (await ask(handler=handler)).hops.count == 2
    signals.take_over(Handler)
    assert (await ask(handler=handler)).hops.count == 0
