"""What can serve the sync instance."""

from difflib import get_close_matches
from typing import Final, Literal, get_args

#: Gunicorn with threads, or Granian, for those who know what docs/granian.md says of it.
SyncServer = Literal["gunicorn", "granian"]
SYNC_SERVERS: Final[tuple[SyncServer, ...]] = get_args(SyncServer)
DEFAULT_SYNC_SERVER: Final[SyncServer] = "gunicorn"


def validate_sync_server(value: str, *, name: str) -> SyncServer:
    """Return ``value`` if it is one of ``SYNC_SERVERS``.

    Raises ``ValueError``, which calls it ``name`` and lists what there is.
    """
    for server in SYNC_SERVERS:
        if server == value:
            return server
    near = get_close_matches(value, SYNC_SERVERS, n=1)
    meant = f" Did you mean {near[0]}?" if near else ""
    raise ValueError(f"{name} is {value!r}: choose one of {', '.join(SYNC_SERVERS)}.{meant}")
