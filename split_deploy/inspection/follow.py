"""Follows a callable down to the code that runs when it is called.

Nothing of the project is called here, with one exception: the decorators given to Django's
``method_decorator()``, which applies them anew at each request, are applied to a stand-in to see
what they make of it.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import replace
from types import FunctionType, MethodType
from typing import Any, Final

from asgiref.sync import AsyncToSync, SyncToAsync

from split_deploy.inspection import class_views, frameworks
from split_deploy.inspection.behavior import METHOD_DECORATOR, Behavior, Gives
from split_deploy.inspection.bodies import body_of
from split_deploy.inspection.location import location_of, name_of
from split_deploy.inspection.modes import Mode, Problem
from split_deploy.inspection.namespace import MISSING, class_attribute, closure_of
from split_deploy.inspection.wrapped import hands_on, is_async_def, unknown_callee, wrapped_by
from split_deploy.inspection.wrappers import around, in_loop, in_thread

_FOLLOW_AT_MOST: Final = 30


class StandIn(functools.partial[Any]):
    """A method whose behavior is known, for decorators to be applied to.

    It is what ``method_decorator()`` gives to them too: a partial, with the method's metadata.
    """

    behavior: Behavior

    @classmethod
    def of(cls, method: Callable[..., Any], behavior: Behavior) -> "StandIn":
        stand_in = cls(method)
        functools.update_wrapper(stand_in, method)
        stand_in.behavior = behavior
        return stand_in


def behavior_of(thing: Any, depth: int = 0) -> Behavior:
    """Follow ``thing`` through partials, methods, wrappers and closures to the code that runs."""
    if depth > _FOLLOW_AT_MOST:
        return _unknown("wrapped more often than is followed")
    if isinstance(thing, StandIn):
        return thing.behavior
    if isinstance(thing, functools.partial):
        return _of_partial(thing, depth).because("functools.partial of ")
    if isinstance(thing, SyncToAsync):
        return in_thread(behavior_of(thing.func, depth + 1), thing, "proven")
    if isinstance(thing, AsyncToSync):
        return in_loop(behavior_of(thing.awaitable, depth + 1), thing, "proven")
    if isinstance(thing, MethodType):
        return behavior_of(thing.__func__, depth + 1)
    if isinstance(thing, FunctionType):
        return _of_function(thing, depth)
    if isinstance(thing, type):
        return _of_class(thing)
    return _of_object(thing, depth)


def _of_partial(partial: functools.partial[Any], depth: int) -> Behavior:
    function = partial.func
    if isinstance(function, FunctionType) and (body := body_of(function.__code__)):
        # It may be given the view that it calls.
        names = function.__code__.co_varnames[: function.__code__.co_argcount]
        given = dict(zip(names, partial.args, strict=False)) | partial.keywords
        for call in body.calls:
            if callable(view := given.get(call.name)) and hands_on(call, body):
                return around(function, behavior_of(view, depth + 1), call)
    return behavior_of(function, depth + 1)


def _of_function(function: FunctionType, depth: int) -> Behavior:
    if special := _of_known_maker(function, depth):
        return special
    flags = function.__code__.co_flags
    if flags & (inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR):
        problem = Problem(
            "not-a-response",
            f"{name_of(function)} is a generator function: calling it gives a generator and no "
            "response. Return a StreamingHttpResponse of the generator.",
            "proven",
            location_of(function),
        )
        return Behavior(
            mode=None,
            gives="error",
            certainty="proven",
            reason="a generator function",
            problems=(problem,),
        )
    wrapped, call = wrapped_by(function)
    if wrapped is MISSING:
        if is_async_def(function):
            return _leaf(function, "async", "awaitable", "async def")
        kind = "lambda" if function.__name__ == "<lambda>" else "def"
        leaf = _leaf(function, "sync", "response", kind)
        if unknown := unknown_callee(function):
            reason = f"{kind}, if what it returns of {unknown} is no coroutine"
            return replace(leaf, certainty="suspected", reason=reason)
        return leaf
    inner = behavior_of(wrapped, depth + 1)
    return around(function, inner, call)


def _leaf(function: FunctionType, mode: Mode, gives: Gives, reason: str) -> Behavior:
    return Behavior(
        mode=mode, gives=gives, certainty="proven", reason=reason, functions=(function,)
    )


def _unknown(reason: str) -> Behavior:
    return Behavior(mode=None, gives="response", certainty="suspected", reason=reason)


def _of_known_maker(function: FunctionType, depth: int) -> Behavior | None:
    if special := frameworks.behavior_of(function):
        return special
    name = function.__code__.co_qualname
    if name == "View.as_view.<locals>.view":
        return class_views.behavior_of(closure_of(function)["cls"])
    if name == METHOD_DECORATOR:
        method = closure_of(function)["method"]
        return decorated(function, behavior_of(method, depth + 1), depth)
    partialmethod = function.__dict__.get("_partialmethod") or function.__dict__.get(
        "__partialmethod__"
    )
    if isinstance(partialmethod, functools.partialmethod):
        return behavior_of(partialmethod.func, depth + 1).because("functools.partialmethod of ")
    return None


def decorated(wrapper: FunctionType, inner: Behavior, depth: int = 0) -> Behavior:
    """What ``method_decorator()`` makes of a method with the behavior ``inner``."""
    closure = closure_of(wrapper)
    made: Any = StandIn.of(closure["method"], inner)
    try:
        for decorate in closure["decorators"]:
            made = decorate(made)
    except Exception as error:  # noqa: BLE001 - whatever a decorator may raise
        return replace(
            inner,
            certainty="suspected",
            reason=f"decorated by what raises {error!r}: {inner.reason}",
        )
    return behavior_of(made, depth + 1)


def _of_class(cls: type) -> Behavior:
    if class_views.is_view(cls):
        problem = Problem(
            "class-without-as-view",
            f"{name_of(cls)} is in the URLconf as a class: write {cls.__name__}.as_view().",
            "proven",
            location_of(cls),
        )
        inner = class_views.behavior_of(cls)
        return replace(
            inner.with_problems(problem),
            mode=None,
            gives="error",
            certainty="proven",
            reason="a view class without as_view()",
        )
    return Behavior(
        mode="sync", gives="response", certainty="suspected", reason=f"the class {cls.__name__}"
    )


def _of_object(thing: Any, depth: int) -> Behavior:
    name = type(thing).__name__
    call = class_attribute(type(thing), "__call__")
    if not isinstance(call, FunctionType):
        if callable(wrapped := getattr(thing, "__wrapped__", None)):
            inner = behavior_of(wrapped, depth + 1).because(f"{name} object around ")
            return replace(inner, certainty="suspected")
        return _unknown(f"{name} object, not written in Python")
    body = body_of(call.__code__)
    for each in body.calls if body and not is_async_def(call) else ():
        owner, _, attribute = each.name.rpartition(".")
        if owner != "self" or body is None:
            continue
        held = getattr(thing, "__dict__", {}).get(attribute)
        if callable(held) and hands_on(each, body):
            return around(call, behavior_of(held, depth + 1), each)
        method = class_attribute(type(thing), attribute)
        if isinstance(method, FunctionType) and each.use == "returned" and is_async_def(method):
            return around(call, behavior_of(method, depth + 1), each)
    return behavior_of(call, depth + 1).because(f"{name} object with __call__: ")
