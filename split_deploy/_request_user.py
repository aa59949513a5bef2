"""The user of a request: whether it is loaded, and how to have it, before and after its end."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from django.core.exceptions import SynchronousOnlyOperation
from django.http import HttpRequest
from django.utils.functional import LazyObject, empty

from split_deploy._loop import in_a_thread

if TYPE_CHECKING:  # the logs need this module before there are apps
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser

User: TypeAlias = "AbstractBaseUser | AnonymousUser"

#: In the place of a user that is not loaded.
UNKNOWN: Final[Any] = object()


class RequestEndedError(RuntimeError):
    """A task asks for the user of a request that has ended, and nothing is left to load it from."""


class RequestUser:
    """That of a request which is being served."""

    __slots__ = ("_request",)

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    def known(self) -> Any:
        """Return the user if it is loaded, ``None`` if the request has none, else ``UNKNOWN``."""
        # A project's request class may have properties, which would do we don't know what.
        kept = vars(self._request)
        user = kept.get("user")
        if not is_unloaded(user):
            return unwrapped(user)
        if not _is_of_the_session(user):
            return UNKNOWN
        # Where Django's functions keep it, the sync and the async one. request.user has not seen it
        # yet.
        return kept.get("_cached_user", kept.get("_acached_user", UNKNOWN))

    def get(self) -> User | None:
        """Return the user, loaded.

        Raises ``SynchronousOnlyOperation`` if that would block the event loop.
        """
        user: User | None = getattr(self._request, "user", None)
        if not is_unloaded(user):
            return user
        known: User | None = self.known()
        return known if known is not UNKNOWN else loaded(user)

    async def aget(self) -> User | None:
        """Return the user, loaded by ``request.auser()``, or in a thread if there is none."""
        user: User | None = getattr(self._request, "user", None)
        auser = getattr(self._request, "auser", None)
        # A middleware may have replaced only the one, as for a token. So do login() and logout()
        # before Django 6.1.
        is_replaced = user is not None and not _is_of_the_session(user)
        if auser is None or (is_replaced and _is_the_session_s(auser)):
            user = await aloaded(user)
        else:
            user = await auser()
        return user

    def is_lazily(self, user: object) -> bool:
        """Whether ``user`` is ``request.user``, and not loaded."""
        return is_unloaded(user) and vars(self._request).get("user") is user

    def at_the_end(self) -> EndedRequestUser:
        """Return what is left of it when the request need not live any longer."""
        user = self.known()
        session = None
        if user is UNKNOWN and _is_of_the_session(self._request.user):
            session = self._request.session
        return EndedRequestUser(user, session)


class EndedRequestUser:
    """That of a request which has ended, for a task that goes on.

    Without the request: it is the user, or else the session to load it from.
    """

    def __init__(self, user: Any, session: Any) -> None:
        # Under the name that Django's functions look up, to which this is a request.
        if user is not UNKNOWN:
            self._cached_user = user
        self.session = session

    def known(self) -> Any:
        """See ``RequestUser``."""
        return vars(self).get("_cached_user", UNKNOWN)

    def get(self) -> User | None:
        """See ``RequestUser``. Raises ``RequestEndedError`` if nothing is left to load it from."""
        user: User | None = self.known()
        if user is UNKNOWN:
            from split_deploy.middleware.auth import get_user

            user = get_user(self._as_request())
        return user

    async def aget(self) -> User | None:
        """See ``RequestUser``. Raises ``RequestEndedError`` if nothing is left to load it from."""
        user: User | None = self.known()
        if user is UNKNOWN:
            from split_deploy.middleware.auth import auser

            user = await auser(self._as_request())
        return user

    def is_lazily(self, user: object) -> bool:
        """See ``RequestUser``."""
        return False

    def at_the_end(self) -> EndedRequestUser:
        """See ``RequestUser``."""
        return self

    def _as_request(self) -> Any:
        """Return this, which has all of a request that Django's functions look at."""
        if self.session is None:
            raise RequestEndedError(
                "The request that started this has ended, and its user was never loaded. Load it "
                "before the task is started (`user = await aget_current_user()`), or tell the task "
                "who it is with impersonate(user)."
            )
        return self


def is_unloaded(user: Any) -> bool:
    """Whether ``user`` is lazy and has not been loaded."""
    # Not isinstance(): a lazy object says that it is what it wraps, and loads it to know.
    return issubclass(type(user), LazyObject) and user._wrapped is empty


def unwrapped(user: Any) -> Any:
    """Return what ``user`` wraps if it is lazy and loaded.

    The lazy object would hold on to what it was loaded from: the request.
    """
    if issubclass(type(user), LazyObject) and user._wrapped is not empty:
        return user._wrapped
    return user


def loaded(user: Any) -> Any:
    """Return ``user``, which is loaded then.

    Raises ``SynchronousOnlyOperation`` if that would block the event loop.
    """
    if is_unloaded(user):
        try:
            user.__class__  # noqa: B018 - to ask for it loads it
        except SynchronousOnlyOperation as error:
            raise not_loaded() from error
    return user


async def aloaded(user: Any) -> Any:
    """Return ``user``, which is loaded then, in a thread if it wasn't."""
    return await in_a_thread(loaded, user) if is_unloaded(user) else user


def not_loaded() -> SynchronousOnlyOperation:
    """Return the error of a user that can't be loaded here, with what to write."""
    return SynchronousOnlyOperation(
        "The current user has not been loaded, and to load it here would block the event loop. "
        "Write `user = await aget_current_user()`; after that get_current_user() works too."
    )


def _is_of_the_session(user: Any) -> bool:
    """Whether ``user`` is the lazy one that ``AuthenticationMiddleware`` made."""
    return issubclass(type(user), LazyObject) and _is_the_session_s(user.__dict__.get("_setupfunc"))


def _is_the_session_s(load: Any) -> bool:
    """Whether ``load`` is one of the functions with which that loads the user."""
    if isinstance(load, partial):
        load = load.func
    module = getattr(load, "__module__", "")
    return module in ("django.contrib.auth.middleware", "split_deploy.middleware.auth")
