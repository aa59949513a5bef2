"""What a function hands its request on to: what a decorator decorated, or what a view delegates to.

Read from its closure, ``__wrapped__`` and its source.
"""

import inspect
from types import CodeType, FunctionType
from typing import Any, Final

from asgiref.sync import iscoroutinefunction

from split_deploy.inspection.bodies import STARRED, Body, Call, Via, body_of
from split_deploy.inspection.namespace import (
    MISSING,
    class_attribute,
    closure_of,
    owner_of,
    resolve,
)

# What decorators call the function that they got, if nothing else tells.
_USUAL_NAMES: Final = {
    *("view", "view_func", "viewfunc", "func", "function", "fn", "f", "callback", "wrapped"),
}
_TO_THREAD: Final = {"sync_to_async", "SyncToAsync", "to_thread", "run_in_executor"}
_TO_LOOP: Final = {"async_to_sync", "AsyncToSync", "run", "run_until_complete"}


def wrapped_by(function: FunctionType) -> tuple[Any, Call | None]:
    """Return the callable that ``function`` hands its request on to, and the call.

    ``MISSING`` if there is none, and ``None`` for a call that can't be read.
    """
    closure = closure_of(function)
    callables = {
        name: value
        for name, value in closure.items()
        if callable(value) and not isinstance(value, type)
    }
    wrapped = function.__dict__.get("__wrapped__", MISSING)
    for name, value in callables.items():
        if value is wrapped:
            return value, _call_of(function, name)
    # update_wrapper() can set __wrapped__ to what is further down, or anything: what it calls comes
    # first. Decorators have helpers that get the request too, so the usual names come before.
    for name in sorted(callables, key=lambda name: name not in _USUAL_NAMES):
        if call := _call_of(function, name):
            return callables[name], call
    if callable(wrapped):
        return wrapped, None
    if body_of(function.__code__) is None:
        for name in _USUAL_NAMES & callables.keys():
            return callables[name], None
    return _delegate_of(function)


def _delegate_of(function: FunctionType) -> tuple[Any, Call | None]:
    """Return what a function without a closure does nothing but call."""
    if not _may_delegate(function) or (body := body_of(function.__code__)) is None:
        return MISSING, None
    for call in body.calls:
        if call.use != "returned" or not hands_on(call, body):
            continue
        target = resolve(function, call.name)
        if not callable(target) or isinstance(target, type) or target is function:
            continue
        # A sync view may return what an async one gives at any place. An async view that calls a
        # sync function somewhere is still async; only one that does nothing else is not.
        if body.is_one_return or (not is_async_def(function) and _gives_awaitable(target)):
            return target, call
    return MISSING, None


def _may_delegate(function: FunctionType) -> bool:
    """Whether any name in the function stands for a function; cheap, without the source."""
    names = function.__code__.co_names
    if not {"super", *_TO_THREAD, *_TO_LOOP}.isdisjoint(names):
        return True
    found = [function.__globals__.get(name) for name in names]
    owner = owner_of(function)
    if owner is not None:
        found += [class_attribute(owner, name) for name in names if name != function.__name__]
    return any(
        callable(value)
        and not isinstance(value, type)
        # Its functions take a request and give a response, and are no views.
        and getattr(value, "__module__", None) != "django.shortcuts"
        for value in found
    )


def _gives_awaitable(target: Any) -> bool:
    return iscoroutinefunction(target) or iscoroutinefunction(getattr(target, "__call__", None))  # noqa: B004


def _call_of(function: FunctionType, name: str) -> Call | None:
    body = body_of(function.__code__)
    if body is None:
        return None
    return next((call for call in body.calls if call.name == name and hands_on(call, body)), None)


def hands_on(call: Call, body: Body) -> bool:
    """Whether a call passes on the request, or all the arguments that the function got."""
    first = call.arguments[0] if call.arguments else ""
    return bool(first) and first in {body.parameter, STARRED}


def bridge_by_name(code: CodeType) -> Via:
    """Return how ``code`` calls what it wraps, by the names in it; for want of its source."""
    names = {*code.co_names, *code.co_freevars}
    if names & _TO_THREAD:
        return "thread"
    if names & (_TO_LOOP - {"run"}):
        return "loop"
    return "call"


def unknown_callee(function: FunctionType) -> str | None:
    """Return what a sync function calls with its request and returns, if nobody knows what it is.

    Django's own views are known.
    """
    if function.__module__.startswith("django.") or (body := body_of(function.__code__)) is None:
        return None
    for call in body.calls:
        is_handed_on = call.use == "returned" and call.via == "call" and hands_on(call, body)
        if is_handed_on and resolve(function, call.name) is MISSING:
            return f"{call.name}()" if call.name else "a call"
    return None


def is_async_def(function: FunctionType) -> bool:
    """Whether Python itself makes a coroutine of each call."""
    return bool(function.__code__.co_flags & inspect.CO_COROUTINE)
