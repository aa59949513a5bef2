"""The words that all reports use."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

#: How a callable is run: in a thread of its server, or on the event loop.
Mode = Literal["sync", "async"]
#: ``proven``: a fact, as Django or Python itself sees it. ``suspected``: inferred from the code.
Certainty = Literal["proven", "suspected"]


@dataclass(frozen=True, slots=True)
class Location:
    """Where something is defined; ``str()`` gives ``app/views.py:12``."""

    #: The path of the file, absolute.
    file: str
    #: The line, from 1.
    line: int

    def __str__(self) -> str:
        file = Path(self.file)
        if file.is_relative_to(Path.cwd()):
            file = file.relative_to(Path.cwd())
        return f"{file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Finding:
    """A mode, how certain it is, and what it was read from."""

    #: ``None`` for what has no mode: it can't be told, or calling it fails in any case.
    mode: Mode | None
    certainty: Certainty
    #: Part of a sentence: "async def", "functools.partial of an async def".
    reason: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that goes wrong, or costs more than it should, when the code is run."""

    #: A stable name such as ``hidden-async``; docs/inspection.md lists all of them.
    kind: str
    #: A whole sentence: what happens, and what to do about it.
    message: str
    certainty: Certainty
    location: Location | None


@dataclass(frozen=True, slots=True)
class CallbackReport:
    """What is to be known of a callable that Django would call as a view."""

    #: The dotted name of the view, of the class for a class-based one.
    view: str
    location: Location | None
    #: What Django is told, by ``iscoroutinefunction()``.
    declared: Finding
    #: What happens when it is called.
    effective: Finding
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class ViewReport(CallbackReport):
    """A ``CallbackReport`` with the URL pattern that leads to the view."""

    #: The whole pattern, as in ``ResolverMatch.route``: ``async/board/<int:pk>/``. The prefix of
    #: ``i18n_patterns()`` is ``<language>/``.
    route: str
    #: The name to reverse, with its namespaces: ``shop:detail``.
    name: str | None
