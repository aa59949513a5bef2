"""The ways to run a project: as two instances, or as one that does everything under ASGI."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final, Literal, TypeVar, get_args

#: ``split``: a sync instance and, on Uvicorn, an async one. ``mixed``: one instance, on Gunicorn
#: with Uvicorn's workers. ``uvicorn``: the same one, on plain Uvicorn.
Topology = Literal["split", "mixed", "uvicorn"]
TOPOLOGIES: Final[tuple[Topology, ...]] = get_args(Topology)
DEFAULT_TOPOLOGY: Final[Topology] = "split"

#: What serves the sync instance: Gunicorn with threads, or Granian, for those who know what
#: docs/granian.md says of it.
SyncServer = Literal["gunicorn", "granian"]
SYNC_SERVERS: Final[tuple[SyncServer, ...]] = get_args(SyncServer)
DEFAULT_SYNC_SERVER: Final[SyncServer] = "gunicorn"

_Choice = TypeVar("_Choice", bound=str)


def validate_choice(value: str, choices: Sequence[_Choice], *, name: str) -> _Choice:
    """Return ``value`` if it is one of ``choices``.

    Raises ``ValueError``, which calls it ``name`` and lists what there is.
    """
    for choice in choices:
        if choice == value:
            return choice
    near = get_close_matches(value, choices, n=1)
    meant = f" Did you mean {near[0]}?" if near else ""
    raise ValueError(f"{name} is {value!r}: choose one of {', '.join(choices)}.{meant}")
