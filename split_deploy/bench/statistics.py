"""What the measurements of several rounds come to."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from split_deploy.bench.load.figures import Figures


def rounded(value: float) -> float:
    """``value`` with five significant digits: more than any measurement has."""
    return float(f"{value:.5g}")


def summary(values: Sequence[float]) -> dict[str, float]:
    """Return the median of ``values``, the least and the most, and the spread.

    The spread is the distance of the quartiles as a part of the median, 0 for a single value.
    """
    middle = statistics.median(values)
    spread = 0.0
    if len(values) > 1 and middle:
        first, _, third = statistics.quantiles(values, n=4, method="inclusive")
        spread = (third - first) / middle
    return {
        "median": rounded(middle),
        "spread": rounded(spread),
        "low": rounded(min(values)),
        "high": rounded(max(values)),
    }


def summaries(rounds: Sequence[Figures]) -> dict[str, dict[str, float]]:
    """Return the ``summary()`` of each figure that every round has."""
    names = [name for name in rounds[0] if all(name in each for each in rounds)] if rounds else []
    return {name: summary([each[name] for each in rounds]) for name in names}


def ratio(
    these: Mapping[int, Figures], those: Mapping[int, Figures], figure: str
) -> dict[str, Any] | None:
    """Return the ratio of ``these`` to ``those``, both by the number of the round.

    The median of the ratios of the rounds that both have, since what slows a whole round cancels
    out; ``low`` and ``high`` are the least and the most of them. It is ``conclusive`` if there are
    at least two and all are on the same side of 1. ``None`` if there is none.
    """
    found = [
        these[number][figure] / those[number][figure]
        for number in sorted(these.keys() & those.keys())
        if figure in these[number] and those[number].get(figure)
    ]
    if not found:
        return None
    result: dict[str, Any] = {
        name: value for name, value in summary(found).items() if name != "spread"
    }
    return result | {
        "figure": figure,
        "conclusive": len(found) > 1 and (result["low"] > 1 or result["high"] < 1),
    }
