"""What the project's own source makes suspicious."""

from collections.abc import Iterator

from django.core.checks import CheckMessage, Warning  # noqa: A004 - Django's name for it

from split_deploy.checks import messages
from split_deploy.inspection import inspect_source, project_packages


def check() -> Iterator[CheckMessage]:
    """W061: in each role, for the project's own packages."""
    for problem in inspect_source(project_packages()):
        yield Warning(
            f"Suspected: {problem.message}",
            hint="If it is meant, say so with the marker that docs/inspection.md describes.",
            obj=str(problem.location),
            id=messages.SUSPECTED_IN_SOURCE,
        )
