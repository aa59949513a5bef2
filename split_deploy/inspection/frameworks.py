"""What Django REST framework, Django Ninja and django-modern-rest do with a handler.

A framework that the project hasn't imported can't be in its URLconf, and isn't imported here.
"""

import sys
from dataclasses import dataclass, replace
from types import FunctionType
from typing import Any

from django.views import View

from split_deploy.inspection import class_views, follow
from split_deploy.inspection.behavior import Behavior
from split_deploy.inspection.location import location_of, name_of
from split_deploy.inspection.modes import Problem
from split_deploy.inspection.namespace import closure_of
from split_deploy.inspection.wrapped import is_async_def

_NINJA_VIEWS = {
    "PathView.get_view.<locals>.async_view_wrapper": True,
    "PathView.get_view.<locals>.sync_view_wrapper": False,
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One of the operations that Django Ninja serves at one path."""

    methods: tuple[str, ...]
    view: Any
    behavior: Behavior


def behavior_of(function: FunctionType) -> Behavior | None:
    """What a view function does that a framework made, or ``None`` if none did."""
    name = function.__code__.co_qualname
    if name == "ViewSetMixin.as_view.<locals>.view":
        return _of_view_set(function)
    if operations := operations_of(function):
        return _of_operations(operations)
    return None


def behavior_of_class(cls: type[View]) -> Behavior | None:
    """What a view class does that has more to go by than its handlers, or ``None``."""
    controller = _loaded("dmr.controller", "Controller")
    if controller is not None and issubclass(cls, controller):
        return _of_controller(cls)
    return None


def as_dispatched(cls: type[View], inner: Behavior) -> Behavior:
    """What the ``dispatch()`` of the framework makes of the handlers of ``cls``."""
    api_view = _loaded("rest_framework.views", "APIView")
    if api_view is None or not issubclass(cls, api_view) or _has_async_dispatch(cls):
        return inner
    if inner.gives != "awaitable" and inner.mode is not None:
        return inner
    if inner.gives == "error":
        return inner
    problem = Problem(
        "drf-async-handler",
        f"{name_of(cls)} has an async handler, and Django REST framework doesn't await it: the "
        "request fails. Make the handler sync, or write the view without the framework.",
        "proven",
        location_of(cls),
    )
    return replace(
        inner,
        mode=None,
        gives="error",
        reason=f"Django REST framework calls it without await: {inner.reason}",
        problems=(*inner.problems, problem),
    )


# Django REST framework


def _of_view_set(function: FunctionType) -> Behavior:
    closure = closure_of(function)
    cls, actions = closure["cls"], closure["actions"]
    return class_views.behavior_of(
        cls, {method: getattr(cls, action, None) for method, action in actions.items()}
    )


def _has_async_dispatch(cls: type[View]) -> bool:
    return any(klass.__module__.startswith("adrf.") for klass in cls.__mro__)


def api_view_function(cls: type) -> FunctionType | None:
    """Return the function that ``@api_view`` made ``cls`` of."""
    for value in vars(cls).values():
        if isinstance(value, FunctionType) and value.__code__.co_qualname == (
            "api_view.<locals>.decorator.<locals>.handler"
        ):
            made_of = closure_of(value).get("func")
            return made_of if isinstance(made_of, FunctionType) else None
    return None


# Django Ninja


def operations_of(function: Any) -> list[Operation]:
    """Return the operations of a path that Django Ninja serves; none for any other view."""
    code = getattr(function, "__code__", None)
    path_view = _loaded("ninja.operation", "PathView")
    if code is None or path_view is None or code.co_qualname not in _NINJA_VIEWS:
        return []
    view = closure_of(function).get("self")
    if not isinstance(view, path_view):
        return []
    return [
        Operation(
            tuple(operation.methods),
            operation.view_func,
            _of_operation(operation, in_async=_NINJA_VIEWS[code.co_qualname]),
        )
        for operation in view.operations  # type: ignore[attr-defined]
    ]


def _of_operation(operation: Any, *, in_async: bool) -> Behavior:
    inner = follow.behavior_of(operation.view_func)
    name = name_of(operation.view_func)
    if inner.gives == "error" and not operation.stream_format:
        return inner
    if operation.stream_format:
        # The generator is the stream, so its kind is the mode.
        mode = "async" if operation.is_async else "sync"
        inner = Behavior(
            mode="async" if operation.is_async else "sync",
            gives="awaitable" if operation.is_async else "response",
            certainty="proven",
            reason=f"a {mode} generator that Django Ninja streams",
        )
    if operation.is_async:
        return replace(inner, problems=(*inner.problems, *_sync_auth(operation, name)))
    if inner.gives == "awaitable":
        problem = Problem(
            "hidden-async",
            f"{name} is async behind a sync wrapper, and Django Ninja doesn't await it: the "
            "request fails. Make the wrapper async too.",
            inner.certainty,
            location_of(operation.view_func),
        )
        return replace(inner, gives="error", problems=(*inner.problems, problem))
    if not in_async:
        return inner
    problem = Problem(
        "thread-bridge",
        f"{name} is sync, but the path has an async operation too, so Django Ninja calls it in a "
        "thread: one thread hop for each request. Give the two a path each, and an instance each.",
        "proven",
        location_of(operation.view_func),
    )
    return replace(
        inner,
        gives="awaitable",
        reason=f"in a thread, beside an async operation: {inner.reason}",
        problems=(*inner.problems, problem),
    )


def _sync_auth(operation: Any, name: str) -> list[Problem]:
    found = []
    for callback in operation.auth_callbacks:
        if follow.behavior_of(callback).gives != "response" or _authenticates_async(callback):
            continue
        found.append(
            Problem(
                "sync-decorator",
                f"{name} is async and its authentication, {name_of(callback)}, is sync: Django "
                "Ninja calls it on the event loop. Give it an async authenticate().",
                "suspected",
                location_of(operation.view_func),
            )
        )
    return found


def _authenticates_async(callback: Any) -> bool:
    method = getattr(type(callback), "authenticate", None)
    return bool(getattr(callback, "is_async", False)) or (
        isinstance(method, FunctionType) and is_async_def(method)
    )


def _of_operations(operations: list[Operation]) -> Behavior:
    behaviors = [each.behavior for each in operations]
    modes = {each.mode for each in behaviors}
    reasons = "; ".join(
        f"{'/'.join(each.methods)} is {each.behavior.reason}" for each in operations
    )
    return Behavior(
        mode=behaviors[0].mode if len(modes) == 1 else None,
        gives=behaviors[0].gives,
        certainty=(
            "proven" if all(each.certainty == "proven" for each in behaviors) else "suspected"
        ),
        reason=f"Django Ninja: {reasons}",
        problems=tuple(dict.fromkeys(problem for each in behaviors for problem in each.problems)),
        functions=tuple(function for each in behaviors for function in each.functions),
    )


# django-modern-rest


def _of_controller(cls: Any) -> Behavior:
    endpoints = getattr(cls, "api_endpoints", {})
    inner = [follow.behavior_of(each.func) for each in endpoints.values()]
    is_async = cls.is_async is True
    return Behavior(
        mode="async" if is_async else "sync",
        gives="awaitable" if is_async else "response",
        certainty="proven",
        reason=f"an {'async' if is_async else 'sync'} controller".replace("an sync", "a sync"),
        problems=tuple(dict.fromkeys(problem for each in inner for problem in each.problems)),
        functions=tuple(function for each in inner for function in each.functions),
    )


def _loaded(module: str, name: str) -> type | None:
    found = getattr(sys.modules.get(module), name, None)
    return found if isinstance(found, type) else None
