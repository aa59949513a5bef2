"""Whether the figures can be believed: the same measured twice, and what other machines took."""

from typing import Any, Final

#: A topology that differs from itself by more than this part is unsteady.
UNSTEADY: Final = 0.1
#: Percent of the processor time taken by other machines, from which on it is.
_STEAL: Final = 2.0


def noise(steal_percent: float, own: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the report says of it.

    ``own`` has what a topology came to against itself: ``workload``, ``topology``, ``ratio``,
    ``low``, ``high``.
    """
    messages = []
    if steal_percent > _STEAL:
        messages.append(
            f"Other machines on this hardware took {steal_percent:.1f} % of the processor time."
        )
    messages.extend(
        f"{each['topology']} differs from itself by {abs(each['ratio'] - 1):.0%} in "
        f"{each['workload']}: smaller differences than that mean nothing."
        for each in own
        if abs(each["ratio"] - 1) > UNSTEADY
    )
    return {
        "steal_percent": steal_percent,
        "self": own,
        "unsteady": bool(messages),
        "messages": messages,
    }
