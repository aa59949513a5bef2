"""A client that goes away, a server that stops, and who is cancelled by which."""

import asyncio
import threading
import time

import pytest
from asgiref.sync import ThreadSensitiveContext, async_to_sync, sync_to_async
from django.core.signals import request_finished, request_started
from django.http import HttpResponse
from django.urls import path

from split_deploy.handlers import NativeASGIHandler
from tests.handlers.client import Exchange, ask

pytestmark = [pytest.mark.asyncio, pytest.mark.urls(__name__)]


class Notes:
    """What happened in the view at hand."""

    def __init__(self):
        self.entered = asyncio.Event()
        self.cleaning_up = asyncio.Event()
        self.cancelled = 0
        self.finished = []


@pytest.fixture(autouse=True)
def notes():
    global noted
    noted = Notes()
    return noted


@pytest.fixture(autouse=True)
def signals(notes):
    async def started(**_):
        notes.finished.append("started")

    async def finished(**_):
        notes.finished.append("finished")

    request_started.connect(started)
    request_finished.connect(finished)
    yield notes.finished
    request_started.disconnect(started)
    request_finished.disconnect(finished)


async def quick(request):
    return HttpResponse()


async def waiting(request):
    noted.entered.set()
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        noted.cancelled += 1
        raise


async def defiant(request):
    noted.entered.set()
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        noted.cancelled += 1
    await asyncio.sleep(0.01)  # nobody cancels this a second time
    return HttpResponse("after all")


async def slow_to_end(request):
    noted.entered.set()
    try:
        await asyncio.sleep(10)
    finally:
        noted.cleaning_up.set()
        await asyncio.sleep(10)


async def failing_at_its_end(request):
    noted.entered.set()
    try:
        await asyncio.sleep(10)
    finally:
        raise LookupError


async def cancelling_itself(request):
    task = asyncio.create_task(asyncio.sleep(10))
    await asyncio.sleep(0)
    task.cancel()
    await task


async def timing_out(request):
    try:
        async with asyncio.timeout(0.05):
            await asyncio.sleep(10)
    except TimeoutError:
        return HttpResponse("timed out")


urlpatterns = [
    path("", quick),
    path("waiting/", waiting),
    path("defiant/", defiant),
    path("slow-to-end/", slow_to_end),
    path("failing/", failing_at_its_end),
    path("cancelling-itself/", cancelling_itself),
    path("timing-out/", timing_out),
]


class AtOnce(NativeASGIHandler):
    disconnect_delay = 0


HANDLERS = pytest.mark.parametrize("handler", [NativeASGIHandler, AtOnce])


async def test_a_quick_response_is_not_listened_for(notes):
    exchange = await ask("/")
    assert exchange.status == 200
    assert exchange.received == 1  # that was the body
    assert notes.finished == ["started", "finished"]


async def test_with_a_delay_of_0_it_is_from_the_start():
    exchange = Exchange("/waiting/", handler=AtOnce()).begin()
    await noted.entered.wait()
    await asyncio.sleep(0)
    assert exchange.received == 2
    exchange.leave()
    await exchange.end()


@HANDLERS
async def test_the_view_is_cancelled_and_nothing_is_sent(handler, notes):
    exchange = Exchange("/waiting/", handler=handler()).begin()
    await notes.entered.wait()
    exchange.leave()
    await exchange.end()

    assert notes.cancelled == 1
    assert exchange.sent == []
    assert notes.finished == ["started", "finished"]
    assert not exchange.task.cancelled()


@HANDLERS
async def test_a_client_that_left_early_is_noticed_too(handler, notes):
    exchange = Exchange("/waiting/", handler=handler())
    exchange.leave()
    await exchange.begin().end()
    assert notes.cancelled == 1


async def test_a_client_that_leaves_before_its_body_is_complete_reaches_no_view(notes):
    exchange = Exchange("/waiting/", "POST", body=[b"1", b"2"])
    exchange.messages.get_nowait()
    exchange.messages.get_nowait()
    exchange.messages.put_nowait({"type": "http.request", "body": b"1", "more_body": True})
    exchange.leave()
    await exchange.begin().end()

    assert exchange.sent == []
    assert notes.finished == []


