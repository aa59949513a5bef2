"""What a blocking-first coroutine asks of the ``Run`` that steps it, by awaiting it.

It gets there as what the coroutine yields, through any number of coroutines that await each other.
None of them ever gets to asyncio.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from split_deploy.coroutines.operations import Handle


class Switch:
    """Anything that the ``Run`` is asked for."""

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield self)


class ToLoop(Switch):
    """Go on on the event loop."""


class ToThread(Switch):
    """Go on in a thread."""


@dataclass(frozen=True, slots=True)
class Join(Switch):
    """Go on, where it was, when these operations have ended."""

    handles: "Sequence[Handle[Any]]"


@dataclass(frozen=True, slots=True)
class InThread(Switch):
    """Call ``function`` in a thread, and go on on the event loop with its result."""

    function: Callable[[], Any]
