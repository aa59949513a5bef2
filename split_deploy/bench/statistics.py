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


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return between what two values the rounds say that a figure is, with 95 % confidence.

    Student's t on the logarithms, since what disturbs a measurement does so in proportion. Least
    and most of two or three rounds would not do: of two runs of the same every tenth figure would
    seem to differ. Of a single value, or if one is not above 0, it is least and most all the same.
    """
    if len(values) < 2 or min(values) <= 0:
        return min(values), max(values)
    logs = [math.log(value) for value in values]
    t = _T[len(logs) - 2] if len(logs) - 2 < len(_T) else _NORMAL
    half = t * statistics.stdev(logs) / math.sqrt(len(logs))
    middle = statistics.fmean(logs)
    return math.exp(middle - half), math.exp(middle + half)


def ratio(
    these: Mapping[int, Figures], those: Mapping[int, Figures], figure: str
) -> dict[str, Any] | None:
    """Return the ratio of ``these`` to ``those``, both by the number of the round.

    The median of the ratios of the rounds that both have, since what slows a whole round cancels
    out; ``low`` and ``high`` are their ``interval()``. It is ``conclusive`` if there are at least
    two and 1 is not in it. ``None`` if there is none. Of a rate that is 0 in ``those``, since not
    one request was answered, one is taken to have been: the ratio is at least what is returned.
    """
    found = [
        these[number][figure] / divisor
        for number in sorted(these.keys() & those.keys())
        if figure in these[number] and (divisor := _divisor(those[number], figure))
    ]
    if not found:
        return None
    low, high = interval(found)
    return {
        "figure": figure,
        "median": rounded(statistics.median(found)),
        "low": rounded(low),
        "high": rounded(high),
        "conclusive": len(found) > 1 and (low > 1 or high < 1),
    }


def _divisor(figures: Figures, figure: str) -> float | None:
    value = figures.get(figure)
    if value == 0 and figure == "requests_per_second":
        # Where nothing was answered, the latency is all of the time there was.
        return 1000 / figures["max_ms"]
    return value
