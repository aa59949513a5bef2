"""Decorators of Django that do sync work around an async view, though they know async views."""

from collections.abc import Sequence
from types import FunctionType
from typing import Final

from asgiref.sync import iscoroutinefunction
from django.middleware.csrf import CsrfViewMiddleware

from split_deploy.inspection.location import location_of, name_of
from split_deploy.inspection.modes import Problem
from split_deploy.inspection.namespace import closure_of

_MIDDLEWARE: Final = (
    "make_middleware_decorator.<locals>._make_decorator.<locals>._decorator.<locals>._view_wrapper"
)
_USER_TEST: Final = "user_passes_test.<locals>.decorator.<locals>._view_wrapper"


def problems_of(wrapper: FunctionType, view: FunctionType) -> list[Problem]:
    """Return what ``wrapper``, an async function of a decorator around ``view``, does besides."""
    name = wrapper.__code__.co_qualname
    if name == _MIDDLEWARE:
        return _middleware(wrapper, view)
    if name == _USER_TEST:
        return _user_test(wrapper, view)
    return []


def problems_on_the_loop(wrapper: FunctionType, views: Sequence[FunctionType]) -> list[Problem]:
    """Return what ``wrapper``, sync and around the ``dispatch()`` of an async class, does there."""
    if wrapper.__code__.co_qualname != _USER_TEST or not views:
        return []
    return [
        Problem(
            "sync-decorator",
            f"{name_of(views[0])} is async, and login_required or user_passes_test is around the "
            "sync dispatch() of its class: it reads request.user on the event loop, and a request "
            "that it denies fails, because its response can't be awaited. Decorate the handlers "
            "instead.",
            "proven",
            location_of(views[0]),
        )
    ]


def _middleware(wrapper: FunctionType, view: FunctionType) -> list[Problem]:
    before = closure_of(wrapper).get("_pre_process_request")
    middleware = closure_of(before).get("middleware") if isinstance(before, FunctionType) else None
    # The CSRF check reads headers and the body, which are in memory by now.
    if middleware is None or isinstance(middleware, CsrfViewMiddleware):
        return []
    is_cache = type(middleware).__module__ == "django.middleware.cache"
    return [
        Problem(
            "sync-decorator",
            f"{name_of(view)} is async and is decorated with {type(middleware).__name__}, "
            "whose sync methods run on the event loop"
            + (
                ": each request waits there for the cache. Use the cache's a-methods in the view, "
                "or let nginx cache the response."
                if is_cache
                else ". If they wait for anything, nothing else is served meanwhile."
            ),
            "proven" if is_cache else "suspected",
            location_of(view),
        )
    ]


def _user_test(wrapper: FunctionType, view: FunctionType) -> list[Problem]:
    test = closure_of(wrapper).get("test_func")
    if test is None or iscoroutinefunction(test):
        return []
    return [
        Problem(
            "thread-hop",
            f"{name_of(view)} is async and its login_required or user_passes_test has a sync "
            "test, which Django calls in a thread: one thread hop for each request. Give "
            "user_passes_test() an async test.",
            "proven",
            location_of(view),
        )
    ]
