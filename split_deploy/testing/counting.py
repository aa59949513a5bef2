"""Counts thread hops where there is no server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from asgiref.sync import AsyncToSync, SyncToAsync, ThreadSensitiveContext

from split_deploy.hops import (
    CountingExecutor,
    Hops,
    count_default_executor,
    count_thread_sensitive_work,
    counted_into,
)


@asynccontextmanager
async def counting(outer: Hops | None = None) -> AsyncIterator[Hops]:
    """Count the thread hops of the code inside, into ``outer`` too.

    All of it runs in the threads in which it would run without this: where those of a test are, the
    test's database transaction is.
    """
    hops = Hops(outer)
    count_default_executor()
    with counted_into(hops):
        try:
            async with _counting_context():
                yield hops
        finally:
            hops.end()


def _counting_context() -> AbstractAsyncContextManager[object]:
    waiting = getattr(AsyncToSync.executors, "current", None)
    if waiting is not None:
        # We are below async_to_sync(), and its thread comes before any context's. Its calls end
        # with it, so that the context is strict about tasks that outlive it does no harm.
        return ThreadSensitiveContext(executor=CountingExecutor(waiting))
    return _registered()


@asynccontextmanager
async def _registered() -> AsyncIterator[None]:
    token = None
    if SyncToAsync.thread_sensitive_context.get(None) is None:
        # Not entered, since it is not to be left either: a task that outlives this still has it.
        context = ThreadSensitiveContext()
        SyncToAsync.context_to_thread_executor[context] = CountingExecutor(
            AsyncToSync.loop_thread_executors.get(asyncio.get_running_loop())
            or SyncToAsync.single_thread_executor
        )
        token = SyncToAsync.thread_sensitive_context.set(context)
    else:
        count_thread_sensitive_work()
    try:
        yield
    finally:
        if token is not None:
            SyncToAsync.thread_sensitive_context.reset(token)
