"""Steps a blocking-first coroutine: in threads, and on the event loop where it asks for that.

A coroutine is suspended wherever it awaits, and whoever calls its ``send()`` makes it go on: it
need not be the same thread each time. All steps of one are in one ``contextvars.Context``, which is
entered in a thread and on the loop in turns, and so are its changes, and the tokens of them.

The steps on the loop are in the task that awaits the ``Run``. While one is in a thread, the task
waits for a future that nobody else has: a cancellation is taken down there, and given to the
coroutine at its next switch.
"""

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from functools import partial
from typing import Any, Final, Literal, Protocol, TypeAlias

# It has no other name. It moves what Django keeps in a Local, such as the active language, to the
# thread that goes on.
from asgiref.sync import SyncToAsync, _restore_context
from django.db.transaction import TransactionManagementError

from split_deploy.coroutines import transactions
from split_deploy.coroutines.switches import InThread, Join, Switch, ToLoop, ToThread
from split_deploy.coroutines.threads import OwnThread, Threads

#: How a step ended, and what with.
Step: TypeAlias = tuple[Literal["awaits", "returned", "raised"], Any]
Stepping: TypeAlias = Generator[Any, Any, Any]

_HINT: Final = (
    "Outside `async with io:` a blocking-first coroutine has no event loop: await it there."
)
_NO_LOOP: Final = "no running event loop"

_current: ContextVar["Run | None"] = ContextVar("split_deploy.coroutines", default=None)


class Steppable(Protocol):
    """A coroutine, or what an asynchronous generator's methods return."""

    def send(self, value: Any, /) -> Any: ...
    def throw(self, error: BaseException, /) -> Any: ...
    def close(self) -> None: ...


