"""Run one Django project as two instances, sync-only and async-only, behind nginx."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from split_deploy.coroutines import (
        blocking_first,
        io,
        parallel_ops,
        read_body,
        read_uploaded_file,
    )
    from split_deploy.event_stream import EventStreamResponse, ServerSentEvent
    from split_deploy.reversing import reverse, reverse_lazy

__version__ = "0.1.0"
__all__ = [
    "EventStreamResponse",
    "ServerSentEvent",
    "blocking_first",
    "io",
    "parallel_ops",
    "read_body",
    "read_uploaded_file",
    "reverse",
    "reverse_lazy",
]

_MODULES: Final = {
    "EventStreamResponse": "event_stream",
    "ServerSentEvent": "event_stream",
    "blocking_first": "coroutines",
    "io": "coroutines",
    "parallel_ops": "coroutines",
    "read_body": "coroutines",
    "read_uploaded_file": "coroutines",
    "reverse": "reversing",
    "reverse_lazy": "reversing",
}


def __getattr__(name: str) -> Any:
    # Imported on first use: `split-deploy nginx` then needs no Django, and settings may import us.
    if name in _MODULES:
        return getattr(import_module(f"split_deploy.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