async def test_a_view_that_goes_on_is_let(notes):
    exchange = Exchange("/defiant/").begin()
    await notes.entered.wait()
    exchange.leave()
    await exchange.end()

    assert (exchange.content, notes.cancelled) == (b"after all", 1)
    assert exchange.task.cancelling() == 0
    assert notes.finished == ["started", "finished"]


async def test_a_view_that_fails_while_it_is_cancelled_is_a_server_error(notes):
    exchange = Exchange("/failing/").begin()
    await notes.entered.wait()
    exchange.leave()
    await exchange.end()

    assert exchange.status == 500
    assert exchange.task.cancelling() == 0


@HANDLERS
async def test_the_server_s_own_cancellation_goes_on(handler, notes):
    exchange = Exchange("/waiting/", handler=handler()).begin()
    await notes.entered.wait()
    await asyncio.sleep(0.03)
    exchange.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await exchange.end()

    assert notes.cancelled == 1
    assert notes.finished == ["started", "finished"]


async def test_so_it_does_if_the_client_has_left_before(notes):
    exchange = Exchange("/slow-to-end/").begin()
    await notes.entered.wait()
    exchange.leave()
    await notes.cleaning_up.wait()
    exchange.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await exchange.end()
    assert notes.finished == ["started", "finished"]


async def test_the_request_is_finished_if_the_server_cancels_while_it_ends(notes):
    may_end = asyncio.Event()

    class SlowToEnd(Exchange):
        async def receive(self):
            try:
                return await super().receive()
            except asyncio.CancelledError:
                notes.cleaning_up.set()
                await may_end.wait()

    exchange = SlowToEnd("/timing-out/").begin()
    await notes.cleaning_up.wait()
    exchange.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await exchange.end()
    assert notes.finished == ["started", "finished"]
    may_end.set()
    await asyncio.sleep(0)


async def test_the_handler_does_not_end_before_its_listener(notes):
    class SlowToEnd(Exchange):
        async def receive(self):
            try:
                return await super().receive()
            except asyncio.CancelledError:
                await asyncio.sleep(0.02)
                notes.finished.append("listener ended")
                raise

    exchange = await SlowToEnd("/timing-out/").begin().end()
    assert exchange.content == b"timed out"
    assert notes.finished == ["started", "listener ended", "finished"]


async def test_a_cancellation_of_the_view_s_own_goes_on(notes):
    exchange = Exchange("/cancelling-itself/").begin()
    with pytest.raises(asyncio.CancelledError):
        await exchange.end()
    assert notes.finished == ["started", "finished"]


async def test_a_timeout_in_a_view_that_is_listened_for_is_a_timeout():
    exchange = await ask("/timing-out/")
    assert exchange.content == b"timed out"
    assert exchange.received == 2


@HANDLERS
async def test_what_the_server_fails_with_is_raised(handler, notes):
    exchange = Exchange("/waiting/", handler=handler()).begin()
    await notes.entered.wait()
    exchange.messages.put_nowait(OSError("no more"))
    with pytest.raises(OSError, match="no more"):
        await exchange.end()

    assert notes.cancelled == 1
    assert notes.finished == ["started", "finished"]
    assert exchange.task.cancelling() == 0


async def test_a_message_that_is_none_of_asgi_s_is_an_error(notes):
    exchange = Exchange("/waiting/").begin()
    exchange.messages.put_nowait({"type": "http.what"})
    with pytest.raises(
        AssertionError, match=r"Invalid ASGI message after request body: http\.what"
    ):
        await exchange.end()


