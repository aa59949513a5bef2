from functools import partial
from typing import Any, Final

from django.conf import settings
from django.contrib.messages.middleware import MessageMiddleware as DjangoMessageMiddleware
from django.contrib.messages.storage import default_storage
from django.contrib.messages.storage.base import BaseStorage
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject, empty

from split_deploy._loop import in_a_thread, off_the_loop_if_it_must
from split_deploy.middleware._native import NativeMiddleware
from split_deploy.sessions import preload

# These themselves and no subclass. They keep messages in cookies and in the session, which says so
# when it would have to block.
_KNOWN: Final = frozenset({CookieStorage, FallbackStorage, SessionStorage})
_KNOWN_NAMES: Final = frozenset(f"{class_.__module__}.{class_.__name__}" for class_ in _KNOWN)


class MessageMiddleware(NativeMiddleware, DjangoMessageMiddleware):
    """Django's ``MessageMiddleware``: in a thread when the messages are in a session to be loaded.

    A storage that isn't Django's is updated in a thread, if there is something to update.
    """

    def process_request(self, request: HttpRequest) -> None:
        """Give the request its storage of messages; one of Django's is made when it is used."""
        kept: Any = request
        if settings.MESSAGE_STORAGE in _KNOWN_NAMES and hasattr(request, "session"):
            # To make one takes longer than all else that this middleware does for most requests.
            kept._messages = SimpleLazyObject(partial(default_storage, request))
        else:
            super().process_request(request)

    def process_response(self, request: HttpRequest, response: Any) -> Any:
        """Store the messages, if there can be any."""
        if _made(request) is None:
            return response
        return super().process_response(request, response)

    def enter(self, request: HttpRequest) -> Any:
        """Return what ``process_request()`` does, or a coroutine that does."""
        response: Any = self.process_request(request)  # type: ignore[func-returns-value]
        if response is None and CookieStorage.cookie_name in request.COOKIES:
            return _preload_overflow(request)
        return response

    def leave(self, request: HttpRequest, response: Any) -> Any:
        """Return what ``process_response()`` does, or a coroutine that does."""
        storage = _made(request)
        if storage is None or not _changes(storage):
            return self.process_response(request, response)
        if type(storage) in _KNOWN:
            return off_the_loop_if_it_must(self.process_response, request, response)
        return in_a_thread(self.process_response, request, response)


def _made(request: HttpRequest) -> Any:
    """The request's storage, if it has one that has been used."""
    storage: Any = getattr(request, "_messages", None)
    # Not isinstance(): a lazy object says that it is what it wraps.
    if type(storage) is SimpleLazyObject:
        storage = storage._wrapped
    return None if storage is empty else storage


def _changes(storage: Any) -> bool:
    """Whether ``update()`` does anything; a project's own may in any case."""
    is_own = type(storage).update is not BaseStorage.update
    return bool(is_own or storage.used or storage.added_new)


async def _preload_overflow(request: HttpRequest) -> None:
    """Load the session if the cookie says that it has more messages, for the view to read them.

    The view can't: what reads messages is sync.
    """
    if isinstance(getattr(request, "_messages", None), FallbackStorage):
        # Not the request's storage: nobody has read the messages yet.
        cookies: Any = CookieStorage(request)
        _, has_all = cookies._get()
        if not has_all:
            await preload(getattr(request, "session", None))
