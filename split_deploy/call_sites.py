"""Where a thread hop comes from, as a reader can look it up."""

import asyncio
import sys
from collections.abc import Callable
from enum import Enum, auto
from functools import cache, partial
from pathlib import Path
from types import FrameType, MethodType
from typing import Any, Final, NamedTuple

import asgiref.sync
import django.core.handlers
from asgiref.sync import SyncToAsync

from split_deploy._project import as_read, folder, is_project

_SYNC_TO_ASYNC: Final = SyncToAsync.__call__.__code__
_TO_THREAD: Final = asyncio.to_thread.__code__

# What hands work on: never the one to blame.
_PLUMBING: Final = (
    folder(Path(asyncio.__file__).parent),
    folder(Path(asgiref.sync.__file__).parent),
    str(Path(__file__).with_name("hops.py")),
    folder(Path(__file__).with_name("pool")),
    folder(Path(__file__).with_name("tasks")),
)
# The handler, Django's or ours, takes a request from one middleware to the next, and to the view:
# frames outside it are those of a middleware further out, which is not to blame.
_HANDLERS: Final = (
    folder(django.core.handlers.__path__[0]),
    folder(Path(__file__).with_name("handlers")),
)
# Outside of these is whoever runs the event loop. By their ids: to hash a code object takes long.
_LOOP: Final = frozenset(
    id(function.__code__)
    for function in (asyncio.Handle._run, asyncio.BaseEventLoop.run_forever, asyncio.Runner.run)
)
_NOBODY: Final = "a task of its own"


class CallSite(NamedTuple):
    """What ran in a thread, and the code that sent it there."""

    #: Dotted name, like ``django.contrib.sessions.middleware.SessionMiddleware.process_request``.
    called: str
    #: The project's innermost frame, like ``app/async_views.py:41 in board``. If none of its frames
    #: is involved, the library's function: ``django.utils.deprecation.MiddlewareMixin.__acall__``.
    caller: str

    def __str__(self) -> str:
        return f"{self.caller} runs {self.called} in a thread"


def call_site(submit: FrameType, work: Callable[..., Any]) -> CallSite:
    """Return where ``work`` comes from that an executor's ``submit`` has been called with."""
    caller: FrameType | None = None
    frame: FrameType | None = submit
    while frame is not None:
        code = frame.f_code
        kind = _kind(code.co_filename)
        if kind is _Kind.PROJECT:
            where = f"{as_read(code.co_filename)}:{frame.f_lineno} in {code.co_name}"
            return CallSite(dotted_name(work), where)
        if kind is not _Kind.PLUMBING:
            caller = caller or frame
        elif id(code) in _LOOP:
            break
        elif code is _SYNC_TO_ASYNC and caller is None:
            work = frame.f_locals["self"].func
        elif code is _TO_THREAD and caller is None:
            work = frame.f_locals["func"]
        if kind is _Kind.HANDLER:
            break
        frame = frame.f_back
    if caller is None:
        return CallSite(dotted_name(work), _NOBODY)
    return CallSite(
        dotted_name(work), f"{caller.f_globals['__name__']}.{caller.f_code.co_qualname}"
    )


def submitting_frame() -> FrameType:
    """Return the frame of the executor's ``submit()``, from a function that it calls."""
    return sys._getframe(2)


def dotted_name(work: Any) -> str:
    """Return the dotted name of a function, method, view or middleware, below its wrappers."""
    while isinstance(work, partial):
        work = work.func
    if isinstance(work, MethodType):
        work = work.__func__
    while (inner := getattr(work, "__wrapped__", None)) is not None:
        work = inner
    work = getattr(work, "view_class", work)  # what as_view() returns has a name like any other's
    if not hasattr(work, "__qualname__"):
        work = type(work)
    return f"{getattr(work, '__module__', None) or 'builtins'}.{work.__qualname__}"


class _Kind(Enum):
    PROJECT = auto()
    HANDLER = auto()
    PLUMBING = auto()
    OTHER = auto()


@cache
def _kind(filename: str) -> _Kind:
    if filename.startswith(_PLUMBING):
        return _Kind.PLUMBING
    if filename.startswith(_HANDLERS):
        return _Kind.HANDLER
    return _Kind.PROJECT if is_project(filename) else _Kind.OTHER