class Run:
    """Runs a coroutine, or one item after the other of an asynchronous generator.

    Not for several tasks at once.
    """

    def __init__(self, threads: Threads) -> None:
        self.threads = threads
        #: How many ``async with io:`` are around it.
        self.sections = 0
        #: Whether there was any step.
        self.has_begun = False
        #: Whether a ``GeneratorExit`` is that of an asynchronous generator, which may await still.
        self.is_closing = False
        self._context = copy_context()
        self._is_on_loop = False
        #: Which thread a step is in.
        self._thread: int | None = None
        self._task: asyncio.Task[Any] | None = None
        #: What is in ``_context`` in a thread.
        self._running: Future[Any] | None = None
        #: A cancellation that the coroutine hasn't got yet.
        self._cancelled: asyncio.CancelledError | None = None
        self._before: transactions.Open = {}

    async def to_the_end_of(self, coroutine: Steppable) -> Any:
        """Run ``coroutine``, and return its result or raise its error."""
        return await _Awaitable(self._stepped(coroutine))

    async def close(self, generator: AsyncGenerator[Any]) -> None:
        """Close ``generator``: in a thread, even if the request or the pool ends meanwhile."""
        self.is_closing = True
        self._is_on_loop = True  # where the first step is, since one in a thread may be dropped
        await self.to_the_end_of(self._closed(generator))

    def take_over_context(self) -> None:
        """Let the coroutine see what has changed around it since its last step."""
        self._context.run(_restore_context, copy_context())

    @property
    def is_in_a_part(self) -> bool:
        """Whether the code that asks is a step of this, in a thread."""
        return self._thread == threading.get_ident()

    @property
    def is_here(self) -> bool:
        """Whether the code that asks is a step of this, and not what a step has begun."""
        try:
            task = asyncio.current_task()
        except RuntimeError:  # no event loop in this thread
            return self.is_in_a_part
        return self._is_on_loop and self._task is task

    def opened_transaction(self) -> str | None:
        """Return the alias of a database on which the code that asks has a transaction open.

        One that was there before it, as a ``TestCase`` has, doesn't count.
        """
        return transactions.opened_since(self._before)

    def transaction_error(self) -> TransactionManagementError | None:
        """Return the error of a part that ends inside a transaction, if it does."""
        alias = self.opened_transaction() if self.is_in_a_part else None
        if alias is None:
            return None
        return TransactionManagementError(
            f'This is inside a transaction on the database "{alias}", whose connection is given '
            "back here with the thread. End the transaction before, and begin another one after it."
        )

    async def _closed(self, generator: AsyncGenerator[Any]) -> None:
        try:
            if not self.sections:
                await ToThread()
        finally:
            await generator.aclose()

    # Below: in the task

    def _stepped(self, coroutine: Steppable) -> Stepping:
        self._task = asyncio.current_task()
        outer = _current.get()
        self._context.run(_current.set, self)
        is_abandoned = False
        try:
            return (yield from self._drive(coroutine))
        except GeneratorExit:
            is_abandoned = True
            self._abandon(coroutine)
            raise
        finally:
            self._task = None
            if not is_abandoned:  # or a thread may be in the context
                self._context.run(_current.set, outer)
                _restore_context(self._context)

    def _drive(self, coroutine: Steppable) -> Stepping:
        value, error = None, None
        is_first = True
        while True:
            if self._is_on_loop:
                kind, result = self._context.run(self._step, coroutine, value, error)
            else:
                kind, result = yield from self._in_thread(coroutine, value, error, is_first)
            is_first = False
            value = error = None
            if kind == "returned":
                if (cancelled := self._take_cancellation()) is not None:
                    raise cancelled
                return result
            if kind == "raised":
                try:
                    raise result
                finally:
                    del result  # or the error would hold on to itself
            if isinstance(result, Switch):
                value, error = yield from self._switch(result)
                continue
            try:
                value = yield result  # a future, for the task to wait for
            except GeneratorExit:
                raise
            except BaseException as thrown:  # noqa: BLE001 - whatever the task got
                error = thrown

    def _switch(self, switch: Switch) -> Generator[Any, Any, tuple[Any, BaseException | None]]:
        """Do what the coroutine asks for. Return what it gets for it, or the error."""
        if isinstance(switch, ToLoop):
            # One who is cancelled doesn't begin a section: what cleans up is blocking code.
            if self._cancelled is None:
                self._is_on_loop = True
                self._context.run(_restore_context, self._context)
        elif isinstance(switch, ToThread):
            self._is_on_loop = False
        elif isinstance(switch, Join):
            try:
                calls = [handle.begin() for handle in switch.handles]
            except RuntimeError as shut_down:
                return None, shut_down
            yield from self._until(calls)
        elif isinstance(switch, InThread):
            return (yield from self._call(switch.function))
        return None, None

    def _call(
        self, function: Callable[[], Any]
    ) -> Generator[Any, Any, tuple[Any, BaseException | None]]:
        try:
            call = self._running = self.threads.submit(partial(self._call_in_context, function))
        except RuntimeError as shut_down:
            return None, shut_down
        yield from self._until([call])
        self._running = None
        self._context.run(_restore_context, self._context)
        # Also if there is an error: a coroutine that caught it would wait on, on the loop.
        if (cancelled := self._take_cancellation()) is not None:
            return None, cancelled
        outcome: tuple[Any, BaseException | None] = call.result()
        return outcome

    def _in_thread(
        self, coroutine: Steppable, value: Any, error: BaseException | None, is_first: bool
    ) -> Generator[Any, Any, Step]:
        try:
            call = self.threads.submit(
                partial(self._part, asyncio.get_running_loop(), coroutine, value, error)
            )
        except RuntimeError as shut_down:
            if is_first:
                coroutine.close()
                raise
            # It has to come to its end somewhere.
            self.threads = OwnThread()
            if not self.is_closing:
                error = error or shut_down
            call = self.threads.submit(
                partial(self._part, asyncio.get_running_loop(), coroutine, None, error)
            )
        self._running = call
        yield from self._until([call], cancel=is_first)
        self._running = None
        if call.cancelled():
            coroutine.close()  # it has not begun
            return "raised", self._take_cancellation()
        step: Step = call.result()
        return step

    def _until(self, calls: Sequence[Future[Any]], *, cancel: bool = True) -> Stepping:
        """Wait for ``calls``. On a cancellation, with ``cancel``, drop those that haven't begun."""
        loop = asyncio.get_running_loop()
        for call in calls:
            while not call.done():
                waiter = loop.create_future()
                call.add_done_callback(partial(_wake, loop, waiter))
                try:
                    yield from waiter
                except asyncio.CancelledError as cancelled:
                    self._cancelled = cancelled
                    if cancel:
                        for each in calls:
                            each.cancel()

    def _abandon(self, coroutine: Steppable) -> None:
        """Close ``coroutine``: nobody waits for it any more, not even the event loop."""
        self.is_closing = False
        call = self._running
        if call is None or call.cancel() or call.done():
            self._context.run(coroutine.close)
        else:
            call.add_done_callback(lambda _: self._context.run(coroutine.close))

    # Below: in a thread

    def _part(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Steppable,
        value: Any,
        error: BaseException | None,
    ) -> Step:
        """Run ``coroutine`` up to its next switch."""
        _come_back_to(loop)
        self._thread = threading.get_ident()
        self._before = transactions.opened()
        try:
            step = self._context.run(self._step, coroutine, value, error, moved=True)
            while (refused := self._refused(step)) is not None:
                step = self._context.run(self._step, coroutine, None, refused)
        finally:
            self._thread = None
        try:
            return step
        finally:
            del step  # this frame is behind those that an error's traceback has

    def _refused(self, step: Step) -> Exception | None:
        """Return the error that ``coroutine`` gets for what it awaits in a thread, if any."""
        kind, result = step
        if kind == "raised":
            _explain(result)
        if kind != "awaits":
            return None
        if not isinstance(result, Switch):
            if getattr(result, "_asyncio_future_blocking", False):
                # A future says so until somebody waits for it, and can't be awaited again before.
                result._asyncio_future_blocking = False
            return RuntimeError(f"What is awaited here has to wait for something. {_HINT}")
        return self.transaction_error()

    def _call_in_context(self, function: Callable[[], Any]) -> tuple[Any, BaseException | None]:
        def call() -> tuple[Any, BaseException | None]:
            _restore_context(self._context)
            try:
                return function(), None
            except BaseException as error:  # noqa: BLE001 - it belongs to the coroutine
                return None, error

        return self._context.run(call)

    # Below: in either, inside the context

    def _step(
        self,
        coroutine: Steppable,
        value: Any,
        error: BaseException | None,
        *,
        moved: bool = False,
    ) -> Step:
        self.has_begun = True
        if moved:
            _restore_context(self._context)
        if error is None:
            error = self._take_cancellation()
        try:
            awaited = coroutine.send(value) if error is None else coroutine.throw(error)
        except StopIteration as stop:
            return "returned", stop.value
        except BaseException as raised:  # noqa: BLE001 - it belongs to who awaits the coroutine
            # Without this frame, whose callers would hold on to the error, and it to them.
            return "raised", raised.with_traceback(
                raised.__traceback__ and raised.__traceback__.tb_next
            )
        finally:
            del error
        return "awaits", awaited

    def _take_cancellation(self) -> asyncio.CancelledError | None:
        cancelled = self._cancelled
        if cancelled is not None:  # or one that comes meanwhile would be overwritten
            self._cancelled = None
        return cancelled


