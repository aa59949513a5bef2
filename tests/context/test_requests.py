"""The request and its user in each role: through middleware, bodies and tasks, and to the end."""

import asyncio
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth import alogout
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import SynchronousOnlyOperation
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished
from django.http import HttpResponse, StreamingHttpResponse
from django.test import AsyncClient, Client
from django.urls import path
from django.utils.functional import SimpleLazyObject

from split_deploy import blocking_first, io, parallel_ops
from split_deploy.checks import receivers
from split_deploy.context import (
    RequestEndedError,
    aget_current_user,
    current_user_id,
    get_current_request,
    get_current_user,
    impersonate,
    set_current_user,
)
from split_deploy.handlers import NativeASGIHandler
from split_deploy.middleware import ContextMiddleware
from split_deploy.tasks import background
from tests.context.conftest import collected, settled
from tests.context.site import cookie_headers, loads, somebody, wsgi
from tests.handlers.client import Exchange, ask

pytestmark = pytest.mark.urls(__name__)


class Site:
    """What the views of a test are, and what they leave for it."""

    view = aview = None
    tasks: list
    requests: list


@pytest.fixture(autouse=True)
def site():
    Site.tasks, Site.requests = [], []


def view(request):
    Site.requests.append(weakref.ref(request))
    return Site.view(request)


async def aview(request):
    Site.requests.append(weakref.ref(request))
    return await Site.aview(request)


urlpatterns = [
    path("sync/", view),
    path("async/", aview),
    path("plain/", lambda request: HttpResponse()),
]


def answer_to(view, pk=None):
    """What ``view`` answers in the sync role."""
    Site.view = view
    with wsgi(WSGIHandler(), "/sync/", pk) as response:
        return b"".join(response)


async def aanswer_to(aview, pk=None, handler=None):
    """What ``aview`` answers in the async role."""
    Site.aview = aview
    answered = await ask("/async/", scope=cookie_headers(pk), handler=handler)
    assert answered.status == 200, answered.content
    answered.hops.request = None  # as a HopCounter does
    return answered.content


#: Django's client lets the connections be looked after once more when it is done.
django_client = pytest.mark.django_db
handlers = pytest.mark.parametrize("handler", [NativeASGIHandler, ASGIHandler])


# The sync role


def test_the_view_and_what_it_calls_see_the_request_and_its_user(sync_role):
    def view(request):
        assert current_user_id() == "-"
        assert get_current_request() is request
        assert loads[7] == 0
        assert get_current_user() is request.user
        assert async_to_sync(aget_current_user)().pk == 7
        assert current_user_id() == "7"
        return HttpResponse(get_current_user().username)

    assert answer_to(view, 7) == b"user-7"


def test_a_stranger_is_anonymous(sync_role):
    def view(request):
        assert isinstance(get_current_user(), AnonymousUser)
        assert current_user_id() == "-"
        return HttpResponse()

    answer_to(view)


def test_nobody_is_the_user_of_a_request_without_one(sync_role, settings):
    settings.MIDDLEWARE = settings.MIDDLEWARE[:2]

    def view(request):
        assert get_current_request() is request
        assert get_current_user() is async_to_sync(aget_current_user)() is None
        return HttpResponse()

    answer_to(view)


def test_who_logs_in_is_the_user_from_then_on(sync_role):
    def view(request):
        assert get_current_user().pk == 7
        request.user = somebody(8)  # as login() does
        assert get_current_user().pk == 8
        return HttpResponse(current_user_id())

    assert answer_to(view, 7) == b"8"


@pytest.mark.parametrize("log_in", [True, False])
@pytest.mark.asyncio
async def test_on_the_loop_too_who_logs_in_or_out(async_role, log_in):
    async def view(request):
        assert (await aget_current_user()).pk == 7
        if log_in:
            request.user = somebody(8)  # as login() does
        else:
            await alogout(request)
        return HttpResponse(f"{(await aget_current_user()).pk} {get_current_user().pk}")

    assert await aanswer_to(view, 7) == (b"8 8" if log_in else b"None None")


