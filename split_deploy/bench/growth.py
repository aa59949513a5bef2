"""How the cost of a request, or of a stream, grows along a curve, and whether it should."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from split_deploy.bench.statistics import rounded

#: A cost that differs by less than this part is taken for the same.
_SAME: Final = 0.25
#: A power of more than this is taken for more than proportional.
_PROPORTIONAL: Final = 1.2


def growth(vary: str, points: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the figure that is the cost, the power with which it grows, and a verdict.

    The cost is the processor time of a request, or the memory of a stream. With more connections,
    processes or streams there is no more work in each one: it should be ``flat``. With more of
    anything else it may grow ``as the work``, which is in proportion. ``exponent`` is the power of
    the growth above the first point. There is ``no conclusion`` where the ranges of the rounds
    overlap. ``None`` if there is too little to tell.
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
    (first, base), (last, most) = found[0], found[-1]
    low = base["median"]
    more = most["median"] - low
    if more <= _SAME * low or most["low"] <= base["high"]:
        verdict = "flat" if more <= _SAME * low else "no conclusion"
        return {"figure": figure, "exponent": 0.0, "verdict": verdict, "note": ""}
    middle, between = found[-2]
    step = between["median"] - low
    if len(found) > 2 and step > _SAME * low / 2:
        exponent = math.log(more / step) / math.log((last - first) / (middle - first))
    else:
        # All of it came with the last step: in proportion at most, as far as can be told.
        exponent = 1.0
    constant = vary in {"connections", "processes", "streams"}
    as_the_work = exponent <= _PROPORTIONAL and not constant
    return {
        "figure": figure,
        "exponent": rounded(exponent),
        "verdict": "as the work" if as_the_work else "faster than the work",
        "note": "",
    }
