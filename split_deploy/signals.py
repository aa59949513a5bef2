"""``request_started`` and ``request_finished`` in the async instance, without Django's thread hops.

Django's own receivers of these signals are sync, so each request enters a thread for them. None has
to: database connections are seen to by the thread that has them (see ``split_deploy.pool``), and
the rest is done in no time. For the requests of a native handler async receivers take their
place, connected for the handler as the sender. For every other sender (Django's test client, a WSGI
handler in the same process, ``response.close()`` in a project's own code) all remains as it was.
The one of ``ContextMiddleware`` is treated like Django's.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import copy_context
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.core.cache import caches, close_caches
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.memcached import PyLibMCCache
from django.core.handlers.base import reset_urlconf
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, reset_queries
from django.dispatch import Signal
from django.urls import set_urlconf
from django.utils.module_loading import import_string

from split_deploy._current import end_request

_TAKEN_OVER: Final = (
    *(close_caches, close_old_connections, reset_queries, reset_urlconf),
    end_request,
)
_UID: Final = "split_deploy.signals"

#: What a cache's ``close()`` is that does nothing.
_NO_CLOSE: Final = (BaseCache.close, PyLibMCCache.close)


def take_over(*senders: type) -> None:
    """Let async receivers do the work of Django's own when one of ``senders`` calls ``asend()``."""
    for sender in senders:
        for signal, receiver in _OURS.items():
            signal.connect(receiver, sender=sender, dispatch_uid=_UID)


def give_back(*senders: type) -> None:
    """Undo ``take_over()``."""
    for sender in senders:
        for signal in _OURS:
            signal.disconnect(sender=sender, dispatch_uid=_UID)


async def asend(signal: Signal, sender: type | None, **named: Any) -> None:
    """Send ``signal`` to its receivers, in the order of Django 6.1's ``Signal.asend()``.

    First the sync ones: what is done for Django's, which are connected before any other, then the
    rest, together in one thread hop. Then the async ones, side by side.
    """
    if _none_but_ours.get((signal, sender)) == signal.receivers:
        await _OURS[signal]()
        return
    sync_receivers, async_receivers = signal._live_receivers(sender)
    if (ours := _OURS.get(signal)) in async_receivers:
        sync_receivers = [item for item in sync_receivers if not _is_taken_over(item)]
        if not sync_receivers and len(async_receivers) == 1:
            # Not the receivers themselves: most are weakly referenced.
            _none_but_ours[signal, sender] = list(signal.receivers)
    if ours in async_receivers:
        async_receivers.remove(ours)
        await ours()
    if sync_receivers:
        await sync_to_async(_send)(sync_receivers, signal=signal, sender=sender, **named)
    calls = [receiver(signal=signal, sender=sender, **named) for receiver in async_receivers]
    if len(calls) == 1:
        await calls[0]
    elif calls:
        await _side_by_side(calls)


def _send(receivers: list[Callable[..., Any]], **named: Any) -> None:
    for receiver in receivers:
        receiver(**named)


async def _side_by_side(calls: list[Awaitable[Any]]) -> None:
    """Await all of ``calls``. What they put into context variables, the request has."""
    context = copy_context()

    async def run(call: Awaitable[Any]) -> None:
        await call

    try:
        async with asyncio.TaskGroup() as group:
            for call in calls:
                group.create_task(run(call), context=context)
    except BaseExceptionGroup as errors:
        if len(errors.exceptions) == 1:
            raise errors.exceptions[0] from None
        raise
    finally:
        before = copy_context()
        for variable, value in context.items():
            if variable not in before or before[variable] is not value:
                variable.set(value)


def _is_taken_over(receiver: Any) -> bool:
    return any(receiver is own for own in _TAKEN_OVER)


async def _on_request_started(**_: Any) -> None:
    """Django's ``reset_queries`` and ``close_old_connections``: the thread has done it."""


async def _on_request_finished(**_: Any) -> None:
    """Django's ``close_caches`` and ``reset_urlconf``, and the end of the current request."""
    end_request()
    if _some_cache_closes():
        used = [item for item in caches.all(initialized_only=True) if _closes(type(item))]
        if used:
            await sync_to_async(_close)(used)
    set_urlconf(None)


def _close(used: list[BaseCache]) -> None:
    for cache in used:
        cache.close()


def _closes(backend: type[BaseCache]) -> bool:
    return backend.close not in _NO_CLOSE


def _some_cache_closes() -> bool:
    """Whether any of ``CACHES`` has a ``close()`` that does something."""
    global _known
    # Django makes another object of it when the setting changes.
    if _known[0] is not caches.settings:
        backends = [import_string(item["BACKEND"]) for item in caches.settings.values()]
        _known = (caches.settings, any(map(_closes, backends)))
    return _known[1]


_known: tuple[object, bool] = (None, False)

_OURS: Final[dict[Signal, Callable[..., Coroutine[Any, Any, None]]]] = {
    request_started: _on_request_started,
    request_finished: _on_request_finished,
}

#: What ``receivers`` of a signal was when the sender had none but Django's and ours.
_none_but_ours: dict[tuple[Signal, type | None], list[Any]] = {}
