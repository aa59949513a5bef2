"""The id of the request at hand: from nginx, checked again here, in every log line."""

import re
import uuid
from contextvars import ContextVar
from typing import Final

HEADER: Final = "X-Request-ID"

# What nginx accepts too (the map in deploy/nginx.conf): nothing that could forge a line of a log.
_VALID: Final = re.compile(r"[A-Za-z0-9._-]{8,64}")

#: Where there is no request.
NONE: Final = "-"
current: ContextVar[str] = ContextVar("split_deploy.request_id", default=NONE)


def accept_or_make(value: str | None) -> str:
    """Return ``value`` if it is valid (8 to 64 of ``A-Za-z0-9._-``), else a new id."""
    if value is not None and _VALID.fullmatch(value):
        return value
    return uuid.uuid4().hex
