"""Each view here needs a known number of thread hops; the handler adds two of its own.

Django's handler runs ``response.close()`` in a thread, and ``request_started``'s sync receivers.
"""

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from asgiref.sync import ThreadSensitiveContext, async_to_sync, sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpResponse, StreamingHttpResponse
from django.template import engines
from django.template.response import SimpleTemplateResponse
from django.urls import path

from split_deploy import hops, tasks
from split_deploy.access_log import AccessLog
from split_deploy.logging import RequestContextFilter
from split_deploy.pool import PooledContext
from split_deploy.tasks import coroutines
from tests.startproject import SEVEN

HANDLER = 2
INSTANCE = "split_deploy.middleware.InstanceMiddleware"

pytestmark = [pytest.mark.asyncio, pytest.mark.urls(__name__)]


def work():
    return threading.get_ident()


async def native(request):
    return HttpResponse()


def in_a_thread(request):
    return HttpResponse()


async def once(request):
    await sync_to_async(work)()
    return HttpResponse()


async def several(request, number):
    for _ in range(number):
        await sync_to_async(work)()
        await asyncio.sleep(0)
    return HttpResponse(str(hops.current().count))


async def insensitive(request):
    await sync_to_async(work, thread_sensitive=False)()
    return HttpResponse()


async def to_thread(request):
    await asyncio.to_thread(work)
    return HttpResponse()


async def gathered(request):
    await asyncio.gather(*(sync_to_async(work)() for _ in range(3)))
    return HttpResponse()


async def counted_pool(request):
    with hops.CountingThreadPoolExecutor() as pool:
        await sync_to_async(work, thread_sensitive=False, executor=pool)()
    return HttpResponse()


async def own_pool(request):
    with ThreadPoolExecutor() as pool:
        await sync_to_async(work, thread_sensitive=False, executor=pool)()
    return HttpResponse()


def there_and_back(request):
    async def back():
        assert await sync_to_async(work)() == work_thread

    work_thread = work()
    async_to_sync(back)()
    return HttpResponse()


async def own_context(request):
    async with ThreadSensitiveContext():
        await sync_to_async(work)()
    return HttpResponse()


async def resolving(request):
    await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 80)
    return HttpResponse()


async def failing(request):
    raise LookupError


async def async_stream(request):
    async def parts():
        yield b"1"
        await sync_to_async(work)()
        yield b"2"

    return StreamingHttpResponse(parts())


async def sync_stream(request):
    return StreamingHttpResponse(iter([b"1", b"2"]))


async def rendered(request):
    return SimpleTemplateResponse(engines["django"].from_string("a page"))


released: asyncio.Event
outlived: list[int]


async def leaving_a_background_task(request):
    tasks.background(outlive())
    return HttpResponse()


async def leaving_a_task(request):
    request.META["task"] = asyncio.create_task(outlive())
    coroutines._running.add(request.META["task"])
    return HttpResponse()


async def outlive():
    await released.wait()
    outlived.append(await sync_to_async(work)())
    outlived.append(await asyncio.to_thread(work))


async def busy_in_the_background(request):
    await tasks.background(sync_to_async(work)())
    return HttpResponse()


urlpatterns = [
    path("native/", native),
    path("in-a-thread/", in_a_thread),
    path("once/", once),
    path("several/<int:number>/", several),
    path("insensitive/", insensitive),
    path("to-thread/", to_thread),
    path("gathered/", gathered),
    path("counted-pool/", counted_pool),
    path("own-pool/", own_pool),
    path("there-and-back/", there_and_back),
    path("own-context/", own_context),
    path("resolving/", resolving),
    path("failing/", failing),
    path("async-stream/", async_stream),
    path("sync-stream/", sync_stream),
    path("rendered/", rendered),
    path("leaving-a-background-task/", leaving_a_background_task),
    path("leaving-a-task/", leaving_a_task),
    path("busy-in-the-background/", busy_in_the_background),
]


@pytest.fixture(autouse=True)
def async_role(settings):
    settings.SPLIT_DEPLOY = {"ROLE": "async"}
    settings.MIDDLEWARE = []


