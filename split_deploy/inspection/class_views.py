"""Class-based views: ``view_is_async``, the handlers, and what ``dispatch()`` makes of them."""

from collections.abc import Iterator
from dataclasses import replace
from types import FunctionType
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.views import View

from split_deploy.inspection import follow, frameworks
from split_deploy.inspection.behavior import METHOD_DECORATOR, Behavior
from split_deploy.inspection.bodies import Body, body_of
from split_deploy.inspection.location import location_of, name_of
from split_deploy.inspection.modes import Problem
from split_deploy.inspection.namespace import closure_of
from split_deploy.inspection.wrappers import around

# Whose own dispatch() calls the handler and returns what it gives.
_PLAIN_DISPATCH: Final = (
    "django.views.generic.base",
    "rest_framework.views",
    "dmr.controller",
    "adrf.views",
)
# By name: importing it imports the user model, which a project needn't have.
_ACCESS_MIXINS: Final = "django.contrib.auth.mixins"


def is_view(thing: Any) -> bool:
    """Whether ``thing`` is a class-based view."""
    return isinstance(thing, type) and issubclass(thing, View)


def handlers_of(cls: type[View]) -> dict[str, Any]:
    """Return the handlers that ``view_is_async`` looks at, by HTTP method."""
    return {
        method: getattr(cls, method)
        for method in cls.http_method_names
        if method != "options" and hasattr(cls, method)
    }


def behavior_of(cls: type[View], handlers: dict[str, Any] | None = None) -> Behavior:
    """What a request to the class does; ``handlers`` if they are other than its attributes."""
    if special := frameworks.behavior_of_class(cls):
        return _dispatched(cls, special)
    if handlers is None:
        handlers = handlers_of(cls)
    problems = list(_invalid(cls, handlers))
    found = {
        method: follow.behavior_of(handler)
        for method, handler in handlers.items()
        if callable(handler)
    }
    for each in found.values():
        problems += [problem for problem in each.problems if problem not in problems]
    functions = tuple(dict.fromkeys(name for each in found.values() for name in each.functions))
    inner = _together(cls, found)
    problems += [problem for problem in inner.problems if problem not in problems]
    inner = replace(inner, problems=tuple(problems), functions=functions)
    return _dispatched(cls, frameworks.as_dispatched(cls, inner))


def _together(cls: type[View], found: dict[str, Behavior]) -> Behavior:
    try:
        cls.view_is_async  # noqa: B018 - it raises for what Django doesn't accept
    except ImproperlyConfigured as error:
        message = (
            f"{error} Django refuses the class in as_view(). Make two views of it, one for each "
            "instance."
        )
        return Behavior(
            mode=None,
            gives="error",
            certainty="proven",
            reason="a class with sync and async handlers",
            problems=(Problem("mixed-handlers", message, "proven", location_of(cls)),),
        )
    if not found:
        return Behavior(
            mode="sync",
            gives="response",
            certainty="proven",
            reason=f"the class {cls.__name__} has no handlers",
        )
    # A handler that fails in any case says nothing about the others.
    working = [each for each in found.values() if each.gives != "error"] or [*found.values()]
    if len({(each.mode, each.gives) for each in working}) == 1:
        (first, *_) = working
        certain = all(each.certainty == "proven" for each in found.values())
        return replace(
            first,
            certainty="proven" if certain else "suspected",
            reason=f"the class {cls.__name__}, {', '.join(found)}(): {first.reason}",
        )
    each_one = ", ".join(f"{method}() is {item.reason}" for method, item in found.items())
    return Behavior(
        mode=None,
        gives="awaitable" if cls.view_is_async else "response",
        certainty="suspected",
        reason=f"the class {cls.__name__} has handlers of both modes: {each_one}",
        problems=(
            Problem(
                "mixed-handlers",
                f"The handlers of {name_of(cls)} don't run in one mode: {each_one}. Make two views "
                "of it, one for each instance.",
                "suspected",
                location_of(cls),
            ),
        ),
    )


def _invalid(cls: type[View], handlers: dict[str, Any]) -> Iterator[Problem]:
    for method, handler in handlers.items():
        if not callable(handler):
            yield Problem(
                "invalid-handler",
                f"{name_of(cls)}.{method} is {handler!r} and can't be called. To refuse the "
                "method, leave it out of http_method_names.",
                "proven",
                location_of(cls),
            )
    if not handlers and not any(True for _ in _overrides(cls)):
        yield Problem(
            "no-handlers",
            f"{name_of(cls)} has no handlers: it answers 405 to every request.",
            "proven",
            location_of(cls),
        )


def _overrides(cls: type[View]) -> Iterator[tuple[type, FunctionType]]:
    """Yield the ``dispatch()`` methods around the plain one, the outermost first."""
    for klass in cls.__mro__:
        dispatch = klass.__dict__.get("dispatch")
        if not isinstance(dispatch, FunctionType):
            continue
        if _is_plain(dispatch):
            return
        yield klass, dispatch


def _is_plain(dispatch: FunctionType) -> bool:
    return (
        dispatch.__module__ in _PLAIN_DISPATCH
        and dispatch.__code__.co_qualname == dispatch.__qualname__
    )


def _dispatched(cls: type[View], inner: Behavior) -> Behavior:
    """What the overridden ``dispatch()`` methods make of the handlers."""
    inner = replace(inner, on_the_loop=inner.gives == "awaitable")
    for klass, dispatch in reversed(list(_overrides(cls))):
        if klass.__module__ == _ACCESS_MIXINS:
            inner = _behind_access_mixin(cls, klass, inner)
        else:
            inner = _behind_dispatch(dispatch, inner)
    return inner


def _behind_access_mixin(cls: type[View], mixin: type, inner: Behavior) -> Behavior:
    if inner.gives != "awaitable":
        return inner
    problem = Problem(
        "sync-decorator",
        f"{mixin.__name__} is sync, and {name_of(cls)} is async: it reads request.user on the "
        "event loop, and a request that it denies fails, because its response can't be awaited. "
        "Use login_required or permission_required on the handlers through method_decorator().",
        "proven",
        location_of(cls),
    )
    return inner.with_problems(problem)


def _behind_dispatch(dispatch: FunctionType, inner: Behavior) -> Behavior:
    if dispatch.__code__.co_qualname == METHOD_DECORATOR:
        method = closure_of(dispatch)["method"]
        if isinstance(method, FunctionType) and not _is_plain(method):
            inner = _behind_dispatch(method, inner)
        outer = follow.decorated(dispatch, inner)
        return replace(outer, functions=inner.functions)
    body = body_of(dispatch.__code__)
    calls = [each for each in (body.calls if body else ()) if each.name.endswith(".dispatch")]
    if body is not None and not calls and "dispatch" not in dispatch.__code__.co_names:
        if _delegates(dispatch, body):
            return inner
        # It answers by itself.
        own = follow.behavior_of(dispatch)
        return replace(own, problems=(*inner.problems, *own.problems))
    return around(dispatch, inner, calls[0] if calls else None)


def _delegates(dispatch: FunctionType, body: Body) -> bool:
    """Whether it calls a function of its closure: another ``dispatch()``, by another name."""
    return any(each.name in dispatch.__code__.co_freevars for each in body.calls)
