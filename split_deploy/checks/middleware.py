"""Each middleware runs in the mode of its instance, and none of it in a thread of the async one."""

from collections.abc import Iterator, Sequence

from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's name for it

from split_deploy.checks import messages
from split_deploy.conf import get_config
from split_deploy.inspection import MiddlewareReport, inspect_middleware
from split_deploy.middleware._names import NATIVE


def check() -> Iterator[CheckMessage]:
    """W021 to W024."""
    role = get_config().role
    reports = inspect_middleware(role)
    for middleware in reports:
        where = str(middleware.location or middleware.path)
        if middleware.error is not None:
            yield Error(middleware.error, obj=where, id=messages.MIDDLEWARE_CANNOT_RUN)
        # Django also adapts those outside of one that it adapts; that one is to blame.
        elif not (middleware.sync_capable if role == "sync" else middleware.async_capable):
            only = "async" if role == "sync" else "sync"
            yield Warning(
                f"{middleware.path} is {only} only: Django adapts it in the {role} role, and with "
                "every request crosses between thread and event loop for it.",
                hint="Write it for both modes with sync_and_async_middleware, or leave it out of "
                "this instance's MIDDLEWARE.",
                obj=where,
                id=messages.MIDDLEWARE_ADAPTED,
            )
    in_threads = [report for report in reports if report.mode == "async" and report.hops]
    if role != "sync":
        yield from _check_stock([report for report in in_threads if report.path in NATIVE])
        yield from _check_others([report for report in in_threads if report.path not in NATIVE])


def _check_stock(reports: Sequence[MiddlewareReport]) -> Iterator[CheckMessage]:
    if reports:
        names = ", ".join(report.path.rpartition(".")[2] for report in reports)
        yield Warning(
            f"{sum(report.hops for report in reports)} thread hop(s) with every request for "
            f"Django's middleware in MIDDLEWARE: {names}.",
            hint="They have native equivalents, which need none: "
            "MIDDLEWARE = native(MIDDLEWARE), with `from split_deploy.middleware import native`.",
            obj="MIDDLEWARE",
            id=messages.MIDDLEWARE_NOT_NATIVE,
        )


def _check_others(reports: Sequence[MiddlewareReport]) -> Iterator[CheckMessage]:
    for report in reports:
        if not report.async_capable:
            continue  # W021
        hint = "Give it an async __call__(), or leave it out of this instance's MIDDLEWARE."
        if report.crossing == ("process_view",):
            hint = "Write process_view() as `async def`, or leave it out of this instance."
        elif report.equivalent is not None:
            hint = f"Derive it from {report.equivalent}: its hooks are on the event loop then."
        yield Warning(
            f"{report.path} needs {report.hops} thread hop(s) with every request, for its "
            f"{' and '.join(f'{hook}()' for hook in report.crossing)}: sync, and called in a "
            "thread.",
            hint=hint,
            obj=str(report.location or report.path),
            id=messages.MIDDLEWARE_IN_THREADS,
        )