class Server:
    """What a server does for one request after the other, without one."""

    def __init__(self):
        self.counted = []
        django = ASGIHandler()

        async def app(scope, receive, send):
            self.counted.append(hops.current())
            # As NativeASGIHandler does. Inside, that of Django's handler has no effect.
            async with PooledContext():
                await django(scope, receive, send)

        self.app = hops.HopCounter(app)

    async def get(self, path):
        """Return the response's headers and body, once the application is done."""
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(b"host", b"127.0.0.1")],
        }
        messages = [{"type": "http.request"}]
        sent = []

        async def receive():
            if not messages:
                await asyncio.Event().wait()
            return messages.pop()

        async def send(message):
            sent.append(message)

        async with hops.running():
            # As in a server, in a context of its own.
            await asyncio.create_task(self.app(scope, receive, send))
        start, *bodies = sent
        return dict(start["headers"]), b"".join(body.get("body", b"") for body in bodies)

    async def count(self, path):
        await self.get(path)
        return self.counted[-1].count


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("/native/", 0),
        ("/in-a-thread/", 1),
        ("/once/", 1),
        ("/several/7/", 7),
        ("/insensitive/", 1),
        ("/to-thread/", 1),
        ("/gathered/", 3),
        ("/counted-pool/", 1),
        ("/own-context/", 1),
        ("/async-stream/", 1),
        ("/rendered/", 1),
        # process_exception(), the 500's page, its line in the log.
        ("/failing/", 3),
        # The 404's page, its line in the log.
        ("/nowhere/", 2),
    ],
)
async def test_each_hop_of_a_view_is_counted(path, number):
    assert await Server().count(path) == number + HANDLER


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
async def test_a_sync_iterator_is_read_in_a_thread():
    assert await Server().count("/sync-stream/") == 1 + HANDLER


async def test_the_seven_stock_middleware_need_thirteen(settings):
    settings.MIDDLEWARE = SEVEN
    assert await Server().count("/native/") == 13 + HANDLER


async def test_inside_a_hop_nothing_is_counted():
    assert await Server().count("/there-and-back/") == 1 + HANDLER


async def test_an_executor_of_the_project_does_not_count():
    assert await Server().count("/own-pool/") == HANDLER


async def test_name_resolution_does_not_count():
    assert await Server().count("/resolving/") == HANDLER


async def test_concurrent_requests_are_counted_apart():
    server = Server()
    paths = [f"/several/{number}/" for number in range(20)]

    await asyncio.gather(*(server.get(path) for path in paths))

    assert sorted(counted.count for counted in server.counted) == [n + HANDLER for n in range(20)]


@pytest.mark.parametrize("path", ["/leaving-a-background-task/", "/leaving-a-task/"])
async def test_a_task_that_outlives_the_request_still_has_threads(path):
    global released, outlived
    released, outlived = asyncio.Event(), []
    server = Server()

    assert await server.count(path) == HANDLER
    (task,) = coroutines._running
    released.set()
    await task
    coroutines._running.discard(task)

    assert len(outlived) == 2
    assert threading.get_ident() not in outlived
    assert server.counted[-1].count == HANDLER


async def test_a_background_task_is_not_counted_while_the_request_lasts():
    assert await Server().count("/busy-in-the-background/") == HANDLER


async def test_the_thread_of_a_request_ends_with_it():
    before = set(threading.enumerate())
    await Server().get("/several/3/")
    left = set(threading.enumerate()) - before
    # The event loop's pool stays, and so does what asgiref joins with for a moment.
    assert [thread.name for thread in left if thread.name.startswith("ThreadPoolExecutor")] == []


async def test_where_nothing_hops_no_thread_is_started(monkeypatch):
    started = []

    async def app(scope, receive, send):
        pass

    with monkeypatch.context() as patched:  # the loop's end starts a thread
        patched.setattr(threading.Thread, "start", started.append)
        await hops.HopCounter(app)({"type": "http"}, None, None)

    assert started == []


async def test_inside_somebody_else_s_context_it_counts_too():
    server = Server()
    async with ThreadSensitiveContext():
        await sync_to_async(work)()  # the context has an executor from here on
        for _ in range(2):
            assert await server.count("/once/") == 1 + HANDLER


async def test_who_counts_around_it_sees_them_too():
    counted = hops.Hops()
    with hops.counted_into(counted):
        await Server().get("/once/")
    assert counted.count == 1 + HANDLER


async def test_a_view_sees_the_count_so_far():
    _, body = await Server().get("/several/4/")
    assert body == b"5"  # and the handler's first


async def test_outside_a_request_there_is_nothing_to_count_into():
    await sync_to_async(work)()
    assert hops.current() is None


# Call sites


def site_of(server, called):
    (site,) = [site for site in server.counted[-1].sites if site.called == called]
    return site


async def test_the_project_s_line_is_the_call_site():
    server = Server()
    await server.get("/once/")
    line = once.__code__.co_firstlineno + 1

    site = site_of(server, f"{__name__}.work")

    assert str(site) == (
        f"tests/unit/test_hops.py:{line} in once runs tests.unit.test_hops.work in a thread"
    )


@pytest.mark.parametrize("path", ["/insensitive/", "/to-thread/", "/gathered/"])
async def test_the_function_that_ran_is_named_however_it_got_there(path):
    server = Server()
    await server.get(path)
    assert site_of(server, f"{__name__}.work")


async def test_of_django_s_own_hops_the_middleware_and_what_runs_it_are_named(settings):
    settings.MIDDLEWARE = SEVEN
    server = Server()
    await server.get("/native/")

    csrf = "django.middleware.csrf.CsrfViewMiddleware"
    mixin = "django.utils.deprecation.MiddlewareMixin.__acall__"
    handler = "django.core.handlers.base.BaseHandler._get_response_async"
    assert site_of(server, f"{csrf}.process_request").caller == mixin
    assert site_of(server, f"{csrf}.process_view").caller == handler


