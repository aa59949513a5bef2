"""Jobs for Django's tasks framework, which is in Django since 6.0."""

from django.tasks import task

from app import offloading


@task
def summarize_board() -> dict[str, int]:
    """Return the summary of the board. What runs it, and when, is up to the setting ``TASKS``."""
    return offloading.board_summary()