@pytest.mark.parametrize("how", ["sync", "async"])
@pytest.mark.asyncio
async def test_the_user_of_a_token_is_not_that_of_the_session(async_role, how):
    async def view(request):
        request.user = SimpleLazyObject(lambda: somebody(9))
        assert (await request.auser()).pk == 7
        assert current_user_id() == "-"
        user = get_current_user() if how == "sync" else await aget_current_user()
        return HttpResponse(f"{user.pk} {current_user_id()}")

    assert await aanswer_to(view, 7) == b"9 9"


@pytest.mark.asyncio
async def test_an_auser_of_the_project_s_own_is_asked(async_role):
    async def auser():
        return somebody(9)

    async def view(request):
        request.user, request.auser = SimpleLazyObject(lambda: 1 / 0), auser
        return HttpResponse(f"{(await aget_current_user()).pk}")

    assert await aanswer_to(view, 7) == b"9"


def test_what_a_request_sets_is_nothing_to_the_next_one_on_its_thread(sync_role):
    def first(request):
        set_current_user(somebody(1))
        impersonate(somebody(2)).__enter__()
        return HttpResponse(current_user_id())

    def second(request):
        return HttpResponse(str(get_current_user()))

    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(answer_to, first, 7).result() == b"2"
        assert thread.submit(lambda: (get_current_request(), get_current_user())).result() == (
            None,
            None,
        )
        assert thread.submit(answer_to, second).result() == b"AnonymousUser"


def test_a_streaming_body_has_the_request_and_what_the_view_has_set(sync_role):
    def view(request):
        set_current_user(somebody(1))

        def parts():
            assert get_current_request() is request
            yield current_user_id()
            with impersonate(somebody(2)):
                yield current_user_id()
            yield current_user_id()

        return StreamingHttpResponse(parts())

    assert answer_to(view, 7) == b"121"
    assert get_current_request() is None


def test_a_body_that_is_not_read_to_its_end_leaves_nothing(sync_role):
    left = []

    def view(request):
        def parts():
            with impersonate(somebody(1)):
                try:
                    yield current_user_id()
                    yield "more"
                finally:
                    left.append((get_current_request() is request, current_user_id()))

        return StreamingHttpResponse(parts())

    Site.view = view
    with wsgi(WSGIHandler(), "/sync/", 7) as response:
        assert next(iter(response)) == b"1"
    assert left == [(True, "1")]
    assert get_current_request() is None


def test_a_body_that_is_collected_during_another_request_leaves_that_alone(sync_role):
    kept = []

    def first(request):
        def parts():
            with impersonate(somebody(1)):
                yield "part"

        kept.append(parts())
        next(kept[0])
        return HttpResponse()

    def second(request):
        set_current_user(somebody(2))
        kept.clear()
        return HttpResponse(current_user_id())

    answer_to(first, 7)
    assert answer_to(second, 8) == b"2"


def test_an_error_page_is_made_and_logged_in_the_request(sync_role, caplog):
    seen = []

    def note(record):
        seen.append((get_current_request() is not None, current_user_id()))
        return True

    caplog.handler.addFilter(note)

    def view(request):
        get_current_user()
        raise ValueError("on purpose")

    answer_to(view, 7)
    assert seen == [(True, "7")]
    assert get_current_request() is None


def test_what_no_handler_answers_ends_the_request_too(sync_role):
    def view(request):
        raise SystemExit

    with pytest.raises(SystemExit):
        answer_to(view, 7)
    assert get_current_request() is None


def test_a_response_that_the_view_closes_is_not_the_end(sync_role):
    def view(request):
        HttpResponse().close()
        request_finished.send(sender=None)
        assert get_current_request() is request
        return HttpResponse(str(get_current_user()))

    assert answer_to(view, 7) == b"user-7"


