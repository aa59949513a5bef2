import logging
from functools import partial
from io import BytesIO
from types import CoroutineType
from typing import Any, Final, cast

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.conf import settings
from django.core.exceptions import SynchronousOnlyOperation
from django.core.files.uploadhandler import MemoryFileUploadHandler, TemporaryFileUploadHandler
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware import csrf as django_csrf
from django.urls import get_callable
from django.utils.log import log_response

from split_deploy._loop import in_a_thread, off_the_loop_if_it_must, refuse_on_the_loop
from split_deploy.handlers import log
from split_deploy.middleware._native import NativeMiddleware
from split_deploy.sessions import preload

#: Bytes of a form that are parsed on the event loop.
_SMALL: Final = 2**16


class _Rejected:
    """What ``_reject()`` gives in async mode if the view for failures is async, to be awaited."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


class CsrfViewMiddleware(NativeMiddleware, django_csrf.CsrfViewMiddleware):
    """Django's ``CsrfViewMiddleware``, on the event loop but for what may block.

    That is to load the session, with ``CSRF_USE_SESSIONS``; to parse a form that is large or may
    touch the disk; and the view for failures, unless that is async. One hop each.
    """

    def enter(self, request: HttpRequest) -> Any:
        """Return what ``process_request()`` does, or a coroutine that does."""
        try:
            return self.process_request(request)
        except SynchronousOnlyOperation:
            return self._enter_with_session(request)

    async def _enter_with_session(self, request: HttpRequest) -> Any:
        await preload(request.session)
        return self.process_request(request)

    def leave(self, request: HttpRequest, response: Any) -> Any:
        """Return what ``process_response()`` does, or a coroutine that does."""
        try:
            return self.process_response(request, response)
        except SynchronousOnlyOperation:
            return self._leave_with_session(request, response)

    async def _leave_with_session(self, request: HttpRequest, response: Any) -> Any:
        # Another one than that of enter().
        await preload(request.session)
        return self.process_response(request, response)

    async def aprocess_view(
        self, request: HttpRequest, callback: Any, *args: Any
    ) -> HttpResponseBase | None:
        """Check the request, if it has to be."""
        process_view = partial(type(self).process_view, self, request, callback, *args)
        result: Any
        if _reads_form(request, callback) and _parsing_may_block(request):
            result = await in_a_thread(process_view)
        else:
            result = off_the_loop_if_it_must(process_view)
            if type(result) is CoroutineType:
                result = await result
        if isinstance(result, _Rejected):
            result = await self._answer(request, result.reason)
        return cast("HttpResponseBase | None", result)

    async def _answer(self, request: HttpRequest, reason: str) -> HttpResponseBase:
        # As in Django's _reject(), which can't await it.
        response = await _failure_view()(request, reason=reason)
        write: Any = partial(log_response, "Forbidden (%s): %s", reason, request.path)
        if log.can_block(django_csrf.logger, logging.WARNING):
            write = sync_to_async(write, thread_sensitive=False)
        written = write(response=response, request=request, logger=django_csrf.logger)
        if written is not None:
            await written
        return cast("HttpResponseBase", response)

    def _reject(self, request: HttpRequest, reason: str) -> Any:
        if self.async_mode:
            if iscoroutinefunction(_failure_view()):
                return _Rejected(reason)
            refuse_on_the_loop("The view for CSRF failures may block: process_view() in a thread.")
        return super()._reject(request, reason)  # type: ignore[misc]


def _failure_view() -> Any:
    return get_callable(settings.CSRF_FAILURE_VIEW)


def _reads_form(request: HttpRequest, callback: Any) -> bool:
    """Whether ``process_view()`` may get as far as ``request.POST``."""
    return request.method == "POST" and not (
        getattr(request, "csrf_processing_done", False)
        or getattr(callback, "csrf_exempt", False)
        or getattr(request, "_dont_enforce_csrf_checks", False)
    )


def _parsing_may_block(request: Any) -> bool:
    """Whether ``request.POST`` takes long, touches the disk or runs an upload handler of a project.

    ``HttpRequest._load_post_and_files()`` is what parses it.
    """
    if hasattr(request, "_post"):
        return False
    if request.content_type == "multipart/form-data":
        return not _keeps_files_in_memory(request) or _is_large_or_on_disk(request)
    if request.content_type == "application/x-www-form-urlencoded":
        return _is_large_or_on_disk(request)
    return False  # nothing is read


def _keeps_files_in_memory(request: Any) -> bool:
    """Whether Django's ``MemoryFileUploadHandler`` comes first, which takes all that is small."""
    kinds = [type(handler) for handler in request.upload_handlers]
    return (
        kinds[:1] == [MemoryFileUploadHandler]
        and {*kinds[1:]} <= {TemporaryFileUploadHandler}
        and settings.FILE_UPLOAD_MAX_MEMORY_SIZE >= _SMALL
    )


def _is_large_or_on_disk(request: Any) -> bool:
    if hasattr(request, "_body"):
        return len(request._body) > _SMALL
    try:
        length = int(request.META["CONTENT_LENGTH"])
    except (KeyError, ValueError):
        stream = request._stream
        length = stream.getbuffer().nbytes if isinstance(stream, BytesIO) else _SMALL + 1
    return length > _SMALL or _is_on_disk(request._stream)


def _is_on_disk(stream: Any) -> bool:
    # A SpooledTemporaryFile moves to the disk when it is asked for its fileno().
    if (rolled := getattr(stream, "_rolled", None)) is not None:
        return bool(rolled)
    try:
        stream.fileno()
    except (AttributeError, OSError):
        return False
    return True
