"""What the measurements of several rounds come to."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Final

from split_deploy.bench.load.figures import Figures

#: The 97.5th percentile of Student's t with 1, 2, ... degrees of freedom, and that of the normal
#: distribution for more: https://www.itl.nist.gov/div898/handbook/eda/section3/eda3672.htm
_T: Final = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
_NORMAL: Final = 1.96


def rounded(value: float) -> float:
    """``value`` with five significant digits: more than any measurement has."""
    return float(f"{value:.5g}")


def summary(values: Sequence[float]) -> dict[str, float | None]:
    """Return the median of ``values``, the least and the most, and the spread.

    The spread is the distance of the quartiles as a part of the median: 0 for a single value, and
    ``None`` if the median is 0 and others are not.
    """
    middle = statistics.median(values)
    spread: float | None = 0.0
    if len(values) > 1 and max(values) > min(values):
        first, _, third = statistics.quantiles(values, n=4, method="inclusive")
        spread = rounded((third - first) / middle) if middle else None
    return {
        "median": rounded(middle),
        "spread": spread,
        "low": rounded(min(values)),
        "high": rounded(max(values)),
    }


def summaries(rounds: Sequence[Figures]) -> dict[str, dict[str, float | None]]:
    """Return the ``summary()`` of each figure that every round has."""
    names = [name for name in rounds[0] if all(name in each for each in rounds)] if rounds else []
    return {name: summary([each[name] for each in rounds]) for name in names}


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return between what two values the rounds say that a figure is, with 95 % confidence.

    Student's t on the logarithms, since what disturbs a measurement does so in proportion. Least
    and most of two or three rounds would not do: of two runs of the same every tenth figure would
    seem to differ. Of a single value, or if one is not above 0, it is least and most all the same.
    """
    if min(values) == max(values) or min(values) <= 0:
        return min(values), max(values)
    logs = [math.log(value) for value in values]
    t = _T[len(logs) - 2] if len(logs) - 2 < len(_T) else _NORMAL
    half = t * statistics.stdev(logs) / math.sqrt(len(logs))
    middle = statistics.fmean(logs)
    return math.exp(middle - half), math.exp(middle + half)


def ratio(
    these: Mapping[int, Figures],
    those: Mapping[int, Figures],
    figure: str,
    *,
    noise: float = 0.0,
) -> dict[str, Any] | None:
    """Return the ratio of ``these`` to ``those``, both by the number of the round.

    The median of the ratios of the rounds that both have, since what slows a whole round cancels
    out; ``low`` and ``high`` are their ``interval()``. It is ``conclusive`` if there are at least
    two, 1 is not in it, and it differs from 1 by more than ``noise``, which is the part by which
    the machine differs from itself. ``None`` if there is none. Of a rate that is 0, since not one
    request was answered, one is taken to have been: so much is the least that can be said.
    """
    found = [
        value / divisor
        for number in sorted(these.keys() & those.keys())
        if (value := _value(these[number], figure)) is not None
        and (divisor := _value(those[number], figure))
    ]
    if not found:
        return None
    low, high = interval(found)
    middle = statistics.median(found)
    differs = (low > 1 and middle > 1 + noise) or (high < 1 and middle < 1 / (1 + noise))
    return {
        "figure": figure,
        "median": rounded(middle),
        "low": rounded(low),
        "high": rounded(high),
        "conclusive": len(found) > 1 and differs,
    }


def _value(figures: Figures, figure: str) -> float | None:
    value = figures.get(figure)
    if value == 0 and figure == "requests_per_second":
        # Where nothing was answered, the latency is all of the time there was.
        return 1000 / figures["max_ms"] if figures.get("max_ms") else None
    return value
