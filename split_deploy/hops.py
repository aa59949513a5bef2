"""Counts a request's thread hops where they happen: at the executors that are given the work.

asgiref gives thread-sensitive work to the executor that is registered for the request's
``ThreadSensitiveContext``, which is a lease of ``split_deploy.pool``, and other work to the event
loop's default executor, which ``asyncio.to_thread()`` uses too. Both are ours, and count. So 0
means that nothing left the event loop, but for what a project gives to an executor or a thread of
its own: see ``CountingThreadPoolExecutor``.

Not counted is what happens inside a hop: ``async_to_sync()`` in a thread goes back to the loop, and
``sync_to_async()`` inside that returns to the same waiting thread, without an executor of ours.
"""

import asyncio
import logging
import weakref
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, Final, ParamSpec, TypeVar

from asgiref.sync import SyncToAsync
from django.conf import settings
from django.http import HttpRequest

from split_deploy import request_id
from split_deploy._asgi_types import ASGIApplication, Message, Receive, Scope, Send
from split_deploy.call_sites import CallSite, call_site, submitting_frame
from split_deploy.conf import get_config
from split_deploy.connections import close_all

logger = logging.getLogger("split_deploy.hops")

HEADER: Final = "X-Thread-Hops"

P = ParamSpec("P")
T = TypeVar("T")


class Hops:
    """The thread hops of one request, so far."""

    __slots__ = ("_ended", "_outer", "_sites", "count", "recording", "request")

    def __init__(self, outer: "Hops | None" = None, *, recording: bool = True) -> None:
        #: How many there were.
        self.count = 0
        #: Whether ``sites`` has them too.
        self.recording = recording
        #: Set by ``InstanceMiddleware``: who it is that hops.
        self.request: HttpRequest | None = None
        self._sites: dict[CallSite, int] = {}
        self._outer = outer
        self._ended = False

    @property
    def sites(self) -> Mapping[CallSite, int]:
        """How many there were at each call site, if this is ``recording``."""
        return MappingProxyType(self._sites)

    @property
    def route(self) -> str:
        """The URL pattern of the request, as text."""
        match = getattr(self.request, "resolver_match", None)
        return f"/{match.route}" if match else "(no URL pattern)"

    def add(self, site: CallSite | None) -> None:
        """Count a hop, at ``site``, here and in what this is a part of; after ``end()`` don't."""
        if self._ended:
            return
        self.count += 1
        if site is not None:
            self._sites[site] = self._sites.get(site, 0) + 1
        if self._outer is not None:
            self._outer.add(site)

    def end(self) -> None:
        """The response is out: what its tasks do from now on is not its doing."""
        self._ended = True


_current: ContextVar[Hops | None] = ContextVar("split_deploy.hops", default=None)


def current() -> Hops | None:
    """Return the hops of the request at hand, or ``None`` where none are counted.

    That is outside a request, in a background task, and in the sync role.
    """
    return _current.get()


def count_into(hops: Hops | None) -> None:
    """Let what follows in this context count into ``hops``, or nowhere."""
    _current.set(hops)


@contextmanager
def counted_into(hops: Hops | None) -> Iterator[None]:
    """Let what is inside count into ``hops``, or nowhere."""
    token = _current.set(hops)
    try:
        yield
    finally:
        _current.reset(token)


# To look for a call site takes several times as long as to count. Without DEBUG it is done for this
# many requests of a process, and from then on for one in so many.
_RECORDED_FIRST: Final = 100
_RECORDED_LATER: Final = 50

# asyncio's loop has no other way to resolve a name than a thread, and uvloop's needs none. It is
# not the project's doing, and a count must not depend on the loop.
_NAME_RESOLUTION: Final = frozenset({"getaddrinfo", "getnameinfo", "_getaddrinfo_debug"})


def count(work: Callable[..., Any]) -> None:
    """Count a hop for ``work``. To be called by an executor's ``submit()``."""
    hops = _current.get()
    if hops is not None and getattr(work, "__name__", None) not in _NAME_RESOLUTION:
        hops.add(call_site(submitting_frame(), work) if hops.recording else None)


class Counting(Executor):
    """An executor that counts what it is given."""


class CountingExecutor(Counting):
    """Count what is submitted, and pass it on to ``inner``.

    Without one, to a thread of its own, which the first call starts and ``shutdown()`` ends.
    """

    def __init__(self, inner: Executor | None = None) -> None:
        self.inner = inner

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Count a hop, and run ``fn`` in a thread."""
        count(fn)
        if self.inner is None:
            self.inner = ThreadPoolExecutor(max_workers=1)
        return self.inner.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Shut ``inner`` down, if there is one."""
        if self.inner is not None:
            self.inner.shutdown(wait, cancel_futures=cancel_futures)