@django_client
def test_a_request_inside_a_request_has_its_own(sync_role):
    def inner(request):
        assert get_current_request() is request
        assert isinstance(get_current_user(), AnonymousUser)
        return HttpResponse()

    def view(request):
        with impersonate(somebody(1)):
            Site.view = inner
            Client().get("/sync/")
            assert get_current_request() is request
            assert get_current_user().pk == 1
        return HttpResponse(str(get_current_user()))

    assert answer_to(view, 7) == b"user-7"


@django_client
def test_what_a_request_inside_has_not_closed_is_left_with_it(sync_role):
    def inner(request):
        return StreamingHttpResponse(iter(["never read"]))

    def view(request):
        Site.view = inner
        request.kept = Client().get("/sync/")
        return StreamingHttpResponse(str(get_current_user()) for _ in range(1))

    assert answer_to(view, 7) == b"user-7"
    assert get_current_request() is None


@django_client
def test_a_job_has_its_user_back_after_a_request_of_its_own(sync_role):
    with impersonate(somebody(1)):
        Site.view = lambda request: HttpResponse(str(get_current_user()))
        assert Client().get("/sync/").content == b"AnonymousUser"
        assert get_current_user().pk == 1


# The async role


@handlers
@pytest.mark.asyncio
async def test_on_the_loop_the_user_has_to_be_awaited_once(async_role, handler):
    async def view(request):
        assert get_current_request() is request
        with pytest.raises(SynchronousOnlyOperation, match=r"await aget_current_user\(\)"):
            get_current_user()
        assert loads[7] == 0
        user = await aget_current_user()
        assert user is await request.auser()
        assert get_current_user() is user
        return HttpResponse(current_user_id())

    assert await aanswer_to(view, 7, handler()) == b"7"
    assert loads[7] == 1


@pytest.mark.asyncio
async def test_a_thread_of_the_request_may_load_it(async_role):
    async def view(request):
        assert (await sync_to_async(get_current_user)()).pk == 7
        return HttpResponse(current_user_id())

    assert await aanswer_to(view, 7) == b"7"


@pytest.mark.asyncio
async def test_it_costs_a_hop_to_load_the_user_and_none_else(async_role):
    async def view(request):
        await aget_current_user()
        get_current_user()
        await aget_current_user()
        with impersonate(somebody(1)):
            current_user_id()
        return HttpResponse()

    Site.aview = view
    assert (await ask("/async/", scope=cookie_headers(7))).hops.count == 1
    assert (await ask("/async/")).hops.count == 0


def test_the_checks_find_no_receiver_of_it_that_needs_a_thread(async_role):
    ContextMiddleware(aview)
    assert not [found for found in receivers.check() if "split_deploy" in found.msg]


@handlers
@pytest.mark.asyncio
async def test_the_user_is_not_loaded_by_going_from_thread_to_thread(async_role, handler):
    async def view(request):
        set_current_user(request.user)
        with impersonate(request.user):
            await sync_to_async(async_to_sync(asyncio.sleep))(0)
            await asyncio.gather(sync_to_async(str)(), sync_to_async(current_user_id)())
        return HttpResponse(current_user_id())

    assert await aanswer_to(view, 7, handler()) == b"-"
    assert loads[7] == 0


@pytest.mark.asyncio
async def test_a_blocking_first_view_has_them_on_both_sides(async_role):
    @blocking_first
    async def view(request):
        seen = [get_current_request() is request, get_current_user().pk]
        with impersonate(somebody(1)):
            async with io:
                seen.append(current_user_id())
                set_current_user(somebody(2))
            async with parallel_ops() as ops:
                looked = ops.run(current_user_id)
            seen += [current_user_id(), looked.result()]
        return HttpResponse(repr([*seen, current_user_id()]))

    assert await aanswer_to(view, 7) == b"[True, 7, '1', '2', '2', '7']"


