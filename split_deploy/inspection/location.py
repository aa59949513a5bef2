"""Names and places of callables."""

import functools
import os
import re
import sys
import sysconfig
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import CodeType, FunctionType, MethodType
from typing import Any, Final

from split_deploy.inspection.modes import Location
from split_deploy.inspection.syntax import source_of

# With a separator at the end: a virtual environment may be beside the project's folders.
_LIBRARY: Final = tuple(
    {f"{Path(sysconfig.get_path(each))}{os.sep}" for each in ("stdlib", "platstdlib")}
)
_PACKAGES: Final = frozenset(("site-packages", "dist-packages"))
_CLASS: Final = re.compile(r"\s*class\s+(\w+)")


def is_installed(file: str) -> bool:
    """Whether a file is part of the standard library or of an installed distribution."""
    if file.startswith(("<frozen", *_LIBRARY)):
        return True
    return not _PACKAGES.isdisjoint(Path(file).parts)


def location_of(thing: Any) -> Location | None:
    """Return where a callable or a class is defined; ``None`` for what has no Python source.

    What a decorator made is where the decorated function is.
    """
    function = underlying(thing)
    if isinstance(function, FunctionType):
        return Location(function.__code__.co_filename, function.__code__.co_firstlineno)
    return _location_of_class(function if isinstance(function, type) else type(function))


def name_of(thing: Any) -> str:
    """Return the dotted name of a callable or a class, of its class for an instance."""
    function = underlying(thing, unwrap=False)
    if not hasattr(function, "__qualname__"):
        function = type(function)
    return f"{function.__module__}.{function.__qualname__}"


def underlying(thing: Any, *, unwrap: bool = True) -> Any:
    """Return the class or function behind partials, bound methods, ``as_view()`` and decorators."""
    seen: set[int] = set()
    while id(thing) not in seen:  # __wrapped__ can be set to anything, to a circle too
        seen.add(id(thing))
        view_class = getattr(thing, "view_class", None) or getattr(thing, "cls", None)
        if isinstance(view_class, type) and not isinstance(thing, type):
            return view_class
        if isinstance(thing, functools.partial):
            thing = thing.func
        elif isinstance(thing, MethodType):
            thing = thing.__func__
        elif unwrap and not isinstance(thing, type) and callable(_wrapped(thing)):
            thing = _wrapped(thing)
    return thing


def _wrapped(thing: Any) -> Callable[..., Any] | None:
    # vars() and not getattr(): an object that answers to any name would never be done.
    wrapped = getattr(thing, "__dict__", {}).get("__wrapped__")
    return wrapped if callable(wrapped) else None


def _location_of_class(cls: type) -> Location | None:
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    if file is None:
        return None
    line = cls.__dict__.get("__firstlineno__")
    return Location(file, line if line is not None else _line_of_class(cls, file))


# Python 3.13 knows the line; before, inspect.getsourcelines() parses the whole file for each class.
def _line_of_class(cls: type, file: str) -> int:
    lines = _class_lines(file).get(cls.__name__, ())
    methods = [code.co_firstlineno for code in _codes(cls) if code.co_filename == file]
    first_method = min(methods, default=None)
    if first_method is None:
        return min(lines, default=1)
    # Of several classes with this name, the one that the methods are in.
    return max((line for line in lines if line < first_method), default=first_method)


@lru_cache(maxsize=64)
def _class_lines(file: str) -> dict[str, list[int]]:
    lines: dict[str, list[int]] = {}
    for number, line in enumerate((source_of(file) or "").splitlines(), 1):
        if found := _CLASS.match(line):
            lines.setdefault(found[1], []).append(number)
    return lines


def _codes(cls: type) -> list[CodeType]:
    functions = (getattr(value, "__func__", value) for value in vars(cls).values())
    return [function.__code__ for function in functions if isinstance(function, FunctionType)]
