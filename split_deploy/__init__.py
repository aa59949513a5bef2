"""Run one Django project as two instances, sync-only and async-only, behind nginx."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from split_deploy.event_stream import EventStreamResponse, ServerSentEvent

__version__ = "0.1.0"
__all__ = ["EventStreamResponse", "ServerSentEvent"]


def __getattr__(name: str) -> Any:
    # Imported on first use: `split-deploy nginx` then needs no Django, and settings may import us.
    if name in __all__:
        from split_deploy import event_stream

        return getattr(event_stream, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
