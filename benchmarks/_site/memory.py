"""What was allocated since a mark, by tracemalloc, and which objects there are more of."""

import gc
import sys
import sysconfig
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

_marked: dict[str, Any] = {}
_PLACES = (
    (sysconfig.get_path("purelib") + "/", ""),
    (sysconfig.get_path("stdlib") + "/", "python/"),
    (str(Path(__file__).resolve().parents[2]) + "/", ""),
)


def start() -> None:
    """Begin to trace."""
    tracemalloc.start(1)


def answer(path: str) -> dict[str, Any]:
    """``/_memory/mark`` marks, ``/_memory/since/N`` reports for N streams."""
    gc.collect()
    if path.endswith("/mark"):
        _marked["snapshot"] = tracemalloc.take_snapshot()
        _marked["types"] = _types()
        return {}
    number = int(path.rpartition("/")[2])
    more = tracemalloc.take_snapshot().compare_to(_marked["snapshot"], "lineno")
    by_line = sorted(more, key=lambda each: -each.size_diff)[:400]
    types = _types()
    types.subtract(_marked["types"])
    return {
        "python_kb_each": round(sum(each.size_diff for each in more) / 1024 / number, 2),
        "by_line": {
            f"{_short(each.traceback[0].filename)}:{each.traceback[0].lineno}": round(
                each.size_diff / 1024 / number, 3
            )
            for each in by_line
            if each.size_diff > 8 * number
        },
        "objects_each": {
            name: round(count / number, 2)
            for name, count in types.most_common(40)
            if count > number / 2
        },
    }


def _types() -> Counter[str]:
    return Counter(
        f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects()
    )


def _short(filename: str) -> str:
    for start_, instead in _PLACES:
        if filename.startswith(start_):
            return instead + filename.removeprefix(start_)
    return filename if sys.prefix not in filename else filename.rpartition("/")[2]
