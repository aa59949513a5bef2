"""The ways to run a project: as two instances, or as one that does everything under ASGI."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final, Literal, get_args

#: ``split``: a sync instance on Gunicorn and an async one on Uvicorn. ``mixed``: one instance, on
#: Gunicorn with Uvicorn's workers. ``uvicorn``: the same one, on plain Uvicorn.
Topology = Literal["split", "mixed", "uvicorn"]
TOPOLOGIES: Final[tuple[Topology, ...]] = get_args(Topology)
DEFAULT_TOPOLOGY: Final[Topology] = "split"


def validate_topology(value: str, *, name: str) -> Topology:
    """Return ``value`` if it is one of ``TOPOLOGIES``.

    Raises ``ValueError``, which calls it ``name`` and lists what there is.
    """
    for topology in TOPOLOGIES:
        if topology == value:
            return topology
    near: Sequence[str] = get_close_matches(value, TOPOLOGIES, n=1)
    meant = f" Did you mean {near[0]}?" if near else ""
    raise ValueError(f"{name} is {value!r}: choose one of {', '.join(TOPOLOGIES)}.{meant}")
