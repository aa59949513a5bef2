"""Signal receivers don't cost the async instance a thread."""

from collections.abc import Iterator
from typing import Final

from django.core.checks import CheckMessage, Warning  # noqa: A004 - Django's name for it

from split_deploy.checks import messages
from split_deploy.conf import get_config
from split_deploy.inspection import inspect_receivers

_SENT_BY_EACH_REQUEST: Final = ("request_started", "request_finished")
_WITHOUT_A_THREAD: Final = ("django.", "split_deploy._current.")


def check() -> Iterator[CheckMessage]:
    """W031: in the async role and the mixed one, for the signals that every request sends."""
    role = get_config().role
    if role == "sync":
        return
    for receiver in inspect_receivers():
        # Django's own can't be changed by a project, and the handler does without ours.
        if receiver.mode == "async" or receiver.receiver.startswith(_WITHOUT_A_THREAD):
            continue
        if receiver.signal not in _SENT_BY_EACH_REQUEST:
            continue
        yield Warning(
            f"{receiver.receiver} is a sync receiver of {receiver.signal}, which the {role} "
            "instance sends with every request: it runs in a thread.",
            hint="Write it as `async def`, or connect it in the sync instance alone.",
            obj=str(receiver.location or receiver.receiver),
            id=messages.SYNC_RECEIVER,
        )