async def test_the_end_waits_for_what_runs_in_the_request_s_thread(notes):
    release = threading.Event()

    def read(request):
        asyncio_loop.call_soon_threadsafe(notes.entered.set)
        release.wait(5)
        outcome.append(request.read())

    asyncio_loop, outcome = asyncio.get_running_loop(), []
    urlpatterns.append(path("reading/", sync_to_async(read)))
    try:
        exchange = Exchange("/reading/", "POST", body=b"the body", handler=AtOnce()).begin()
        await notes.entered.wait()
        exchange.leave()
        await asyncio.sleep(0.05)
        assert not exchange.task.done()
        release.set()
        await exchange.end()
    finally:
        urlpatterns.pop()

    assert outcome == [b"the body"]
    assert notes.finished == ["started", "finished"]


async def test_so_it_does_if_the_thread_is_about_to_come_back_to_the_loop(notes):
    """asgiref then leaves the executor of the thread's async_to_sync() to who was cancelled."""
    may_go_on = threading.Event()

    async def in_between():
        await sync_to_async(time.sleep)(0.05)

    def nesting(request):
        asyncio_loop.call_soon_threadsafe(cancel)
        may_go_on.wait(5)
        async_to_sync(in_between)()
        time.sleep(0.05)
        notes.finished.append("view")
        return HttpResponse()

    def cancel():
        may_go_on.set()
        time.sleep(0.1)  # the coroutine is scheduled meanwhile, and has not begun
        exchange.task.cancel()

    def receiver(**_):
        notes.finished.append(f"receiver in {threading.current_thread().name[:13]}")

    asyncio_loop = asyncio.get_running_loop()
    urlpatterns.append(path("nesting/", sync_to_async(nesting)))
    request_finished.connect(receiver)
    try:
        exchange = Exchange("/nesting/").begin()
        with pytest.raises(asyncio.CancelledError):
            await exchange.end()
    finally:
        request_finished.disconnect(receiver)
        urlpatterns.pop()

    assert notes.finished == ["started", "view", "receiver in split-deploy-", "finished"]


async def test_so_it_does_in_a_context_that_somebody_else_has_entered(notes):
    release = threading.Event()

    def read(request):
        asyncio_loop.call_soon_threadsafe(notes.entered.set)
        release.wait(5)
        outcome.append(request.read())

    asyncio_loop, outcome = asyncio.get_running_loop(), []
    urlpatterns.append(path("reading/", sync_to_async(read)))
    try:
        async with ThreadSensitiveContext():
            exchange = Exchange("/reading/", "POST", body=b"the body").begin()
            await notes.entered.wait()
            exchange.leave()
            await asyncio.wait((exchange.task,), timeout=0.1)
            release.set()
            await exchange.end()
    finally:
        urlpatterns.pop()

    assert outcome == [b"the body"]


async def test_the_request_is_finished_if_the_server_cancels_while_it_is_closed(notes):
    class Slow:
        closing, may_end = asyncio.Event(), threading.Event()

        def close(self):
            asyncio_loop.call_soon_threadsafe(self.closing.set)
            self.may_end.wait(5)
            notes.finished.append("closed")

    async def with_resources(request):
        response = HttpResponse()
        response._resource_closers += [slow.close, lambda: notes.finished.append("closed too")]
        return response

    asyncio_loop, slow = asyncio.get_running_loop(), Slow()
    urlpatterns.append(path("with-resources/", with_resources))
    try:
        exchange = Exchange("/with-resources/").begin()
        await slow.closing.wait()
        exchange.task.cancel()
        asyncio_loop.call_soon(slow.may_end.set)
        with pytest.raises(asyncio.CancelledError):
            await exchange.end()
    finally:
        urlpatterns.pop()

    assert notes.finished == ["started", "closed", "closed too", "finished"]


async def test_an_error_in_a_receiver_of_request_started_closes_the_body(monkeypatch):
    closed = []

    async def failing(**_):
        raise LookupError

    class Handler(NativeASGIHandler):
        async def read_body(self, receive):
            file = await super().read_body(receive)
            closed.append(file)
            return file

    request_started.connect(failing)
    try:
        with pytest.raises(LookupError):
            await ask("/", handler=Handler())
    finally:
        request_started.disconnect(failing)
    assert [file.closed for file in closed] == [True]
