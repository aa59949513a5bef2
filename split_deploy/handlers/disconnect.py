"""A client that goes away cancels the work that is done for it."""

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any

from django.core.exceptions import RequestAborted


class Disconnect:
    """While inside, cancels the task that is in it when ``listen()`` raises ``RequestAborted``.

    ``listen()`` is begun ``delay`` seconds later, so that a response that is quicker costs neither
    a task nor its cancellation; at once if ``delay`` is 0. Like ``asyncio.timeout()`` it ends the
    cancellation that it has begun and no other. What else ``listen()`` raises is raised on leaving.
    """

    __slots__ = ("_cancelling", "_error", "_listen", "_listener", "_task", "_timer")

    def __init__(self, listen: Callable[[], Coroutine[Any, Any, None]], delay: float) -> None:
        task: asyncio.Task[Any] = asyncio.current_task()  # type: ignore[assignment]
        self._task: asyncio.Task[Any] | None = task
        self._cancelling = task.cancelling()
        self._error: BaseException | None = None
        self._listen = listen
        self._listener: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        if delay:
            self._timer = task.get_loop().call_later(delay, self._begin)
        else:
            self._begin()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _type: object, raised: BaseException | None, _traceback: TracebackType | None
    ) -> bool:
        task, self._task = self._task, None
        if self._timer is not None:
            self._timer.cancel()
        if self._listener is not None:
            self._listener.cancel()
        if task is None or self._error is None:
            return False
        is_from_here = task.uncancel() <= self._cancelling
        if raised is not None and not (isinstance(raised, asyncio.CancelledError) and is_from_here):
            return False
        if not isinstance(self._error, RequestAborted):
            raise self._error from None
        return True

    async def ended(self) -> None:
        """Wait until nothing listens any longer."""
        if self._listener is not None and not self._listener.done():
            await asyncio.wait((self._listener,))

    def _begin(self) -> None:
        self._timer = None
        if self._task is not None:
            self._listener = self._task.get_loop().create_task(self._listen())
            self._listener.add_done_callback(self._heard)

    def _heard(self, listener: asyncio.Task[None]) -> None:
        error = None if listener.cancelled() else listener.exception()
        if self._task is not None and error is not None:
            self._error = error
            self._task.cancel()
