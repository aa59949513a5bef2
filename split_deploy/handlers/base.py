"""How a request goes through middleware to its view and back.

On the event loop all the way, in the async mode; in both with fewer calls than Django makes.
"""

import asyncio
import logging
from collections.abc import Callable
from inspect import CO_COROUTINE
from types import FunctionType
from typing import Any, Final

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, MiddlewareNotUsed
from django.core.handlers.exception import (
    convert_exception_to_response as convert_in_sync_code,
)
from django.core.handlers.exception import response_for_exception
from django.db import connections
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse
from django.urls import set_urlconf
from django.utils.log import log_response
from django.utils.module_loading import import_string

from split_deploy.handlers import log
from split_deploy.handlers.errors import (
    aresponse_for_exception,
    convert_exception_to_response,
)
from split_deploy.handlers.resolving import ResolvingOnce
from split_deploy.middleware._native import chain, is_plain, sync_chain

logger = logging.getLogger("django.request")

_FIRST_ERROR: Final = 400
_FIRST_SERVER_ERROR: Final = 500


class NativeHandler(ResolvingOnce):
    """Django's ``BaseHandler``, whose async side enters a thread only for what may block.

    To be mixed into a handler, before it. Native middleware next to each other are one call, and a
    path is resolved once, in both modes. All else of the sync side is Django's.
    """

    #: Django's, which its type stubs leave out.
    _get_response: Callable[[HttpRequest], HttpResponseBase]
    #: The ``process_exception`` methods, as the middleware has them.
    _native_exception_middleware: list[Callable[..., Any]]

    def load_middleware(self, is_async: bool = False) -> None:
        """Make the chain of ``settings.MIDDLEWARE``.

        Follows ``BaseHandler.load_middleware()``, which wraps each layer in its own conversion of
        exceptions and each ``process_exception`` in ``async_to_sync()``, and lets nobody choose
        otherwise. A layer of the other mode is adapted as it does, to the same debug messages.
        """
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        self._native_exception_middleware = []

        handler: Any = (
            convert_exception_to_response(self._get_response_async)
            if is_async
            else convert_in_sync_code(self._get_response)
        )
        handler_is_async = is_async
        inside, natives = handler, list[Any]()
        for path in reversed(settings.MIDDLEWARE):
            factory = import_string(path)
            can_sync = getattr(factory, "sync_capable", True)
            can_async = getattr(factory, "async_capable", False)
            if not can_sync and not can_async:
                raise RuntimeError(
                    f"Middleware {path} must have at least one of "
                    "sync_capable/async_capable set to True."
                )
            is_in_async_mode = can_async and (handler_is_async or not can_sync)
            try:
                adapted: Any = self.adapt_method_mode(
                    is_in_async_mode,
                    handler,
                    handler_is_async,
                    debug=settings.DEBUG,
                    name=f"middleware {path}",
                )
                middleware = factory(adapted)
            except MiddlewareNotUsed as reason:
                if settings.DEBUG:
                    logger.debug(
                        "MiddlewareNotUsed(%r): %s" if str(reason) else "MiddlewareNotUsed: %r",
                        *((path, reason) if str(reason) else (path,)),
                    )
                continue
            if middleware is None:
                raise ImproperlyConfigured(f"Middleware factory {path} returned None.")
            self._add_hooks(middleware, is_async=is_async)
            if is_plain(middleware) and middleware.get_response is adapted:
                # Next to each other they are one call, if nothing has to be adapted in between.
                inside, natives = (
                    (inside, [middleware, *natives])
                    if natives and adapted is handler
                    else (adapted, [middleware])
                )
                handler_is_async = is_in_async_mode
                handler = (
                    chain(natives, inside, aresponse_for_exception)
                    if is_in_async_mode
                    else sync_chain(natives, inside, response_for_exception)
                )
                continue
            natives = []
            convert = convert_exception_to_response if is_in_async_mode else convert_in_sync_code
            handler, handler_is_async = convert(middleware), is_in_async_mode

        # Last, since it says that the rest is complete.
        self._middleware_chain = self.adapt_method_mode(is_async, handler, handler_is_async)

    def _add_hooks(self, middleware: Any, *, is_async: bool) -> None:
        if hasattr(middleware, "process_view"):
            self._view_middleware.insert(
                0, self.adapt_method_mode(is_async, middleware.process_view)
            )
        if hasattr(middleware, "process_template_response"):
            self._template_response_middleware.append(
                self.adapt_method_mode(is_async, middleware.process_template_response)
            )
        if hasattr(middleware, "process_exception"):
            self._native_exception_middleware.append(middleware.process_exception)
            # What Django's process_exception_by_middleware() goes through.
            self._exception_middleware.append(
                self.adapt_method_mode(False, middleware.process_exception)
            )

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        """Return the response to ``request``, logged if its status is an error.

        Follows Django's, which logs in a thread whatever becomes of the record.
        """
        set_urlconf(settings.ROOT_URLCONF)
        get_response: Any = self._middleware_chain
        response: Any = await get_response(request)
        response._resource_closers.append(request.close)
        if response.status_code >= _FIRST_ERROR:
            await _log(request, response)
        return response  # type: ignore[no-any-return]

    async def _get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        """Call the view, and the middleware that has a say before and after it.

        Follows Django's, which asks of each view in each request what it is, and enters a thread
        for ``process_exception`` even if no middleware has one.
        """
        response: Any = None
        callback, args, kwargs = self.resolve_request(request)

        for process_view in self._view_middleware:
            response = await process_view(request, callback, args, kwargs)
            if response:
                break

        if response is None:
            view: Any = callback
            if any(database["ATOMIC_REQUESTS"] for database in connections.settings.values()):
                view = self.make_view_atomic(callback)
            if not _is_async(view):
                view = sync_to_async(view)
            try:
                response = await view(request, *args, **kwargs)
            except Exception as error:
                response = await self._process_exception(request, error)
                if response is None:
                    raise

        # The same question as Django's two, of which the answer is nearly always yes.
        if not isinstance(response, HttpResponseBase):
            self.check_response(response, callback)

        if callable(getattr(response, "render", None)):
            response = await self._render(request, response)
        return response  # type: ignore[no-any-return]

    async def _render(self, request: HttpRequest, response: Any) -> Any:
        for process_template_response in self._template_response_middleware:
            response = await process_template_response(request, response)
            self.check_response(
                response,
                process_template_response,
                name=f"{type(process_template_response.__self__).__name__}"
                ".process_template_response",
            )
        try:
            if iscoroutinefunction(response.render):
                response = await response.render()
            elif _is_rendered(response):
                response = response.render()  # which does nothing
            else:
                response = await sync_to_async(response.render)()
        except Exception as error:
            response = await self._process_exception(request, error)
            if response is None:
                raise
        if asyncio.iscoroutine(response):
            raise RuntimeError("Response is still a coroutine.")
        return response

    async def _process_exception(self, request: HttpRequest, error: Exception) -> Any:
        methods = self._native_exception_middleware
        if methods and not any(map(iscoroutinefunction, methods)):
            # All in one call, as Django does.
            return await sync_to_async(self.process_exception_by_middleware)(error, request)
        for method in methods:
            process_exception: Any = self.adapt_method_mode(True, method)
            response = await process_exception(request, error)
            if response:
                return response
        return None


def _is_rendered(response: Any) -> bool:
    is_djangos = getattr(type(response), "render", None) is SimpleTemplateResponse.render
    return is_djangos and bool(response.is_rendered)


def _is_async(view: Any) -> bool:
    # The first is the usual case, in a tenth of the time.
    return (
        type(view) is FunctionType and bool(view.__code__.co_flags & CO_COROUTINE)
    ) or iscoroutinefunction(view)


async def _log(request: HttpRequest, response: HttpResponseBase) -> None:
    # Nothing is written about a response that was logged when its exception was caught.
    is_server_error = response.status_code >= _FIRST_SERVER_ERROR
    level = logging.ERROR if is_server_error else logging.WARNING
    write: Any = log_response
    if not getattr(response, "_has_been_logged", False) and log.can_block(logger, level):
        write = sync_to_async(log_response, thread_sensitive=False)
    written = write(
        "%s: %s", response.reason_phrase, request.path, response=response, request=request
    )
    if written is not None:
        await written
