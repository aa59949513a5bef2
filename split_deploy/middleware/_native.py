"""What Django's own middleware are put on, to run on the event loop, and several as one call."""

from collections.abc import Awaitable, Callable
from types import CoroutineType
from typing import Any, Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

GetResponse = Callable[[HttpRequest], Awaitable[HttpResponseBase]]

_HOOKS: Final = ("process_view", "process_template_response", "process_exception")


class NativeMiddleware(MiddlewareMixin):
    """Django's ``MiddlewareMixin``, whose async mode calls the hooks on the event loop.

    What is put on it has hooks that never block, or says in ``enter()`` and ``leave()`` when they
    may. An async ``aprocess_view()`` takes the place of ``process_view()`` in async mode, so that
    no handler has to adapt that. In sync mode the hooks are called as Django does, or by
    ``sync_chain()``.

    A subclass that overrides ``process_request()`` or ``process_response()`` has them called where
    Django's is, mostly on the event loop: they must not block. ``enter()`` and ``leave()`` may
    return a coroutine for what has to.
    """

    get_response: Callable[[HttpRequest], Any]
    async_mode: bool

    def __init__(
        self, get_response: Callable[[HttpRequest], Any], *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(get_response, *args, **kwargs)
        if self.async_mode:
            for hook in _HOOKS:
                if (native := getattr(self, f"a{hook}", None)) is not None:
                    setattr(self, hook, native)

    def enter(self, request: HttpRequest) -> Any:
        """Return what ``process_request()`` does, or a coroutine that does."""
        if hasattr(self, "process_request"):
            return self.process_request(request)
        return None

    def leave(self, request: HttpRequest, response: Any) -> Any:
        """Return what ``process_response()`` does, or a coroutine that does."""
        if hasattr(self, "process_response"):
            return self.process_response(request, response)
        return response

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer in the async instance."""
        response = self.enter(request)
        if type(response) is CoroutineType:
            response = await response
        response = self.leave(request, response or await self.get_response(request))
        if type(response) is CoroutineType:
            response = await response
        return response  # type: ignore[no-any-return]


def is_plain(middleware: Any) -> bool:
    """Whether it does no more, in the mode that it is in, than to call its hooks."""
    kind = type(middleware)
    return (
        isinstance(middleware, NativeMiddleware)
        and kind.__call__ is MiddlewareMixin.__call__
        and (not middleware.async_mode or kind.__acall__ is NativeMiddleware.__acall__)
    )


def sync_chain(
    middleware: list[NativeMiddleware],
    get_response: Callable[[HttpRequest], HttpResponseBase],
    response_for: Callable[[HttpRequest, Exception], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Do what ``chain()`` does, for middleware in sync mode.

    The hooks are those that each has now, where Django looks them up in each request.
    """
    entering = [getattr(item, "process_request", None) for item in middleware]
    leaving = [getattr(item, "process_response", None) for item in reversed(middleware)]
    count = len(middleware)

    def inner(request: HttpRequest) -> HttpResponseBase:
        response: Any = None
        entered = 0
        try:
            for enter in entering:
                if enter is not None:
                    response = enter(request)
                entered += 1
                if response:
                    break
            response = response or get_response(request)
        except Exception as error:  # noqa: BLE001 - no layer lets one through
            # The layer that met it isn't left. With the last entered, that is what is inside.
            response, entered = answer(request, error, min(entered, count - 1))
        return leave(request, response, entered)

    def leave(request: HttpRequest, response: HttpResponseBase, layers: int) -> HttpResponseBase:
        while layers:
            exit_ = leaving[count - layers]
            layers -= 1
            if exit_ is not None:
                try:
                    response = exit_(request, response)
                except Exception as error:  # noqa: BLE001 - as above
                    response, layers = answer(request, error, layers)
        return response

    def answer(request: HttpRequest, error: Exception, layers: int) -> tuple[HttpResponseBase, int]:
        """Return the response to ``error``, and how many layers it has still to go through."""
        try:
            return response_for(request, error), layers
        except Exception as another:
            # It couldn't be made. The next layer meets that, and the outermost lets it go.
            if not layers:
                raise
            # In here, where sys.exc_info() has it.
            return answer(request, another, layers - 1)

    return inner


def chain(
    middleware: list[NativeMiddleware],
    get_response: GetResponse,
    response_for: Callable[[HttpRequest, Exception], Awaitable[HttpResponseBase]],
) -> GetResponse:
    """Return what a handler makes of several ``is_plain()`` middleware, the outermost first.

    It is the same as to call each through the next, with ``response_for`` around each of them and
    not around ``get_response``, but for a call and two coroutines that each of them would take.
    """
    entering = [_entrance(item) for item in middleware]
    leaving = [_exit(item) for item in reversed(middleware)]
    count = len(middleware)

    async def inner(request: HttpRequest) -> HttpResponseBase:
        response: Any = None
        entered = 0
        try:
            for enter in entering:
                if enter is not None:
                    response = enter(request)
                    if type(response) is CoroutineType:
                        response = await response
                entered += 1
                if response:
                    break
            response = response or await get_response(request)
        except Exception as error:  # noqa: BLE001 - no layer lets one through
            # The layer that met it isn't left. With the last entered, that is what is inside.
            entered = min(entered, count - 1)
            response, entered = await answer(request, error, entered)
        return await leave(request, response, entered) if entered else response  # type: ignore[no-any-return]

    async def leave(request: HttpRequest, response: Any, layers: int) -> Any:
        while layers:
            exit_ = leaving[count - layers]
            layers -= 1
            if exit_ is not None:
                try:
                    response = exit_(request, response)
                    if type(response) is CoroutineType:
                        response = await response
                except Exception as error:  # noqa: BLE001 - as above
                    response, layers = await answer(request, error, layers)
        return response

    async def answer(request: HttpRequest, error: Exception, layers: int) -> tuple[Any, int]:
        """Return the response to ``error``, and how many layers it has still to go through."""
        try:
            return await response_for(request, error), layers
        except Exception as another:
            # It couldn't be made. The next layer meets that, and the outermost lets it go.
            if not layers:
                raise
            # In here, where sys.exc_info() has it.
            return await answer(request, another, layers - 1)

    return inner


def _entrance(middleware: NativeMiddleware) -> Callable[[HttpRequest], Any] | None:
    if type(middleware).enter is NativeMiddleware.enter:
        return getattr(middleware, "process_request", None)
    return middleware.enter


def _exit(middleware: NativeMiddleware) -> Callable[[HttpRequest, Any], Any] | None:
    if type(middleware).leave is NativeMiddleware.leave:
        return getattr(middleware, "process_response", None)
    return middleware.leave
