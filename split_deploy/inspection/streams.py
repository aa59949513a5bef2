"""Streaming responses whose iterator isn't of the mode of the view that makes it."""

import inspect
from types import FunctionType
from typing import Literal

from django.http import FileResponse, StreamingHttpResponse

from split_deploy.inspection.behavior import Behavior
from split_deploy.inspection.bodies import Body, Call, body_of
from split_deploy.inspection.location import name_of
from split_deploy.inspection.modes import Certainty, Location, Problem
from split_deploy.inspection.namespace import resolve


def problems_of(behavior: Behavior) -> list[Problem]:
    """Return what the source of a view shows of streams of the other mode."""
    if behavior.mode is None:
        return []
    found: list[Problem] = []
    for function in behavior.functions:
        if not _names_a_stream(function) or (body := body_of(function.__code__)) is None:
            continue
        for call in body.calls:
            response = resolve(function, call.name)
            if not isinstance(response, type) or not issubclass(response, StreamingHttpResponse):
                continue
            mode, certainty = _mode_of_content(function, body, call, response)
            if mode is not None and mode != behavior.mode:
                found.append(_problem(function, call, response, mode, certainty))
    return found


def _names_a_stream(function: FunctionType) -> bool:
    # Cheap, and enough for nearly all views: the source needn't be parsed.
    for name in function.__code__.co_names:
        value = function.__globals__.get(name)
        if isinstance(value, type) and issubclass(value, StreamingHttpResponse):
            return True
        if name in {"StreamingHttpResponse", "FileResponse", "EventStreamResponse"}:
            return True
    return False


def _mode_of_content(
    function: FunctionType, body: Body, call: Call, response: type
) -> tuple[Literal["sync", "async"] | None, Certainty]:
    content = call.arguments[0] if call.arguments else ""
    if issubclass(response, FileResponse):
        return "sync", "proven"
    if content == "<generator>":
        return "sync", "proven"
    if content == "<async generator>":
        return "async", "proven"
    if not content.endswith("()"):
        return None, "suspected"
    name = content.removesuffix("()")
    if name in body.async_generators:
        return "async", "proven"
    if name in body.generators:
        return "sync", "proven"
    made_by = resolve(function, name)
    if inspect.isasyncgenfunction(made_by):
        return "async", "proven"
    if inspect.isgeneratorfunction(made_by):
        return "sync", "proven"
    return None, "suspected"


def _problem(
    function: FunctionType,
    call: Call,
    response: type,
    mode: Literal["sync", "async"],
    certainty: Certainty,
) -> Problem:
    name, location = name_of(function), Location(function.__code__.co_filename, call.line)
    if mode == "async":
        return Problem(
            "async-stream",
            f"{name} is sync and gives {response.__name__} an async generator: under WSGI Django "
            "reads it to its end before it sends the first byte, and warns. Stream it from an "
            "async view.",
            certainty,
            location,
        )
    return Problem(
        "sync-stream",
        f"{name} is async and gives {response.__name__} a sync iterator: under ASGI Django reads "
        "it to its end, in a thread, before it sends the first byte, and warns. Give it an async "
        "one, or serve it from the sync instance.",
        certainty,
        location,
    )