class CountingThreadPoolExecutor(ThreadPoolExecutor):
    """A thread pool whose work counts: for ``sync_to_async(..., executor=...)`` and the loop."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Count a hop, and run ``fn`` in a thread."""
        count(fn)
        return super().submit(fn, *args, **kwargs)


class _DefaultExecutor(CountingThreadPoolExecutor):
    """That of the event loop: a call's database connections are closed after it.

    The next call that needs one is likely to be in another thread, and nobody else closes any here.
    """

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        count(fn)
        return ThreadPoolExecutor.submit(self, _and_close_connections, fn, *args, **kwargs)


def _and_close_connections(fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return fn(*args, **kwargs)
    finally:
        close_all()


_counting_loops: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()


def count_default_executor() -> None:
    """Give the running event loop a default executor that counts, once.

    It is like the one that the loop would make, and the loop shuts it down when it is closed. But
    it closes the database connections that a call has opened.
    """
    loop = asyncio.get_running_loop()
    if loop not in _counting_loops:
        _counting_loops.add(loop)
        loop.set_default_executor(_DefaultExecutor(thread_name_prefix="asyncio"))


@asynccontextmanager
async def running() -> AsyncIterator[None]:
    """Count what the event loop's default executor gets, for as long as the loop runs."""
    count_default_executor()
    yield


def count_thread_sensitive_work() -> None:
    """Let the ``ThreadSensitiveContext`` that is in force count what is run in it.

    A ``PooledContext`` does already. Another's ``executor`` argument would refuse the calls of a
    task that outlives the context, which works in Django. A registered executor is treated like the
    one that asgiref would have made: shut down by the context, and then replaced if somebody still
    needs one.
    """
    context = SyncToAsync.thread_sensitive_context.get()
    executor = SyncToAsync.context_to_thread_executor.get(context)
    if not isinstance(executor, Counting):
        SyncToAsync.context_to_thread_executor[context] = CountingExecutor(executor)


class HopCounter:
    """ASGI middleware that counts the thread hops of each HTTP request.

    The thread-sensitive ones are counted in a ``PooledContext``, as ``NativeASGIHandler`` has it.
    With ``DEBUG`` the response says in ``X-Thread-Hops`` how many there were when its header was
    sent. In the async role each URL pattern that needs any is logged, and each call site, once a
    process. Without ``DEBUG`` the count is as exact, but call sites are recorded for the first 100
    requests and for one in 50 of the others.
    """

    def __init__(self, app: ASGIApplication) -> None:
        self.app = app
        self._logged = _Logged() if get_config().role == "async" else None
        self._requests = 0
        self._loop: weakref.ref[asyncio.AbstractEventLoop] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Also where the server runs no lifespan. A process has one loop, so that to look it up each
        # time among those that count would be in vain.
        loop = asyncio.get_running_loop()
        if self._loop is None or self._loop() is not loop:
            count_default_executor()
            self._loop = weakref.ref(loop)
        debug = settings.DEBUG
        # A part of what somebody counts around all of this: the benchmarks do.
        hops = Hops(current(), recording=debug or self._is_recorded())
        token = _current.set(hops)
        try:
            if SyncToAsync.thread_sensitive_context.get(None) is not None:
                count_thread_sensitive_work()  # somebody else's context, around all of this
            if debug:
                send = _labelling(send, hops)
            await self.app(scope, receive, send)
        finally:
            hops.end()
            _current.reset(token)
            if hops.count and self._logged:
                self._logged.log(hops)
            # A task that outlives the response has this in its context; the request need not live.
            hops.request = None

    def _is_recorded(self) -> bool:
        self._requests += 1
        return self._requests <= _RECORDED_FIRST or self._requests % _RECORDED_LATER == 0


def _labelling(send: Send, hops: Hops) -> Send:
    async def labelling_send(message: Message) -> None:
        if message["type"] == "http.response.start":
            header = (HEADER.lower().encode(), str(hops.count).encode())
            message = {**message, "headers": [*message["headers"], header]}
        await send(message)

    return labelling_send


class _Logged:
    """Logs what was not logged before."""

    def __init__(self) -> None:
        self._routes: set[str] = set()
        self._sites: set[CallSite] = set()

    def log(self, hops: Hops) -> None:
        """A line for a URL pattern that is new, and one for each call site that is."""
        route = hops.route
        sites = [site for site in hops.sites if site not in self._sites]
        if not sites and route in self._routes:
            return
        token = request_id.current.set(getattr(hops.request, "request_id", "-"))
        try:
            if route not in self._routes:
                logger.info("%s needed %d thread hop(s).", route, hops.count)
            for site in sites:
                logger.info("A thread hop in the async instance, at %s: %s.", route, site)
        finally:
            request_id.current.reset(token)
        self._routes.add(route)
        self._sites.update(sites)
