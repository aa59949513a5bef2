"""``async with parallel_ops() as ops:``: blocking operations side by side."""

import asyncio
import logging
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from types import TracebackType
from typing import Any, Generic, ParamSpec, TypeVar

from django.db.transaction import TransactionManagementError

from split_deploy.coroutines.run import Run, current, moved
from split_deploy.coroutines.switches import Join
from split_deploy.coroutines.threads import Threads

logger = logging.getLogger("split_deploy.coroutines")

P = ParamSpec("P")
T = TypeVar("T")


class Handle(Generic[T]):
    """An operation that ``Operations.run()`` has begun.

    ``await handle`` waits for it and returns its result or raises its error; the thread is given
    back meanwhile.
    """

    def __init__(self, work: Callable[[], T], threads: Threads, name: str) -> None:
        self._work: Callable[[], T] | None = work
        self._threads = threads
        self._name = name
        self._is_joined = False
        self._result: Any = None
        self._has_ended = False
        self._was_told = False
        self._error: BaseException | None = None
        #: That of the pool, once it has begun or waits for a thread.
        self.call: Future[None] | None = None

    def result(self) -> T:
        """Return the operation's result, or raise its error.

        Raises ``RuntimeError`` before the end of ``parallel_ops()``, unless it was awaited.
        """
        if not self._is_joined:
            raise RuntimeError(
                f"{self._name} may be running still. Its result is there after the end of "
                "`async with parallel_ops()`; before, `await` the handle."
            )
        return self._outcome()

    def __await__(self) -> Generator[Any, Any, T]:
        if current() is not None:
            yield from Join((self,)).__await__()
        else:  # in a task of a section, as in asyncio.gather()
            yield from asyncio.shield(asyncio.wrap_future(self.begin())).__await__()
        self._is_joined = self._was_told = True
        return self._outcome()

    def _outcome(self) -> T:
        if self._error is not None:
            raise self._error
        if not self._has_ended:
            raise RuntimeError(f"{self._name} was cancelled before it began.")
        result: T = self._result
        return result

    def begin(self) -> "Future[None]":
        """Begin, unless it was begun. Return the future of its end, which has no result."""
        if self.call is None:
            self.call = self._threads.submit(self._run)
        return self.call

    def cancel(self) -> bool:
        """Drop it, unless it has begun. Return whether it was."""
        return self.call is None or self.call.cancel()

    def join(self) -> BaseException | None:
        """Let ``result()`` tell from now on. Return the error, unless somebody got it."""
        self._is_joined = True
        return None if self._was_told else self._error

    def _run(self) -> None:
        work, self._work = self._work, None
        assert work is not None  # noqa: S101 - it is submitted once
        try:
            self._result = work()
        except BaseException as error:  # noqa: BLE001 - it belongs to who waits
            self._error = error
        self._has_ended = True


class Operations:
    """What ``parallel_ops()`` gives: begins blocking operations and waits for all of them."""

    def __init__(self) -> None:
        self._handles: list[Handle[Any]] = []
        self._run: Run | None = None

    def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Handle[T]:
        """Call ``function`` in another thread, and return a handle of its result.

        It gets a copy of the ContextVars, and a database connection of its own, on which a
        transaction that it leaves open is rolled back. Where the only thread is that of the caller,
        as under WSGI and in a test, it runs at the end of ``parallel_ops()``.

        Raises ``TransactionManagementError`` inside a transaction, which ``function`` would be
        outside of, and ``RuntimeError`` outside ``async with parallel_ops()`` or if the pool is
        shut down.
        """
        run = self._run
        if run is None or not run.is_here:
            raise RuntimeError("ops.run() is for the body of `async with parallel_ops() as ops:`.")
        _refuse_transaction(run)
        name = getattr(function, "__qualname__", repr(function))
        work = partial(moved, copy_context(), partial(function, *args, **kwargs))
        handle: Handle[T] = Handle(work, run.threads, name)
        if run.threads.are_several:
            handle.begin()
        self._handles.append(handle)
        return handle

    async def __aenter__(self) -> "Operations":
        run = current()
        if run is None:
            raise RuntimeError(
                "`async with parallel_ops()` needs threads: decorate the view with @blocking_first."
            )
        _refuse_transaction(run)
        self._run = run
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        run, self._run = self._run, None
        if exc_type is GeneratorExit and not (run is not None and run.is_closing):
            return  # whoever closes a coroutine waits for nothing
        handles = self._handles
        if isinstance(error, (asyncio.CancelledError, GeneratorExit)):
            handles = [handle for handle in handles if not handle.cancel()]
        try:
            if handles:
                await Join(handles)
        except BaseException:  # a cancellation, or a transaction that is open still
            for handle in handles:
                handle.cancel()
            _log(self._errors())
            raise
        errors = self._errors()
        if not errors:
            return
        if error is None or isinstance(error, Exception):
            both = errors if error is None else [error, *errors]
            raise BaseExceptionGroup("Operations of parallel_ops() failed", both) from None
        _log(errors)

    def _errors(self) -> list[BaseException]:
        found = [handle.join() for handle in self._handles]
        return [error for error in found if error is not None]


def parallel_ops() -> Operations:
    """Begin blocking operations side by side: ``async with parallel_ops() as ops:``.

    ``ops.run(function, ...)`` runs one in a thread of the pool while the body goes on. At the end
    all are waited for, and the body's thread is given back meanwhile, so that one thread is enough
    for all. If any failed, the errors are raised as an ``ExceptionGroup``, with the body's own. An
    error of the body alone is raised as it is.

    Raises ``RuntimeError`` outside a blocking-first coroutine, and ``TransactionManagementError``
    inside a transaction.
    """
    return Operations()


def _refuse_transaction(run: Run) -> None:
    if run.is_in_a_part and (alias := run.opened_transaction()) is not None:
        raise TransactionManagementError(
            f'This is inside a transaction on the database "{alias}", and parallel operations have '
            "connections of their own: they would not see what it has written, nor end with it. "
            "End it before."
        )


def _log(errors: list[BaseException]) -> None:
    """Log errors that give way to another, such as a cancellation."""
    for error in errors:
        logger.error("A parallel operation failed, and so did its coroutine.", exc_info=error)