@handlers
@pytest.mark.asyncio
async def test_an_async_body_has_the_request_and_what_the_view_has_set(async_role, handler):
    async def view(request):
        set_current_user(somebody(1))

        async def parts():
            assert get_current_request() is request
            yield current_user_id()
            with impersonate(somebody(2)):
                yield await sync_to_async(current_user_id)()
            await sync_to_async(set_current_user)(somebody(3))
            yield current_user_id()

        return StreamingHttpResponse(parts())

    assert await aanswer_to(view, 7, handler()) == b"123"


@handlers
@pytest.mark.asyncio
async def test_a_sync_body_in_the_async_role_too(async_role, handler):
    async def view(request):
        set_current_user(somebody(1))
        return StreamingHttpResponse(current_user_id() for _ in range(2))

    with pytest.warns(Warning, match="must consume synchronous iterators"):
        assert await aanswer_to(view, 7, handler()) == b"11"


@handlers
@pytest.mark.asyncio
async def test_a_task_that_outlives_its_request_has_the_user_and_not_the_request(
    async_role, handler
):
    async def job(ended):
        assert get_current_request() is not None
        await ended.wait()
        return get_current_request(), current_user_id(), (await aget_current_user()).pk

    ended = asyncio.Event()

    async def view(request):
        await aget_current_user()
        Site.tasks.append(background(job(ended)))
        await asyncio.sleep(0)
        return HttpResponse()

    await aanswer_to(view, 7, handler())
    ended.set()
    assert await Site.tasks[0] == (None, "7", 7)


@handlers
@pytest.mark.asyncio
async def test_it_can_load_the_user_from_the_session(async_role, handler):
    async def job(ended):
        await ended.wait()
        with pytest.raises(SynchronousOnlyOperation, match=r"await aget_current_user\(\)"):
            get_current_user()
        user = await aget_current_user()
        return user.pk, get_current_user().pk, current_user_id()

    async def in_a_thread(ended):
        await ended.wait()
        return (await sync_to_async(get_current_user)()).pk

    ended = asyncio.Event()

    async def view(request):
        with impersonate(request.user):
            Site.tasks += [background(job(ended)), background(in_a_thread(ended))]
        return HttpResponse()

    await aanswer_to(view, 7, handler())
    ended.set()
    assert await asyncio.gather(*Site.tasks) == [(7, 7, "7"), 7]


@pytest.mark.asyncio
async def test_what_cannot_be_loaded_any_more_is_an_error_that_says_what_to_do(async_role):
    async def job(ended):
        await ended.wait()
        assert current_user_id() == "-"
        with pytest.raises(RequestEndedError, match="before the task is started"):
            await aget_current_user()
        with pytest.raises(RequestEndedError, match=r"impersonate\(user\)"):
            get_current_user()
        with impersonate(somebody(1)):
            return get_current_user().pk

    ended = asyncio.Event()

    async def view(request):
        request.user = SimpleLazyObject(lambda: somebody(9))  # a token's, say
        Site.tasks.append(background(job(ended)))
        return HttpResponse()

    await aanswer_to(view)
    ended.set()
    assert await Site.tasks[0] == 1


@handlers
@pytest.mark.asyncio
async def test_a_client_that_goes_away_ends_the_request(async_role, handler):
    ended = asyncio.Event()

    async def job():
        await ended.wait()
        return get_current_request()

    async def view(request):
        Site.tasks.append(background(job()))
        exchange.leave()
        await asyncio.sleep(60)

    Site.aview = view
    exchange = Exchange("/async/", handler=handler())
    await exchange.begin().end()
    ended.set()
    assert await Site.tasks[0] is None


@pytest.mark.asyncio
async def test_a_thread_that_cannot_be_cancelled_has_its_request_to_the_end(async_role):
    cancelled = threading.Event()
    seen = []

    def slow(request):
        cancelled.wait(5)
        time.sleep(0.05)
        seen.append((get_current_request() is request, get_current_user().pk))

    async def view(request):
        exchange.leave()
        try:
            await sync_to_async(slow)(request)
        finally:
            cancelled.set()

    Site.aview = view
    exchange = Exchange("/async/", scope=cookie_headers(7))
    await exchange.begin().end()
    assert seen == [(True, 7)]


