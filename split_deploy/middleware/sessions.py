from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from split_deploy._loop import in_a_thread
from split_deploy.middleware._native import NativeMiddleware
from split_deploy.sessions import GuardedStore, native_store, preload


class SessionMiddleware(NativeMiddleware, DjangoSessionMiddleware):
    """Django's ``SessionMiddleware``: in a thread once, when the session is to be saved.

    In async mode ``request.session`` is a ``split_deploy.sessions.GuardedStore``, and a subclass of
    the store that ``SESSION_ENGINE`` names.
    """

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)
        if self.async_mode:
            self.SessionStore = native_store(self.SessionStore)
        self._may_skip = type(self).process_response is DjangoSessionMiddleware.process_response

    def leave(self, request: HttpRequest, response: Any) -> Any:
        """Return what ``process_response()`` does, or a coroutine that does."""
        if self._may_skip and _is_untouched(request):
            return response
        match _way_to_save(request):
            case "here":
                return self.process_response(request, response)
            case "await":
                return self._save_first(request, response)
            case _:
                # With the store's sync methods; all that it reads and writes in one go.
                return in_a_thread(self.process_response, request, response)

    async def _save_first(self, request: HttpRequest, response: Any) -> HttpResponseBase:
        """Let the store save with its own async methods, and Django's code see how that went."""
        session: Any = request.session
        await preload(session)
        error: UpdateError | None = None
        if response.status_code < 500:
            try:
                await session.asave()
            except UpdateError as raised:
                error = raised

        def saved(must_create: bool = False) -> None:
            if error is not None:
                raise error

        # It wasn't empty before it was loaded, which is when Django asks.
        session.save, session.is_empty = saved, lambda: False
        try:
            return self.process_response(request, response)
        finally:
            del session.save, session.is_empty


def _is_untouched(request: HttpRequest) -> bool:
    """Whether nothing is to be done for the session: there is none, and nobody has asked for it."""
    session: Any = getattr(request, "session", None)
    return (
        isinstance(session, GuardedStore)
        and not session.accessed
        and not session.modified
        and session.session_key is None
        and (not request.COOKIES or settings.SESSION_COOKIE_NAME not in request.COOKIES)
    )


def _way_to_save(request: HttpRequest) -> str:
    session: Any = getattr(request, "session", None)
    try:
        saves = (session.modified or settings.SESSION_SAVE_EVERY_REQUEST) and not session.is_empty()
    except AttributeError:
        return "here"  # there is none, and Django's code does nothing
    if not saves:
        return "here"
    # Somebody may have put a store there that isn't ours.
    return session.way if isinstance(session, GuardedStore) else "thread"
