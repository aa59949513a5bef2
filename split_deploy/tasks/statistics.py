"""For a project's metrics."""

from split_deploy.tasks import coroutines, offload
from split_deploy.tasks.counts import Statistics


def statistics() -> Statistics:
    """Return what this process has done beside its requests since its start, and does."""
    threads, processes = offload.counts()
    return Statistics(background=coroutines.counts(), threads=threads, processes=processes)
