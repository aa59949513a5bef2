"""Each view runs in the mode of the instance whose URLconf names it."""

from collections.abc import Iterable, Iterator
from typing import Final

from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's name for it

from split_deploy.checks import messages
from split_deploy.conf import get_config
from split_deploy.inspection import Finding, Mode, Problem, ViewReport, inspect_urlconf

_IDS: Final[dict[Mode, str]] = {
    "sync": messages.ASYNC_VIEW_IN_SYNC_URLCONF,
    "async": messages.SYNC_VIEW_IN_ASYNC_URLCONF,
}
_COSTS: Final[dict[Mode, str]] = {
    "sync": "Under WSGI each request to it makes an event loop and throws it away.",
    "async": "Under ASGI each request to it takes a thread.",
}
#: What fails, rather than costs something, when the view is called.
_FAILING: Final = {
    "class-without-as-view",
    "coroutine-as-response",
    "drf-async-handler",
    "hidden-async",
    "invalid-handler",
    "mixed-handlers",
    "not-a-response",
    "not-awaitable",
}


def check() -> Iterator[CheckMessage]:
    """E001 and E002, except in the mixed role, which serves both kinds. E003 and W004 in all."""
    views = inspect_urlconf()
    role = get_config().role
    if role != "mixed":
        for view in views:
            if (foreign := _what_makes_it_foreign(view, role)) is not None:
                yield _foreign(view, role, foreign)
    # A view that stands at several URLs has its problems once.
    yield from map(_problem, dict.fromkeys(_problems(views)))


def _what_makes_it_foreign(view: ViewReport, role: Mode) -> Finding | None:
    """The proven finding that the view is of the other mode; a suspicion is among its problems."""
    for finding in (view.declared, view.effective):
        if finding.certainty == "proven" and finding.mode not in (None, role):
            return finding
    return None


def _foreign(view: ViewReport, role: Mode, finding: Finding) -> CheckMessage:
    other: Mode = "async" if role == "sync" else "sync"
    return Error(
        f"/{view.route} is {other} ({view.view}: {finding.reason}), in the URLconf of the {role} "
        "instance.",
        hint=f"{_COSTS[role]} Move the URL to the {other} instance's URLconf, or write the view as "
        f"`{'def' if role == 'sync' else 'async def'}`.",
        obj=str(view.location or view.view),
        id=_IDS[role],
    )


def _problems(views: Iterable[ViewReport]) -> Iterator[Problem]:
    for view in views:
        yield from view.problems


def _problem(problem: Problem) -> CheckMessage:
    where = str(problem.location) if problem.location else problem.kind
    if problem.kind in _FAILING and problem.certainty == "proven":
        return Error(problem.message, obj=where, id=messages.VIEW_THAT_FAILS)
    certainty = "" if problem.certainty == "proven" else "Suspected: "
    return Warning(f"{certainty}{problem.message}", obj=where, id=messages.VIEW_WITH_A_PROBLEM)
