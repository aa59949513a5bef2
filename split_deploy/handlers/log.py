"""Which log records can be written on the event loop."""

import io
import logging
import logging.handlers
import sys
from typing import Any, Final

from django.conf import settings
from django.utils.log import RequireDebugFalse, RequireDebugTrue

#: Handlers that do no more than put the record somewhere in memory.
_IN_MEMORY: Final = (logging.NullHandler, logging.handlers.QueueHandler)

#: What a stream is called that was standard output or error when logging was set up.
_STANDARD: Final = ("<stdout>", "<stderr>")


def can_block(logger: logging.Logger, level: int) -> bool:
    """Whether a record of ``level`` may wait for a disk, a socket or a mail server.

    It doesn't if each of the handlers that get it writes to standard output, to standard error or
    into memory. A handler that isn't known to do so counts as one that blocks.
    """
    return logger.isEnabledFor(level) and any(
        level >= handler.level and not _is_filtered(handler) and _handler_can_block(handler)
        for handler in _reached(logger)
    )


def _reached(logger: logging.Logger | None) -> list[logging.Handler]:
    """The handlers that ``logging.Logger.callHandlers()`` would call."""
    found: list[logging.Handler] = []
    while logger is not None:
        found += logger.handlers
        logger = logger.parent if logger.propagate else None
    if not found and logging.lastResort is not None:
        found.append(logging.lastResort)
    return found


def _is_filtered(handler: logging.Handler) -> bool:
    """Whether Django's own filters keep everything from it: mails to admins with ``DEBUG``."""
    return any(
        (type(item) is RequireDebugFalse and settings.DEBUG)
        or (type(item) is RequireDebugTrue and not settings.DEBUG)
        for item in handler.filters
    )


def _handler_can_block(handler: logging.Handler) -> bool:
    kind = type(handler)
    if kind in _IN_MEMORY or kind.__module__ == "_pytest.logging":
        return False  # a test is to see what an instance would do without pytest
    if isinstance(handler, logging.handlers.MemoryHandler):
        return handler.target is not None and _handler_can_block(handler.target)
    # A subclass may do anything.
    return kind not in (logging.StreamHandler, type(logging.lastResort)) or not _is_quick(
        handler.stream  # type: ignore[attr-defined]
    )


def _is_quick(stream: Any) -> bool:
    return (
        isinstance(stream, io.StringIO)
        or stream in (sys.stdout, sys.stderr)
        or getattr(stream, "name", None) in _STANDARD
        or type(stream).__module__ == "_pytest.capture"
    )
