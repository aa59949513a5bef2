"""How the cost of a request, or of a stream, grows along a curve, and whether it should."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from split_deploy.bench.statistics import rounded

#: A cost of up to so many times another is taken for the same.
_SAME: Final = 1.25
#: A power of more than this is taken for more than proportional.
_PROPORTIONAL: Final = 1.2

#: So many times the first cost is more than it, and tells how what is above it grows.
_ABOVE: Final = 1.05

_Cost = Mapping[str, Any]
#: A value of what grows, and the summary of what it costs.
_Point = tuple[float, _Cost]


def growth(vary: str, points: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the figure that is the cost, the power with which it grows, and a verdict.

    The cost is the processor time of a request, or the memory of a stream. With more connections,
    processes or streams there is no more work in each one: it should be ``flat``. With more of
    anything else it may grow ``as the work``, which is in proportion. ``exponent`` is the largest
    power, between two neighbouring points, of the cost above the first one, where they differ by
    more than their rounds vary. ``a step, then flat`` is what the second point costs more and no
    other. There is ``no
    conclusion`` where the rounds of what costs more overlap those of the first point. ``None`` if
    there is too little to tell.
    """
    figure = "bytes_per_stream" if vary == "streams" else "cpu_us"
    # A few streams weigh less than what else happens in a process meanwhile.
    least = 100 if vary == "streams" else 0
    found = [
        (point["value"], point["figures"][figure])
        for point in points
        if figure in point["figures"] and point["value"] >= least
    ]
    if len(found) < 2:
        return None
    (_, first), *others = found
    more = [cost for _, cost in others if cost["median"] > _SAME * first["median"]]
    exponent = max((_power(first, *pair) for pair in pairwise(found)), default=0.0)
    second, *_ = costs = [cost for _, cost in others]
    if not more:
        verdict, exponent = "flat", 0.0
    elif all(cost["low"] <= first["high"] for cost in more):
        verdict, exponent = "no conclusion", 0.0
    elif (
        len(costs) > 1
        and second in more
        and second["low"] > first["high"]
        and all(cost["median"] <= _SAME * second["median"] for cost in costs)
    ):
        verdict = "a step, then flat"
    elif vary in {"connections", "processes", "streams"} or exponent > _PROPORTIONAL:
        verdict = "faster than the work"
    else:
        verdict = "as the work"
    return {"figure": figure, "exponent": rounded(exponent), "verdict": verdict}


def _power(first: _Cost, before: _Point, after: _Point) -> float:
    """Return the power between two points of what is above the first one, if that is no noise."""
    (less, cost), (more, higher) = before, after
    base = first["median"]
    if less <= 0 or base <= 0 or higher["low"] <= cost["high"]:
        return 0.0
    is_above = cost["low"] > first["high"] and cost["median"] > _ABOVE * base
    least = base if is_above else 0.0
    return math.log((higher["median"] - least) / (cost["median"] - least)) / math.log(more / less)
