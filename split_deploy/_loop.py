"""Where a piece of sync code runs that belongs to an async request: on the event loop or off it."""

from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.core.exceptions import SynchronousOnlyOperation
from django.utils.asyncio import async_unsafe

P = ParamSpec("P")
T = TypeVar("T")


def refuse_on_the_loop(message: str) -> None:
    """Raise ``SynchronousOnlyOperation`` if an event loop runs in this thread.

    Where Django would: ``DJANGO_ALLOW_ASYNC_UNSAFE`` allows it here too.
    """
    async_unsafe(message)(_nothing)()


def _nothing() -> None:
    pass


async def in_a_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call ``function`` in the request's thread: one hop."""
    return await sync_to_async(function)(*args, **kwargs)


def off_the_loop_if_it_must(
    function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T | Coroutine[Any, Any, T]:
    """Call ``function``, and if it says that it has to block, return ``in_a_thread()`` for it.

    It says so with ``SynchronousOnlyOperation``, as the ORM does and what has a guard of ours. It
    must be right to call it twice.
    """
    try:
        return function(*args, **kwargs)
    except SynchronousOnlyOperation:
        return in_a_thread(function, *args, **kwargs)
