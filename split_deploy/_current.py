"""What is current, the request and the user: one ContextVar, and what puts something into it.

What it holds is compared by identity and by nothing else: asgiref copies the variables of a context
to another thread and back, and a lazy user that it compared would be loaded by that.
"""

from __future__ import annotations

from contextvars import ContextVar
from types import TracebackType
from typing import Any, Final

from django.http import HttpRequest

from split_deploy._request_user import EndedRequestUser, RequestUser, unwrapped

#: In the place of a user: whoever the request's is.
_THE_REQUESTS: Final[Any] = object()
_ENTERED: Final[Any] = object()


class Entry:
    """Who is current. It is replaced and never changed, so that a copied context keeps its own."""

    __slots__ = ("block", "scope", "user")

    def __init__(self, block: Block | None, scope: Scope | None, user: Any) -> None:
        #: What has to be left for what was before.
        self.block = block
        #: The request that this belongs to.
        self.scope = scope
        self.user = user

    @property
    def is_the_requests(self) -> bool:
        """Whether the user is the request's own."""
        return self.user is _THE_REQUESTS


class Block:
    """Something that is entered and left: a request, or ``impersonate()``."""

    __slots__ = ("outer",)

    def __init__(self) -> None:
        #: What was current before.
        self.outer: Entry | None = None


_current: ContextVar[Entry | None] = ContextVar("split_deploy.context", default=None)


def current() -> Entry | None:
    """Return who is current, or ``None`` where nobody has said."""
    return _current.get()


def set_user(user: Any) -> None:
    """Let ``user`` be the current one until the innermost block is left."""
    entry = _current.get()
    block, scope = (None, None) if entry is None else (entry.block, entry.scope)
    _current.set(Entry(block, scope, _held(user, scope)))


class Impersonation(Block):
    """Lets ``user`` be the current one inside. To be entered once."""

    __slots__ = ("_user",)

    def __init__(self, user: Any) -> None:
        super().__init__()
        self._user = user

    def __enter__(self) -> None:
        if self._user is _ENTERED:
            raise RuntimeError("An impersonate() block is entered once: call it again.")
        # What it leaves here may be the request's lazy user, which would keep the request alive.
        user, self._user = self._user, _ENTERED
        self.outer = _current.get()
        scope = None if self.outer is None else self.outer.scope
        _current.set(Entry(self, scope, _held(user, scope)))

    def __exit__(self, *_: object) -> None:
        # Not with a token. A generator may be closed in another context than it ran in, or by the
        # garbage collector while its thread serves another request: there is nothing to undo then.
        if _is_inside(self):
            _current.set(self.outer)


def _held(user: Any, scope: Scope | None) -> Any:
    """What to store for ``user``. It doesn't keep the request alive, if it is the request's."""
    if scope is not None and scope.user.is_lazily(user):
        return _THE_REQUESTS
    return unwrapped(user)


def _is_inside(block: Block) -> bool:
    entry = _current.get()
    while entry is not None and entry.block is not None:
        if entry.block is block:
            return True
        entry = entry.block.outer
    return False


class Scope(Block):
    """A request, from the moment it is entered to its ``end()``, which is after it is left.

    The body of a streaming response is made in between. ``always_finished``: whether
    ``request_finished`` is sent even if no response comes of it, as when it is cancelled; by then a
    thread that cannot be cancelled is done with it.
    """

    __slots__ = ("_always_finished", "_is_left", "request", "user")

    def __init__(self, request: HttpRequest, *, always_finished: bool = False) -> None:
        super().__init__()
        self._always_finished = always_finished
        self.request: HttpRequest | None = request
        self.user: RequestUser | EndedRequestUser = RequestUser(request)
        self._is_left = False

    def __enter__(self) -> Scope:
        self.outer = _not_ended(_current.get())
        _current.set(Entry(self, self, _THE_REQUESTS))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: object, _traceback: TracebackType | None
    ) -> None:
        self._is_left = True
        is_given_up = kind is not None and not issubclass(kind, Exception)
        if is_given_up and not self._always_finished:
            self.end()
            return
        entry = _current.get()
        if entry is None or entry.scope is not self:
            # Left behind by the view: the response of a test client, say, that it never closed.
            _current.set(Entry(self, self, _THE_REQUESTS))

    def end(self) -> None:
        """Let go of the request. A task that goes on still has its user."""
        if self.request is None:
            return
        self.request = None
        self.user = self.user.at_the_end()
        entry = _current.get()
        if entry is not None and entry.scope is self:
            _current.set(_not_ended(self.outer))
        self.outer = None

    @property
    def is_left(self) -> bool:
        """Whether it has a response, so that ``request_finished`` may be about it."""
        return self._is_left


def _not_ended(entry: Entry | None) -> Entry | None:
    """``entry``, unless it is left over from a request that has ended.

    Uvicorn starts a request that was pipelined in the context of the one before.
    """
    is_ended = entry is not None and entry.scope is not None and entry.scope.request is None
    return None if is_ended else entry


def end_request(**_: Any) -> None:
    """End the current request, if it has been answered. A receiver of ``request_finished``."""
    entry = _current.get()
    if entry is not None and entry.scope is not None and entry.scope.is_left:
        entry.scope.end()
