"""How long what is under way has when the instance stops: ``DRAIN_TIMEOUT``, for all together.

One after the other they would need several times that, and whoever has told the server to stop
would kill it meanwhile.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from split_deploy.conf import get_config

# Seconds. A thread that has nothing to do needs a moment to end in, whatever was before.
_LEAST: Final = 0.25

_deadline: float | None = None


@contextmanager
def stopping() -> Iterator[None]:
    """Let the time begin."""
    global _deadline
    _deadline = time.monotonic() + get_config().drain_timeout
    try:
        yield
    finally:
        _deadline = None


def time_left() -> float:
    """Return the seconds that are left; all of them if no instance is being stopped."""
    timeout = get_config().drain_timeout
    if _deadline is None:
        return timeout
    return max(_deadline - time.monotonic(), min(_LEAST, timeout))
