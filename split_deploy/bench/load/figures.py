"""What a load tool is asked for, and what it found."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

#: What was found, by its name, which ends in the unit: ``p99_ms``, ``bytes_per_second``.
Figures = dict[str, float]


class LoadError(Exception):
    """A load tool is missing or could not run, or not one of its requests succeeded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for, again and again.

    ``path`` has the query too. ``body_size`` is for content that is made up, in bytes. With
    ``upload_field`` the content goes, as ``multipart/form-data``, as one file under that name.

    Raises ``ValueError`` for what can't be sent.
    """

    path: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    body_size: int = 0
    content_type: str = ""
    upload_field: str = ""

    def __post_init__(self) -> None:
        if not self.path.startswith("/"):
            raise ValueError(f"The path {self.path!r} doesn't begin with a slash.")
        if not self.path.isascii() or any(char <= " " for char in self.path):
            raise ValueError(f"The path {self.path!r} has to be percent-encoded.")
        for name, value in self.headers.items():
            if any(char in name + value for char in "\r\n\0"):
                raise ValueError(f"The header {name!r} has a line break or a null in it.")
        if self.body and self.body_size:
            raise ValueError(f"{self.path} has both a body and a body_size: leave out one.")


def enough(figures: Figures) -> Figures:
    """Return ``figures`` without the percentiles for which there were too few requests.

    Of fewer than 100 the 99th percentile is the longest, as the 99.9th is of fewer than 1,000.
    """
    least = {"p99_ms": 100, "p999_ms": 1000}
    number = figures["requests"]
    return {name: value for name, value in figures.items() if number >= least.get(name, 0)}


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the smallest value that ``percent`` of them do not exceed; 0 of none.

    Nearest rank, so always one that was measured.
    """
    if not ordered:
        return 0.0
    rank = math.ceil(percent * len(ordered) / 100)
    return ordered[max(rank, 1) - 1]
