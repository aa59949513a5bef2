"""What happens when a callable is called."""

from dataclasses import dataclass, replace
from types import FunctionType
from typing import Final, Literal, TypeAlias

from split_deploy.inspection.modes import Certainty, Finding, Mode, Problem

#: What a call gives: a response, something to await, or an error in any case.
Gives: TypeAlias = Literal["response", "awaitable", "error"]

#: The qualified name of the code that ``method_decorator()`` puts in the place of a method.
METHOD_DECORATOR: Final = "_multi_decorate.<locals>._wrapper"


@dataclass(frozen=True, slots=True, kw_only=True)
class Behavior:
    """What a call does."""

    #: Where the code of the view itself runs, and ``None`` if that can't be told or it never does.
    mode: Mode | None
    gives: Gives
    certainty: Certainty
    reason: str
    problems: tuple[Problem, ...] = ()
    #: The functions in which the view's own code is, all handlers of a class-based one.
    functions: tuple[FunctionType, ...] = ()
    #: Whether what gives the awaitable is itself called on the event loop, sync though it may be:
    #: the ``dispatch()`` of an async class.
    on_the_loop: bool = False

    def finding(self) -> Finding:
        """Return the effective mode."""
        return Finding(self.mode, self.certainty, self.reason)

    def because(self, prefix: str) -> "Behavior":
        """Return the same, with ``prefix`` before its reason."""
        return replace(self, reason=f"{prefix}{self.reason}")

    def with_problems(self, *problems: Problem) -> "Behavior":
        """Return the same, with more problems."""
        return replace(self, problems=(*self.problems, *problems))
