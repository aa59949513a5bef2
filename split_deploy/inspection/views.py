"""One view: what it declares and what it does."""

import functools
import inspect
from types import FunctionType, MethodType
from typing import Any

from asgiref.sync import AsyncToSync, SyncToAsync, iscoroutinefunction

from split_deploy.inspection import frameworks, streams
from split_deploy.inspection.behavior import Behavior
from split_deploy.inspection.follow import behavior_of
from split_deploy.inspection.location import location_of, name_of, underlying
from split_deploy.inspection.modes import CallbackReport, Finding, Location, Problem
from split_deploy.inspection.wrapped import is_async_def


def inspect_view(callback: Any) -> CallbackReport:
    """Return what Django is told of ``callback`` and what happens when it is called.

    ``callback`` is what stands in the URLconf: a function, ``MyView.as_view()``, any callable.
    Never raises: for what can't be inspected the effective mode is ``None``, with the reason.
    """
    try:
        return _report(callback, behavior_of(callback))
    except Exception as error:  # noqa: BLE001 - one odd callable must not hide all others
        return _failed(callback, error)


def inspect_operations(callback: Any) -> list[CallbackReport]:
    """Return a report for each operation of a Django Ninja path, and one for any other view."""
    try:
        operations = frameworks.operations_of(callback)
        reports = [
            _report(callback, each.behavior, view=each.view, prefix=f"{'/'.join(each.methods)} ")
            for each in operations
        ]
    except Exception as error:  # noqa: BLE001 - as above
        return [_failed(callback, error)]
    return reports or [inspect_view(callback)]


def declared_mode(callback: Any) -> Finding:
    """Return what Django gets for an answer when it asks ``iscoroutinefunction(callback)``."""
    mode = "async" if iscoroutinefunction(callback) else "sync"
    return Finding("async" if mode == "async" else "sync", "proven", _declared_by(callback, mode))


def _declared_by(callback: Any, mode: str) -> str:
    if isinstance(callback, functools.partial):
        return f"functools.partial of {_declared_by(callback.func, mode)}"
    if isinstance(callback, MethodType):
        return f"a method, {_declared_by(callback.__func__, mode)}"
    if isinstance(callback, SyncToAsync):
        return "sync_to_async()"
    if isinstance(callback, AsyncToSync):
        return "async_to_sync()"
    if isinstance(callback, FunctionType):
        if is_async_def(callback):
            return "async def"
        if isinstance(view_class := getattr(callback, "view_class", None), type):
            return f"{view_class.__name__}.view_is_async"
        if mode == "async":
            return "marked with markcoroutinefunction()"
        return "a lambda" if callback.__name__ == "<lambda>" else "def"
    if isinstance(callback, type):
        return f"the class {callback.__name__}"
    name = type(callback).__name__
    if mode == "async":
        return f"{name} object marked with markcoroutinefunction()"
    call = getattr(type(callback), "__call__", None)  # noqa: B004 - what it is, not whether
    if inspect.iscoroutinefunction(call):
        return f"{name} object, whose async __call__ Django doesn't ask about"
    return f"{name} object"


def _report(
    callback: Any, behavior: Behavior, *, view: Any = None, prefix: str = ""
) -> CallbackReport:
    declared = declared_mode(callback)
    name, location = _place(view if view is not None else callback)
    if "<locals>" in name and len(behavior.functions) == 1:
        # What a decorator made that didn't keep the name of what it decorates.
        name, location = _place(behavior.functions[0])
    problems = [
        *behavior.problems,
        *_contradiction(name, location, declared, behavior),
        *streams.problems_of(behavior),
    ]
    effective = behavior.finding()
    if behavior.gives == "response" and declared.mode == "async" and effective.mode == "sync":
        effective = Finding("sync", "suspected", effective.reason)
    return CallbackReport(
        view=name,
        location=location,
        declared=declared,
        effective=Finding(effective.mode, effective.certainty, f"{prefix}{effective.reason}"),
        problems=tuple(dict.fromkeys(problems)),
    )


def _contradiction(
    name: str, location: Location | None, declared: Finding, behavior: Behavior
) -> list[Problem]:
    if declared.mode == "sync" and behavior.gives == "awaitable":
        return [
            Problem(
                "hidden-async",
                f"{name} returns a coroutine, and Django, which takes it for sync, doesn't await "
                f"it: the request fails ({declared.reason}; in fact {behavior.reason}). Make the "
                "wrapper async, or mark it with markcoroutinefunction().",
                behavior.certainty,
                location,
            )
        ]
    if declared.mode == "async" and behavior.gives == "response":
        return [
            Problem(
                "not-awaitable",
                f"{name} says that it is async and returns a response that can't be awaited: the "
                f"request fails ({declared.reason}; in fact {behavior.reason}). Don't mark it, or "
                "make it async def.",
                "suspected",
                location,
            )
        ]
    return []


def _place(view: Any) -> tuple[str, Location | None]:
    made = underlying(view, unwrap=False)
    if isinstance(made, type) and (function := frameworks.api_view_function(made)):
        return f"{function.__module__}.{function.__qualname__}", location_of(function)
    return name_of(view), location_of(view)


def _failed(callback: Any, error: Exception) -> CallbackReport:
    try:
        name, location = _place(callback)
    except Exception:  # noqa: BLE001 - as above
        name, location = object.__repr__(callback), None
    try:
        declared = declared_mode(callback)
    except Exception:  # noqa: BLE001 - as above
        declared = Finding(None, "proven", "iscoroutinefunction() fails")
    reason = f"it can't be inspected: {type(error).__name__}: {error}"
    problem = Problem("not-inspected", f"{name}: {reason}.", "proven", location)
    return CallbackReport(
        view=name,
        location=location,
        declared=declared,
        effective=Finding(None, "suspected", reason),
        problems=(problem,),
    )
