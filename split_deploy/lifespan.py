"""What lives as long as the async instance: ASGI's lifespan protocol, which Django does not speak.

https://asgi.readthedocs.io/en/latest/specs/lifespan.html
"""

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

from django.utils.module_loading import import_string

from split_deploy import async_database, blocking, cache, hops, pool, tasks, watchdog
from split_deploy._asgi_types import Receive, Scope, Send
from split_deploy._stopping import stopping
from split_deploy.conf import get_config

logger = logging.getLogger("split_deploy.lifespan")


class Lifespan:
    """ASGI application for the lifespan scope.

    At start-up it enters the counter of thread hops, the watchdog, the pool of threads, what ends
    the threads and processes for tasks and what closes the event loop's own connections to the
    database and the cache, then each context manager of ``SPLIT_DEPLOY["LIFESPAN"]``, then the
    guard against blocking calls and the keeper of background tasks; at shutdown it leaves them in
    reverse.
    """

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        async with AsyncExitStack() as stack:
            try:
                for name, make in _contexts():
                    try:
                        await stack.enter_async_context(make())
                    except Exception as error:
                        raise LifespanError(f"{name} did not start: {error!r}") from error
            except LifespanError as error:
                logger.exception("The async instance does not start.")
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
            try:
                with stopping():
                    await stack.aclose()
            except Exception as error:
                logger.exception("The async instance did not stop cleanly.")
                await send({"type": "lifespan.shutdown.failed", "message": repr(error)})
                return
            await send({"type": "lifespan.shutdown.complete"})


class LifespanError(Exception):
    """A context manager of the lifespan failed to start."""


def _contexts() -> list[tuple[str, Callable[[], AbstractAsyncContextManager[Any]]]]:
    config = get_config()
    return [
        # Before the project's, which may choose another default executor.
        ("split_deploy.hops", hops.running),
        ("split_deploy.watchdog", watchdog.running),
        # Before the project's too, whose ends may still need a thread.
        ("split_deploy.pool", pool.running),
        ("split_deploy.tasks", tasks.offloading),
        ("split_deploy.async_database", async_database.running),
        ("split_deploy.cache", cache.running),
        *((path, _imported(path)) for path in config.lifespan),
        # After the project's: while nothing is served, nobody minds if they block.
        ("split_deploy.blocking", blocking.running),
        # Entered last and so left first: a task that is being drained can still use the rest.
        ("split_deploy.tasks", tasks.draining),
    ]


def _imported(path: str) -> Callable[[], AbstractAsyncContextManager[Any]]:
    def make() -> AbstractAsyncContextManager[Any]:
        context = import_string(path)()
        if not isinstance(context, AbstractAsyncContextManager):
            raise TypeError(
                f'SPLIT_DEPLOY["LIFESPAN"] has {path}, which returned {context!r}; it has to '
                "return an async context manager. Decorate it with @contextlib.asynccontextmanager."
            )
        return context

    return make