async def test_a_sync_view_is_named_with_the_handler_that_runs_it():
    server = Server()
    await server.get("/in-a-thread/")
    assert site_of(server, f"{__name__}.in_a_thread").caller.startswith("django.core.handlers.")


async def test_whoever_runs_the_event_loop_is_not_blamed():
    server = Server()
    await server.get("/native/")
    receivers = "django.dispatch.dispatcher.Signal.asend.<locals>.sync_send"
    # Django 5.2 makes a task of it, 6.1 does not.
    callers = {"a task of its own", "django.dispatch.dispatcher.Signal.asend"}
    assert site_of(server, receivers).caller in callers


def outermost(get_response):
    async def middleware(request):
        return await get_response(request)

    return middleware


outermost.sync_capable, outermost.async_capable = False, True


async def test_a_middleware_of_the_project_is_not_blamed_for_one_further_in(settings):
    settings.MIDDLEWARE = [f"{__name__}.outermost", SEVEN[0]]
    server = Server()
    await server.get("/native/")
    assert [site for site in server.counted[-1].sites if site.caller.startswith("tests/")] == []
    assert server.counted[-1].count == 2 + HANDLER


async def test_a_site_counts_each_time():
    server = Server()
    await server.get("/several/5/")
    assert server.counted[-1].sites[site_of(server, f"{__name__}.work")] == 5


async def test_without_debug_sites_are_recorded_at_first_and_then_now_and_then(settings, log):
    server = Server()
    for _ in range(hops._RECORDED_FIRST):
        await server.get("/native/")
        assert sum(server.counted[-1].sites.values()) == server.counted[-1].count

    later = [await server.count("/once/") for _ in range(hops._RECORDED_LATER)]

    assert set(later) == {1 + HANDLER}
    recorded = [counted.sites for counted in server.counted[hops._RECORDED_FIRST :]]
    assert [bool(sites) for sites in recorded] == [False] * (hops._RECORDED_LATER - 1) + [True]
    lines = [line for line in log.messages if "once" in line]
    assert len(lines) == 1  # its line; without InstanceMiddleware there is no URL pattern to name


async def test_with_debug_they_are_always_recorded(settings):
    settings.DEBUG = True
    server = Server()
    for _ in range(hops._RECORDED_FIRST + 2):
        await server.get("/native/")
    assert server.counted[-1].sites


# The header and the logs


async def test_with_debug_the_response_says_how_many_there_were(settings):
    settings.DEBUG = True
    headers, _ = await Server().get("/several/4/")
    assert headers[b"x-thread-hops"] == b"5"  # the handler's last comes after the header


async def test_without_debug_it_says_nothing():
    headers, _ = await Server().get("/several/4/")
    assert b"x-thread-hops" not in headers


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.INFO, logger="split_deploy.hops")
    caplog.handler.addFilter(RequestContextFilter())
    return caplog


async def test_each_call_site_is_logged_once_with_where_it_was_seen(settings, log):
    settings.MIDDLEWARE = [INSTANCE]
    server = Server()
    for url in ("/once/", "/once/", "/several/2/", "/several/3/"):
        await server.get(url)

    sites = [line for line in log.messages if line.startswith("A thread hop")]
    assert len(sites) == len(set(sites)) == 4  # the handler's two, and a line of each view
    assert [line for line in sites if ", at /once/: " in line and " in once runs " in line]
    summaries = [line for line in log.messages if line not in sites]
    assert summaries == [
        "/once/ needed 3 thread hop(s).",
        "/several/<int:number>/ needed 4 thread hop(s).",
    ]
    assert len({record.request_id for record in log.records}) == 2
    assert "-" not in {record.request_id for record in log.records}


@pytest.mark.parametrize("role", ["mixed", "sync"])
async def test_in_another_role_a_hop_is_nothing_to_log(settings, log, role):
    settings.SPLIT_DEPLOY = {"ROLE": role}
    await Server().get("/once/")
    assert log.messages == []


async def test_the_access_log_has_the_final_number(caplog):
    caplog.set_level(logging.INFO, logger="split_deploy.access")
    access = logging.getLogger("split_deploy.access")
    access.addHandler(caplog.handler)  # it does not propagate
    try:
        server = Server()
        server.app.app = AccessLog(server.app.app)
        await server.get("/several/4/")
    finally:
        access.removeHandler(caplog.handler)
    assert f" hops={4 + HANDLER} " in caplog.messages[0]


async def test_the_loop_keeps_the_executor_that_it_was_given():
    async with hops.running():
        first = await asyncio.to_thread(threading.current_thread)
    async with hops.running():
        second = await asyncio.to_thread(threading.current_thread)
    assert first is second
