"""Random programs that set, get and switch, several requests of them at a time.

Each is run for real, in a request of its own, and beside it by the rules: what is set in a call
that is waited for (``sync_to_async()``, ``async_to_sync()``, a streaming body) comes back, what is
set in a task or in a copy of the context does not, and what is set in a block ends with it.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from split_deploy._current import current
from split_deploy.context import (
    aget_current_user,
    get_current_request,
    get_current_user,
    impersonate,
    set_current_user,
)
from split_deploy.handlers import NativeASGIHandler
from split_deploy.tasks import background, run_in_thread
from tests.context.site import cookie_headers, somebody, wsgi
from tests.handlers.client import Exchange

pytestmark = pytest.mark.urls(__name__)

EXAMPLES = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

#: Whoever the request is of. Else a primary key, or None for nobody.
OWN = "own"

users = st.sampled_from([None, OWN, 91, 92, 93])
simple = st.one_of(
    st.tuples(st.just("set"), users),
    st.tuples(st.just("pause"), st.integers(0, 3)),
)


async_programs = st.deferred(
    lambda: st.lists(
        st.one_of(
            simple,
            st.tuples(st.sampled_from(tuple(THREADS)), sync_programs),
            st.tuples(st.sampled_from(TASKS), async_programs),
            st.tuples(st.just("impersonate"), users, async_programs),
            st.tuples(st.just("fail in"), users, async_programs),
            st.tuples(st.just("gather"), st.lists(async_programs, max_size=3)),
        ),
        max_size=3,
    )
)
sync_programs = st.deferred(
    lambda: st.lists(
        st.one_of(
            simple,
            st.tuples(st.just("async_to_sync"), async_programs),
            st.tuples(st.just("impersonate"), users, sync_programs),
            st.tuples(st.just("fail in"), users, sync_programs),
        ),
        max_size=3,
    )
)

#: How async code has a sync program run, and whether what that sets comes back.
THREADS = {
    "sync_to_async": True,
    "sync_to_async in any thread": True,
    "asyncio.to_thread": False,
    "run_in_thread": False,
}
TASKS = ("create_task", "background")


class Request:
    """A request that runs a program."""

    def __init__(self, pk, program):
        self.pk, self.program = pk, program
        self.request = None

    def user(self, who):
        return None if who is None else self.request.user if who is OWN else somebody(who)

    def verify(self, user, who):
        assert get_current_request() is self.request
        expected = self.pk if who is OWN else who
        assert (None if user is None else user.pk) == expected

    def run(self, program, who):
        """Run ``program``, in which ``who`` is current. Return who is then."""
        for kind, *what in program:
            match kind, what:
                case "set", [other]:
                    set_current_user(self.user(other))
                    who = other
                case "async_to_sync", [inner]:
                    who = async_to_sync(self.arun)(inner, who)
                case "impersonate", [other, inner]:
                    with impersonate(self.user(other)):
                        self.run(inner, other)
                case "fail in", [other, inner]:
                    with suppress(KeyError), impersonate(self.user(other)):
                        self.run(inner, other)
                        raise KeyError
            self.verify(get_current_user(), who)
        return who

    async def arun(self, program, who):
        """The same, on an event loop."""
        tasks = []
        for kind, *what in program:
            match kind, what:
                case "set", [other]:
                    set_current_user(self.user(other))
                    who = other
                case "pause", [times]:
                    for _ in range(times):
                        await asyncio.sleep(0)
                case "impersonate", [other, inner]:
                    with impersonate(self.user(other)):
                        await self.arun(inner, other)
                case "fail in", [other, inner]:
                    with suppress(KeyError), impersonate(self.user(other)):
                        await self.arun(inner, other)
                        raise KeyError
                case "gather", [inners]:
                    await asyncio.gather(*(self.arun(inner, who) for inner in inners))
                case "create_task", [inner]:
                    tasks.append(asyncio.create_task(self.arun(inner, who)))
                case "background", [inner]:
                    tasks.append(background(self.arun(inner, who)))
                case _, [inner]:
                    after = await self.in_a_thread(kind, inner, who)
                    who = after if THREADS[kind] else who
            self.verify(await aget_current_user(), who)
        await asyncio.gather(*tasks)
        return who

    async def in_a_thread(self, kind, inner, who):
        match kind:
            case "sync_to_async":
                return await sync_to_async(self.run)(inner, who)
            case "sync_to_async in any thread":
                return await sync_to_async(self.run, thread_sensitive=False)(inner, who)
            case "asyncio.to_thread":
                return await asyncio.to_thread(self.run, inner, who)
            case "run_in_thread":
                return await run_in_thread(self.run, inner, who)

    # The program is run in the view, and once more in the body of its response.

    def view(self, request):
        self.request = request
        who = self.run(self.program, OWN)
        if len(self.program) % 2:
            return HttpResponse("done")

        def parts():
            after = self.run(self.program, who)
            yield ""
            self.verify(get_current_user(), after)
            self.run(self.program, after)
            yield "done"

        return StreamingHttpResponse(parts())

    async def aview(self, request):
        self.request = request
        who = await self.arun(self.program, OWN)
        if len(self.program) % 2:
            return HttpResponse("done")

        async def parts():
            after = await self.arun(self.program, who)
            yield ""
            self.verify(await aget_current_user(), after)
            await self.arun(self.program, after)
            yield "done"

        return StreamingHttpResponse(parts())


running: dict[int, Request] = {}


def view(request, pk):
    return running[pk].view(request)


async def aview(request, pk):
    return await running[pk].aview(request)


urlpatterns = [path("sync/<int:pk>/", view), path("async/<int:pk>/", aview)]


def begin(chosen):
    running.clear()
    running.update({pk: Request(pk, program) for pk, program in enumerate(chosen, start=1)})
    return running


@EXAMPLES
@given(st.lists(async_programs, min_size=1, max_size=4))
def test_in_the_async_role(async_role, chosen):
    handler = NativeASGIHandler()

    async def serve():
        exchanges = [
            Exchange(f"/async/{pk}/", scope=cookie_headers(pk), handler=handler).begin()
            for pk in begin(chosen)
        ]
        await asyncio.gather(*(exchange.task for exchange in exchanges))
        return [exchange.content for exchange in exchanges]

    assert asyncio.run(serve()) == [b"done"] * len(chosen)


@EXAMPLES
@given(st.lists(sync_programs, min_size=1, max_size=4))
def test_in_the_sync_role(sync_role, chosen):
    handler = WSGIHandler()

    def serve(pk):
        with wsgi(handler, f"/sync/{pk}/", pk) as response:
            body = b"".join(response)
        return body, current()

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(serve, begin(chosen))) == [(b"done", None)] * len(chosen)