class _Awaitable:
    def __init__(self, stepping: Stepping) -> None:
        self._stepping = stepping

    def __await__(self) -> Stepping:
        return self._stepping


def current() -> Run | None:
    """Return the ``Run`` that the code at hand is a step of.

    There is none in a task or an operation that such code has begun.
    """
    run = _current.get()
    return run if run is not None and run.is_here else None


def moved(context: Context, function: Callable[[], Any]) -> Any:
    """Call ``function`` in ``context``, which comes from another thread."""

    def call() -> Any:
        _restore_context(context)
        return function()

    return context.run(call)


def _come_back_to(loop: asyncio.AbstractEventLoop) -> None:
    """Let ``async_to_sync()`` in this thread run on ``loop``, as it does in asgiref's threads."""
    SyncToAsync.threadlocal.main_event_loop = loop
    SyncToAsync.threadlocal.main_event_loop_pid = os.getpid()
    SyncToAsync.threadlocal.task_context = None


def _wake(loop: asyncio.AbstractEventLoop, waiter: "asyncio.Future[None]", _: object) -> None:
    with suppress(RuntimeError):  # the loop is closed, and nobody waits
        loop.call_soon_threadsafe(_set, waiter)


def _set(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)


def _explain(error: BaseException) -> None:
    """Say what to do about an error of asyncio, or of what it is used through."""
    is_asyncio_s = isinstance(error, RuntimeError) and str(error) == _NO_LOOP
    if is_asyncio_s or type(error).__name__ == "AsyncLibraryNotFoundError":
        error.add_note(_HINT)
