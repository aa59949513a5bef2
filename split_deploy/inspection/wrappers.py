"""What a wrapper makes of what it wraps: nothing, a bridge to the other mode, or an error."""

from dataclasses import replace
from types import CodeType, FunctionType
from typing import Any

from split_deploy.inspection import decorators
from split_deploy.inspection.behavior import Behavior
from split_deploy.inspection.bodies import Call
from split_deploy.inspection.location import location_of, name_of
from split_deploy.inspection.modes import Certainty, Problem
from split_deploy.inspection.wrapped import bridge_by_name, is_async_def


def around(wrapper: FunctionType, inner: Behavior, call: Call | None) -> Behavior:
    """Return what ``wrapper`` makes of ``inner``, which it calls by ``call``, if that is known."""
    via = call.via if call else bridge_by_name(wrapper.__code__)
    kind = "async" if is_async_def(wrapper) else "sync"
    if inner.gives == "error":
        return inner
    if (kind == "async") != (inner.gives == "awaitable"):
        inner = inner.because(f"the {kind} wrapper {_label(wrapper)} around ")
    if inner.gives == "response" and via == "thread":
        inner = in_thread(inner, wrapper, "suspected")
    elif inner.gives == "awaitable" and via == "loop":
        inner = in_loop(inner, wrapper, "suspected")
    if kind == "async":
        if inner.gives == "response":
            return _on_loop(inner, wrapper)
        found = decorators.problems_of(wrapper, inner.functions[0] if inner.functions else wrapper)
        return inner.with_problems(*found)
    if inner.gives == "awaitable":
        if call and call.use != "returned" and not _looks_at_the_result(wrapper.__code__):
            return _mistaken(inner, wrapper)
        found = (
            decorators.problems_on_the_loop(wrapper, inner.functions) if inner.on_the_loop else []
        )
        return replace(inner.with_problems(*found), certainty="suspected")
    return inner


def _label(wrapper: FunctionType) -> str:
    """The decorator that made a wrapper, or the wrapper itself if none did."""
    name = wrapper.__code__.co_qualname.partition(".<locals>")[0]
    return "lambda" if name.endswith("<lambda>") else f"{name}()"


def _looks_at_the_result(code: CodeType) -> bool:
    return not {"iscoroutine", "isawaitable"}.isdisjoint(code.co_names)


def _mistaken(inner: Behavior, wrapper: FunctionType) -> Behavior:
    problem = Problem(
        "coroutine-as-response",
        f"{_label(wrapper)} wraps {_subject(inner, wrapper)} in a sync function that takes its "
        "coroutine for a response, which fails. Decorate the async handler itself, with a "
        "decorator that knows async views.",
        "suspected",
        location_of(wrapper) if not inner.functions else location_of(inner.functions[0]),
    )
    return replace(inner.with_problems(problem), gives="error", certainty="suspected")


def in_thread(inner: Behavior, by: Any, certainty: Certainty) -> Behavior:
    """Return what becomes of ``inner`` when ``by`` calls it in a thread."""
    if inner.gives != "response":
        return inner
    problem = Problem(
        "thread-bridge",
        f"{_subject(inner, by)} is sync and is called in a thread: one thread hop for each "
        "request. Serve it from the sync instance, or write it with async calls.",
        certainty,
        location_of(by),
    )
    inner = inner.with_problems(problem).because("in a thread: ")
    return replace(inner, gives="awaitable", certainty=certainty)


def in_loop(inner: Behavior, by: Any, certainty: Certainty) -> Behavior:
    """Return what becomes of ``inner`` when ``by`` runs it on an event loop."""
    if inner.gives != "awaitable":
        return inner
    problem = Problem(
        "async-bridge",
        f"{_subject(inner, by)} is async and is run by a sync wrapper: an event loop for each "
        "request in the sync instance, two thread hops in the async one. Serve it, without the "
        "wrapper, from the async instance.",
        certainty,
        location_of(by),
    )
    inner = inner.with_problems(problem).because("on an event loop that a sync wrapper starts: ")
    return replace(inner, gives="response", certainty=certainty)


def _on_loop(inner: Behavior, wrapper: FunctionType) -> Behavior:
    problem = Problem(
        "blocking-view",
        f"{_subject(inner, wrapper)} is sync and is called by an async wrapper on the event loop: "
        "nothing else is served until it is done. Serve it, without the wrapper, from the sync "
        "instance, or write it with async calls.",
        "suspected",
        location_of(wrapper),
    )
    return replace(inner.with_problems(problem), gives="awaitable", certainty="suspected")


def _subject(inner: Behavior, otherwise: Any) -> str:
    return name_of(inner.functions[0]) if inner.functions else name_of(otherwise)
