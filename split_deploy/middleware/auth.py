from functools import cache, lru_cache, partial
from types import SimpleNamespace
from typing import Any, cast

from django.conf import settings
from django.contrib import auth
from django.contrib.auth import middleware as django_middleware
from django.contrib.auth.backends import BaseBackend, ModelBackend
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import SynchronousOnlyOperation
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.functional import SimpleLazyObject, empty
from django.utils.module_loading import import_string

from split_deploy._loop import in_a_thread
from split_deploy.middleware._native import NativeMiddleware
from split_deploy.sessions import GuardedStore, ThreadedStore

User = AbstractBaseUser | AnonymousUser


def get_user(request: HttpRequest) -> User:
    """Return what ``request.user`` is."""
    try:
        return cast("User", django_middleware.get_user(request))
    except SynchronousOnlyOperation as error:
        raise SynchronousOnlyOperation(
            "request.user has not been loaded, and to load it here would block the event loop. "
            "Write `user = await request.auser()`; after that request.user works too."
        ) from error


async def auser(request: HttpRequest) -> User:
    """Return what ``request.auser()`` does: the session and the user are loaded in one thread hop.

    ``request.user`` is the same one then.
    """
    kept: Any = request
    if not hasattr(kept, "_acached_user"):
        kept._acached_user = await _load_user(request)
        if not hasattr(kept, "_cached_user"):
            kept._cached_user = kept._acached_user
    return cast("User", kept._acached_user)


async def _load_user(request: HttpRequest) -> User:
    session = request.session
    if (
        isinstance(session, ThreadedStore)
        and session.way != "await"
        and _have_no_async_methods(tuple(settings.AUTHENTICATION_BACKENDS))
        and (not _reads_from_memory(session) or auth.SESSION_KEY in session)
    ):
        return cast("User", await in_a_thread(auth.get_user, request))
    return cast("User", await auth.aget_user(request))


def _reads_from_memory(session: GuardedStore) -> bool:
    return session.is_loaded or session.way == "here"


@lru_cache(maxsize=8)
def _have_no_async_methods(backends: tuple[str, ...]) -> bool:
    """Whether ``aget_user()`` of each of ``backends`` is its ``get_user()`` in a thread."""
    return all(_has_no_async_get_user(import_string(path)) for path in backends)


def _has_no_async_get_user(backend: Any) -> bool:
    if not isinstance(backend, type):
        return False
    names = ("aget_user", "get_user")
    async_owner, sync_owner = (
        next((base for base in backend.__mro__ if name in vars(base)), None) for name in names
    )
    return async_owner in (None, BaseBackend, ModelBackend) and sync_owner is not None


class AuthenticationMiddleware(NativeMiddleware, django_middleware.AuthenticationMiddleware):
    """Django's ``AuthenticationMiddleware``, on the event loop: it loads no user before it is read.

    ``await request.auser()`` loads it. ``request.user`` then has it too, and before that says what
    to do, unless nobody is logged in and the session shows it without the database.
    """

    def process_request(self, request: HttpRequest) -> None:
        """Give the request its ``user`` and ``auser()``."""
        if not (self.async_mode and hasattr(request, "session")):
            super().process_request(request)
            return
        request.user = SimpleLazyObject(partial(get_user, request))  # type: ignore[assignment]
        request.auser = partial(auser, request)  # type: ignore[assignment]


class LoginRequiredMiddleware(NativeMiddleware, django_middleware.LoginRequiredMiddleware):
    """Django's ``LoginRequiredMiddleware``: one hop if there is a session to be loaded."""

    async def aprocess_view(
        self, request: HttpRequest, view: Any, *args: Any
    ) -> HttpResponseBase | None:
        """Redirect whoever has to log in first."""
        process_view: Any = type(self).process_view
        if getattr(view, "login_required", True) or _reads_user_for_any_view():
            response = await with_user(request, process_view, self, request, view, *args)
        else:
            response = process_view(self, request, view, *args)
        return cast("HttpResponseBase | None", response)


@cache
def _reads_user_for_any_view() -> bool:
    """Whether Django asks who it is even for a ``login_not_required`` view: 5.2 does, 6.1 doesn't.

    That it did is seen by the ``Vary`` header.
    """
    request = _RequestOfSomebody()
    view = SimpleNamespace(login_required=False)
    process_view: Any = django_middleware.LoginRequiredMiddleware.process_view
    process_view(None, request, view, (), {})
    return request.was_asked


class _RequestOfSomebody:
    was_asked = False

    @property
    def user(self) -> Any:
        self.was_asked = True
        return SimpleNamespace(is_authenticated=True)


class RemoteUserMiddleware(django_middleware.RemoteUserMiddleware):
    """Django's ``RemoteUserMiddleware``, which is async by itself.

    Under the native ``AuthenticationMiddleware`` it takes one hop for a user with a session, and
    none without header and session.
    """


class PersistentRemoteUserMiddleware(
    RemoteUserMiddleware, django_middleware.PersistentRemoteUserMiddleware
):
    """Django's ``PersistentRemoteUserMiddleware``, which is async by itself."""


async def with_user(request: HttpRequest, function: Any, *args: Any) -> Any:
    """Call ``function``, which reads ``request.user``, when that can be read without blocking."""
    user = getattr(request, "user", None)
    # Not isinstance(): a lazy object says that it is what it wraps.
    if type(user) is SimpleLazyObject and user._wrapped is empty:
        load = user.__dict__["_setupfunc"]
        if not (isinstance(load, partial) and load.func is get_user):
            # Of another authentication: nothing is known about it.
            return await in_a_thread(function, *args)
        await auser(request)
    return function(*args)
