"""What figures are called, their units, and how a number is written, in each form of a report."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal

#: What stands where nothing was or could be measured.
NOTHING: Final = "–"  # noqa: RUF001

#: The figure that says in one number how a workload went: the first of these that there is.
PRIMARY: Final = ("requests_per_second", "tick_p99_ms", "bytes_per_stream", "streams")


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """How a figure is spoken of."""

    name: str
    unit: str = ""
    better: Literal["more", "less"] | None = None
    #: What its number is divided by to be shown in ``unit``.
    scale: float = 1.0

    @property
    def title(self) -> str:
        """The head of its column."""
        return f"{self.name}, {self.unit}" if self.unit else self.name


_KB: Final = 1024.0
_MB: Final = 1024.0 * _KB


def _latency(name: str) -> Word:
    return Word(name=name, unit="ms", better="less")


#: In the order in which tables have them.
WORDS: Final[Mapping[str, Word]] = {
    "requests_per_second": Word(name="requests/s", better="more"),
    "p50_ms": _latency("p50"),
    "p99_ms": _latency("p99"),
    "p999_ms": _latency("p99.9"),
    "mean_ms": _latency("mean"),
    "max_ms": _latency("longest"),
    "open_p50_ms": _latency("p50 at the rate"),
    "open_p99_ms": _latency("p99 at the rate"),
    "open_p999_ms": _latency("p99.9 at the rate"),
    "streams": Word(name="streams", better="more"),
    "dropped": Word(name="dropped", better="less"),
    "opened_per_second": Word(name="opened/s", better="more"),
    "bytes_per_stream": Word(name="memory a stream", unit="KB", better="less", scale=_KB),
    "events": Word(name="events", better="more"),
    "tick_p50_ms": _latency("tick late, p50"),
    "tick_p99_ms": _latency("tick late, p99"),
    "tick_max_ms": _latency("tick late, most"),
    "cpu_us": Word(name="CPU a request", unit="µs", better="less"),
    "hops": Word(name="hops", better="less"),
    "event_loops": Word(name="event loops", better="less"),
    "memory_bytes": Word(name="memory", unit="MB", better="less", scale=_MB),
    "threads": Word(name="threads", better="less"),
    "connections": Word(name="database connections", better="less"),
    "beside_per_second": Word(name="flood, requests/s"),
    "start_seconds": Word(name="start", unit="s", better="less"),
    "cpu_percent": Word(name="CPU", unit="%", better="less"),
    "bytes_per_second": Word(name="throughput", unit="MB/s", better="more", scale=_MB),
    "errors": Word(name="errors", better="less"),
    "open_errors": Word(name="errors at the rate", better="less"),
}

#: Figures that only ``report.json`` has: they follow from others, or are of the load itself.
LEFT_OUT: Final = frozenset(
    (
        *("requests", "events", "mean_ms", "max_ms", "open_max_ms", "open_mean_ms"),
        *("opened_per_second", "open_late_p99_ms", "open_offered_per_second", "tick_p50_ms"),
    )
)


def word(figure: str) -> Word:
    """Return how ``figure`` is spoken of; of one that isn't known its name is all there is."""
    return WORDS.get(figure) or Word(name=figure.replace("_", " "))


def in_order(figures: Collection[str]) -> list[str]:
    """Return the names in the order of the columns, those that aren't known last."""
    known = [name for name in WORDS if name in figures]
    return [*known, *sorted(set(figures) - set(known))]


def primary(figures: Collection[str]) -> str | None:
    """Return the one of ``PRIMARY`` that says how it went, or ``None`` if there is none."""
    return next((name for name in PRIMARY if name in figures), None)


def number(value: float | None) -> str:
    """Write three figures, and thousands with a comma."""
    if value is None:
        return NOTHING
    if abs(value) >= 999.5:
        digits = len(str(int(abs(value))))
        return f"{round(value, 3 - digits):,.0f}"
    # `g` has no trailing zeros, and an exponent for what is very small.
    return f"{value:.3g}"


def measured(figure: str, value: float | None) -> str:
    """Write a figure in the unit that its column names."""
    return number(value if value is None else value / word(figure).scale)


def said(figure: str, value: float | None) -> str:
    """Write a figure with its name and unit, as in ``p50 5.1 ms``."""
    return " ".join(filter(None, (word(figure).name, measured(figure, value), word(figure).unit)))


def times(ratio: float | None) -> str:
    """Write a ratio: the number and a multiplication sign."""
    return NOTHING if ratio is None else f"{number(ratio)}\N{NO-BREAK SPACE}×"  # noqa: RUF001


def duration(seconds: float) -> str:
    """Write a time as people say it: ``45 s``, ``7 min``, ``1 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