@handlers
@pytest.mark.asyncio
async def test_a_sync_view_under_asgi_is_as_in_the_sync_role(async_role, settings, handler):
    settings.SPLIT_DEPLOY = {"ROLE": "mixed"}

    def view(request):
        assert get_current_request() is request
        assert async_to_sync(aget_current_user)().pk == 7
        set_current_user(somebody(1))
        return StreamingHttpResponse(current_user_id() for _ in range(2))

    Site.view = view
    with pytest.warns(Warning, match="must consume synchronous iterators"):
        answered = await ask("/sync/", scope=cookie_headers(7), handler=handler())
    assert answered.content == b"11"


@pytest.mark.asyncio
async def test_the_context_of_a_request_is_not_that_of_the_next_one_of_its_connection(async_role):
    """Uvicorn starts a pipelined request in the context of the one before."""
    seen = []
    native = NativeASGIHandler()

    async def handler(*args):
        await native(*args)
        seen.append(("after", current_user_id()))

    async def first(request):
        set_current_user(somebody(1))
        Site.tasks.append(asyncio.create_task(pipelined(request)))
        return HttpResponse()

    async def pipelined(before):
        async with asyncio.timeout(5):
            while get_current_request() is before:
                await asyncio.sleep(0)
        Site.aview = second
        await ask("/async/", scope=cookie_headers(8), handler=handler)

    async def second(request):
        seen.append((get_current_request() is request, (await aget_current_user()).pk))
        return HttpResponse()

    await aanswer_to(first, 7, handler)
    await Site.tasks[0]
    assert seen == [("after", "-"), (True, 8), ("after", "-")]


@pytest.mark.asyncio
async def test_a_task_that_outlives_its_request_holds_nothing_from_before_it(async_role):
    ended = asyncio.Event()

    async def view(request):
        Site.tasks.append(background(ended.wait()))
        return HttpResponse()

    user = somebody(1)
    before = weakref.ref(user)
    with impersonate(user):
        await aanswer_to(view)
    del user
    await settled()
    collected()
    assert before() is None
    ended.set()
    await Site.tasks[0]


@pytest.mark.asyncio
async def test_django_s_client_leaves_nothing(async_role):
    async def view(request):
        return HttpResponse(str(await aget_current_user()))

    Site.aview = view
    assert (await AsyncClient().get("/async/")).content == b"AnonymousUser"
    assert get_current_request() is None


# No request lives on


def test_no_request_lives_on_in_the_sync_role(sync_role):
    done = threading.Event()
    alive = []

    def view(request):
        set_current_user(request.user)
        with impersonate(request.user):
            get_current_user()

        async def job():
            return await asyncio.to_thread(done.wait, 5)

        def run():
            asyncio.run(job())

        thread = threading.Thread(target=copy_context().run, args=(run,))
        thread.start()
        alive.append(thread)
        return HttpResponse()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(answer_to, view, 7).result()
        collected()
        assert Site.requests[0]() is None
        done.set()
        alive[0].join()


@handlers
@pytest.mark.parametrize("is_loaded", [True, False])
@pytest.mark.asyncio
async def test_no_request_lives_on_in_a_task(async_role, handler, is_loaded):
    ended = asyncio.Event()

    async def view(request):
        if is_loaded:
            await aget_current_user()
            str(request.user)
        Site.tasks.append(background(ended.wait()))
        set_current_user(request.user)
        Site.tasks.append(background(ended.wait()))
        with impersonate(request.user):
            Site.tasks.append(background(ended.wait()))
            with impersonate(somebody(1)):
                Site.tasks.append(background(ended.wait()))
        return HttpResponse()

    await aanswer_to(view, 7, handler())
    await settled()
    collected()
    assert Site.requests[0]() is None
    ended.set()
    await asyncio.gather(*Site.tasks)
