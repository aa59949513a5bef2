"""The current request and the current user, for code far from the view.

The same in both roles: a ContextVar has them, which follows ``sync_to_async()``,
``async_to_sync()``, tasks and the threads of this package. ``ContextMiddleware`` sets it for each
request; shells and jobs say themselves who acts, with ``impersonate()`` or ``set_current_user()``.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Final
from urllib.parse import quote

from django.core.exceptions import SynchronousOnlyOperation
from django.http import HttpRequest

from split_deploy import _current
from split_deploy._request_user import (
    UNKNOWN,
    RequestEndedError,
    User,
    aloaded,
    is_unloaded,
    loaded,
    not_loaded,
)

__all__ = [
    "RequestEndedError",
    "aget_current_user",
    "current_user_id",
    "get_current_request",
    "get_current_user",
    "impersonate",
    "set_current_user",
]

#: The id of nobody, in a log.
NOBODY: Final = "-"


def get_current_request() -> HttpRequest | None:
    """Return the request that is being served, or ``None`` outside of one.

    Also in a task that outlives its request, once that has ended: nothing keeps a request alive.
    """
    entry = _current.current()
    return None if entry is None or entry.scope is None else entry.scope.request


def get_current_user() -> User | None:
    """Return who acts: the user that was set last, or else ``request.user``, loaded.

    ``None`` where nobody has said, as in a shell, or if the request has no ``user``; an
    ``AnonymousUser`` in the request of somebody who is not logged in.

    Raises ``SynchronousOnlyOperation`` on the event loop, as ``request.user`` does, if the user
    would have to be loaded: ``await aget_current_user()`` there. Raises ``RequestEndedError`` in a
    task that outlives its request, if its user was never loaded and is not that of the session.
    """
    entry = _current.current()
    if entry is None:
        return None
    if not entry.is_the_requests:
        user: User | None = loaded(entry.user)
        return user
    assert entry.scope is not None  # noqa: S101
    try:
        return entry.scope.user.get()
    except SynchronousOnlyOperation as error:
        raise not_loaded() from error


async def aget_current_user() -> User | None:
    """Return what ``get_current_user()`` does, loaded with ``request.auser()``.

    One thread hop, as there, if the user has not been loaded. Raises ``RequestEndedError`` like
    ``get_current_user()``.
    """
    entry = _current.current()
    if entry is None:
        return None
    if not entry.is_the_requests:
        user: User | None = await aloaded(entry.user)
        return user
    assert entry.scope is not None  # noqa: S101
    return await entry.scope.user.aget()


def set_current_user(user: User | None) -> None:
    """Let ``user`` be the current one from here on; ``None``: nobody.

    In a shell or a job until it is set again, inside ``impersonate()`` until the block is left, in
    a request until its end. A task or a thread that was started before keeps what it has. A lazy
    ``user`` is not loaded by that.
    """
    _current.set_user(user)


def impersonate(user: User | None) -> AbstractContextManager[None]:
    """Let ``user`` be the current one inside; ``None``: nobody. For sync and async code::

        with impersonate(user):
            await order.asave()

    On leaving, who was current before is so again, whatever was set inside. Blocks can be nested;
    each is entered once.
    """
    return _current.Impersonation(user)


def current_user_id() -> str:
    """Return the primary key of the current user, for a log: nothing is loaded for it.

    ``"-"`` if there is none, nobody is logged in, or the user has not been loaded. Without blanks
    and line breaks, which are percent-encoded.
    """
    entry = _current.current()
    if entry is None:
        return NOBODY
    user = entry.user
    if entry.is_the_requests:
        assert entry.scope is not None  # noqa: S101
        user = entry.scope.user.known()
    if user is UNKNOWN or is_unloaded(user):
        return NOBODY
    pk = getattr(user, "pk", None)
    return NOBODY if pk is None else quote(str(pk), safe="@.+:,()'")
