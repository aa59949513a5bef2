"""Each middleware runs in the mode of its instance."""

from collections.abc import Iterator

from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's name for it

from split_deploy.checks import messages
from split_deploy.conf import get_config
from split_deploy.inspection import inspect_middleware


def check() -> Iterator[CheckMessage]:
    """W021, E022."""
    role = get_config().role
    for middleware in inspect_middleware(role):
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
