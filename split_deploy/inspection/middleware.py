"""How each middleware runs in a role, by the rules of ``BaseHandler.load_middleware()``.

No middleware is instantiated: what it does when it is, such as opening a file, is its own affair.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any, Final

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.utils.deprecation import MiddlewareMixin
from django.utils.module_loading import import_string

from split_deploy.conf import Role
from split_deploy.inspection.location import location_of
from split_deploy.inspection.modes import Certainty, Location, Mode
from split_deploy.middleware._names import NATIVE
from split_deploy.middleware._native import NativeMiddleware

_HOOKS: Final = (
    "process_request",
    "process_view",
    "process_exception",
    "process_template_response",
    "process_response",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MiddlewareReport:
    """One entry of ``MIDDLEWARE`` in one role."""

    path: str
    sync_capable: bool
    async_capable: bool
    #: The mode in which Django calls it in the role; ``None`` if it can't run there at all.
    mode: Mode | None
    #: Whether it runs in the role's own mode and no request crosses to the other mode in it.
    native: bool
    #: Whether Django puts ``sync_to_async()`` or ``async_to_sync()`` around the middleware itself.
    adapted: bool
    #: How often a plain request crosses between event loop and thread here: by the adaption of the
    #: middleware, of its ``process_view()``, and of the two hooks that ``MiddlewareMixin`` calls.
    #: A response that is rendered late and an exception may cross once more.
    hops: int
    #: The hooks that it has.
    hooks: tuple[str, ...]
    #: Those that cross with every request, when the middleware itself doesn't.
    crossing: tuple[str, ...]
    #: ``suspected`` for a function: what it returns isn't known until it is called.
    certainty: Certainty
    location: Location | None
    #: The dotted path of the native equivalent of what it is, or of what it is derived from, if
    #: Django's own hooks are called in threads and ``split_deploy.middleware`` has one.
    equivalent: str | None = None
    #: Why it can't run in the role: a whole sentence. ``None`` if it can.
    error: str | None = None


def inspect_middleware(
    role: Role, middleware: Sequence[str] | None = None
) -> list[MiddlewareReport]:
    """Return a report for each dotted path of ``middleware``, by default ``settings.MIDDLEWARE``.

    ``role`` says which handler they are for: that of WSGI in the sync role, of ASGI in the others.
    """
    paths = settings.MIDDLEWARE if middleware is None else middleware
    native: Mode = "sync" if role == "sync" else "async"
    loaded = [_Entry.of(path) for path in paths]
    # As Django does: from the view outwards.
    inside: Mode = native
    for entry in reversed(loaded):
        if entry.error is None:
            inside = entry.settle(inside)
    return [
        entry.report(
            native,
            outside=_neighbor(loaded[:index][::-1], native),
            inside=_neighbor(loaded[index + 1 :], native),
        )
        for index, entry in enumerate(loaded)
    ]


def _neighbor(entries: "list[_Entry]", native: Mode) -> Mode:
    """The mode of the first of ``entries`` that is in use, of the handler if none is."""
    return next((entry.mode for entry in entries if entry.mode is not None), native)


class _Entry:
    """An imported entry of ``MIDDLEWARE``."""

    def __init__(self, path: str, factory: Any, error: str | None) -> None:
        self.path = path
        self.factory = factory
        self.error = error
        self.sync_capable = bool(getattr(factory, "sync_capable", True)) and factory is not None
        self.async_capable = bool(getattr(factory, "async_capable", False))
        self.mode: Mode | None = None
        if error is None and not self.sync_capable and not self.async_capable:
            self.error = (
                f"{path} has neither sync_capable nor async_capable set, and Django refuses to "
                "start with it. Set at least one of the two to True."
            )

    @classmethod
    def of(cls, path: str) -> "_Entry":
        try:
            factory = import_string(path)
        except Exception as error:  # noqa: BLE001 - it is the project's code that is imported
            return cls(path, None, f"{path} can't be imported: {type(error).__name__}: {error}.")
        if not callable(factory):
            return cls(path, None, f"{path} is {factory!r} and can't be called.")
        return cls(path, factory, None)

    def settle(self, inside: Mode) -> Mode:
        """Choose the mode, given that of the handler inside of it."""
        if inside == "sync" and self.sync_capable:
            self.mode = "sync"
        else:
            self.mode = "async" if self.async_capable else "sync"
        return self.mode

    def report(self, native: Mode, *, outside: Mode, inside: Mode) -> MiddlewareReport:
        hooks = tuple(name for name in _HOOKS if hasattr(self.factory, name))
        crossing = self._crossing(native, hooks) if self.mode is not None else ()
        hops = len(crossing)
        adapted = False
        if self.mode is not None and self.mode != native:
            adapted = True
            # The neighbors of the role's own mode: next to another adapted one, nothing is crossed.
            hops += (outside == native) + (inside == native)
        return MiddlewareReport(
            path=self.path,
            sync_capable=self.sync_capable,
            async_capable=self.async_capable,
            mode=self.mode,
            native=self.mode == native and hops == 0,
            adapted=adapted,
            hops=hops,
            hooks=hooks,
            crossing=crossing,
            certainty="suspected" if isinstance(self.factory, FunctionType) else "proven",
            location=location_of(self.factory) if self.factory is not None else None,
            equivalent=self._equivalent(),
            error=self.error,
        )

    def _equivalent(self) -> str | None:
        if not self._calls_hooks_in_threads():
            return None
        paths = (f"{base.__module__}.{base.__qualname__}" for base in self.factory.__mro__)
        return next((NATIVE[path] for path in paths if path in NATIVE), None)

    def _crossing(self, native: Mode, hooks: tuple[str, ...]) -> tuple[str, ...]:
        found: set[str] = set()
        if "process_view" in hooks and self._is_async("process_view") != (native == "async"):
            found.add("process_view")
        if self.mode == "async" and self._calls_hooks_in_threads():
            found |= {"process_request", "process_response"}
        return tuple(hook for hook in hooks if hook in found)

    def _is_async(self, hook: str) -> bool:
        if self._is_native() and self.mode == "async" and hasattr(self.factory, f"a{hook}"):
            return True  # which an instance has in its place
        return iscoroutinefunction(getattr(self.factory, hook))

    def _is_native(self) -> bool:
        return isinstance(self.factory, type) and issubclass(self.factory, NativeMiddleware)

    def _calls_hooks_in_threads(self) -> bool:
        return (
            isinstance(self.factory, type)
            and issubclass(self.factory, MiddlewareMixin)
            and self.factory.__call__ is MiddlewareMixin.__call__
            and self.factory.__acall__ is MiddlewareMixin.__acall__
        )
