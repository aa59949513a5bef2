"""What a name in a function stands for, without calling anything."""

import builtins
from types import FunctionType, ModuleType
from typing import Any, Final

#: Returned for a name that stands for nothing that could be found.
MISSING: Final[Any] = object()


def closure_of(function: FunctionType) -> dict[str, Any]:
    """Return the variables that ``function`` took from the functions around it."""
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return found


def class_attribute(cls: type, name: str) -> Any:
    """Return what ``cls`` or a parent has under ``name``, or ``MISSING``; no property is called.

    A class or static method is given as its function.
    """
    return _attribute(cls.__mro__, name)


def owner_of(function: FunctionType) -> type | None:
    """Return the class that ``function`` is a method of, if it is one of the module's."""
    names, _, _ = function.__qualname__.rpartition(".")
    if not names or "<locals>" in names:
        return None
    first, *rest = names.split(".")
    found = function.__globals__.get(first)
    for name in rest:
        found = class_attribute(found, name) if isinstance(found, type) else None
    return found if isinstance(found, type) else None


def resolve(function: FunctionType, dotted: str) -> Any:
    """Return what ``dotted`` stands for inside ``function``, or ``MISSING``.

    An attribute of ``self`` is looked up in the class that the function stands in.
    """
    first, *rest = dotted.split(".")
    found = closure_of(function).get(first, MISSING)
    if found is MISSING:
        found = function.__globals__.get(first, getattr(builtins, first, MISSING))
    if found is MISSING and first in {"self", "cls", "super()"}:
        owner = owner_of(function)
        if owner is None:
            return MISSING
        if first == "super()":
            return _attribute(owner.__mro__[1:], rest[0]) if len(rest) == 1 else MISSING
        found = owner
    for name in rest:
        if isinstance(found, type):
            found = class_attribute(found, name)
        elif isinstance(found, ModuleType) or hasattr(found, "__dict__"):
            found = vars(found).get(name, MISSING)
        else:
            return MISSING
    return found


def _attribute(classes: tuple[type, ...], name: str) -> Any:
    for cls in classes:
        if name in cls.__dict__:
            found = cls.__dict__[name]
            return found.__func__ if isinstance(found, (classmethod, staticmethod)) else found
    return MISSING
