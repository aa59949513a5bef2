"""The decorator of a blocking-first view."""

import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine
from functools import partial, wraps
from typing import Any, Final, ParamSpec, TypeVar, overload

from asgiref.sync import iscoroutinefunction

from split_deploy.call_sites import dotted_name
from split_deploy.coroutines.run import Run, current
from split_deploy.coroutines.threads import threads_for
from split_deploy.pool import ThreadPool

P = ParamSpec("P")
T = TypeVar("T")

# What Django's method_decorator() decorates to see what attributes that gives.
_DUMMY: Final = "_update_method_wrapper.<locals>.dummy"
#: In the place of an item: there are no more.
_END: Final = object()


@overload
def blocking_first(
    function: Callable[P, Coroutine[Any, Any, T]], /, *, pool: ThreadPool | None = None
) -> Callable[P, Coroutine[Any, Any, T]]: ...
@overload
def blocking_first(
    function: Callable[P, AsyncGenerator[T]], /, *, pool: ThreadPool | None = None
) -> Callable[P, AsyncGenerator[T]]: ...
@overload
def blocking_first(
    *, pool: ThreadPool | None = None
) -> Callable[[Callable[P, Coroutine[Any, Any, T]]], Callable[P, Coroutine[Any, Any, T]]]: ...
def blocking_first(function: Any = None, /, *, pool: ThreadPool | None = None) -> Any:
    """Run an ``async def`` whose code blocks in threads, but for its ``async with io:`` sections.

    For a view, or the handler of a class-based one: ``@blocking_first`` or
    ``@blocking_first(pool=ThreadPool(4))``. The pool is that of the process if none is given, of
    ``SPLIT_DEPLOY["THREADS"]`` threads. Below ``async_to_sync()``, as under WSGI and in Django's
    tests, it is the thread of the caller. The coroutines that the view awaits need no decorator.

    For an asynchronous generator too, the content of a ``StreamingHttpResponse``: it has a thread
    from one ``yield`` to the next, and none while the client takes an item.

    Raises ``TypeError`` for a function that is neither.
    """
    if function is None:
        return partial(blocking_first, pool=pool)
    if inspect.isasyncgenfunction(function):
        return _generator(function, pool)
    if not iscoroutinefunction(function):  # asgiref's: the view of an async class is marked as one
        if getattr(function, "__qualname__", None) == _DUMMY:
            return function
        raise TypeError(
            f"@blocking_first is for `async def`, and {function!r} is none. A sync view runs in a "
            "thread as it is."
        )
    name = dotted_name(function)

    @wraps(function)
    async def in_threads(*args: Any, **kwargs: Any) -> Any:
        if _is_in_a_part():
            return await function(*args, **kwargs)
        return await Run(threads_for(pool, name)).to_the_end_of(function(*args, **kwargs))

    return in_threads


def _generator(
    function: Callable[..., AsyncGenerator[Any]], pool: ThreadPool | None
) -> Callable[..., AsyncGenerator[Any]]:
    name = dotted_name(function)

    @wraps(function)
    async def in_threads(*args: Any, **kwargs: Any) -> AsyncGenerator[Any]:
        generator: Any = function(*args, **kwargs)
        run = None if _is_in_a_part() else Run(threads_for(pool, name))
        try:
            while True:
                step = _item_of(generator, run)
                item = await (step if run is None else run.to_the_end_of(step))
                if item is _END:
                    return
                yield item
                if run is not None:
                    run.take_over_context()
        finally:
            if run is None:
                await generator.aclose()
            elif run.has_begun and generator.ag_frame is not None:
                await run.close(generator)

    return in_threads


async def _item_of(generator: Any, run: Run | None) -> Any:
    """Return the next item of ``generator``, or ``_END``."""
    try:
        item = await anext(generator)
        # The part ends with the item, and a transaction with the part.
        while run is not None and (error := run.transaction_error()) is not None:
            item = await generator.athrow(error)
    except StopAsyncIteration:
        return _END
    return item


def _is_in_a_part() -> bool:
    run = current()
    return run is not None and run.is_in_a_part
