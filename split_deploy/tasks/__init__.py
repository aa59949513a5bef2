"""Work beside the requests of the async instance: background tasks, threads and processes.

All of it is bounded: by ``SPLIT_DEPLOY["BACKGROUND_TASKS"]``, ``["TASK_THREADS"]``,
``["TASK_PROCESSES"]`` and ``["TASK_QUEUE"]``. What is too much is refused with a ``CapacityError``.
None of it survives the process: what must not be lost belongs in a queue.
"""

from split_deploy.tasks.coroutines import background, draining, running
from split_deploy.tasks.counts import Counts, Statistics
from split_deploy.tasks.errors import CapacityError, ProcessError
from split_deploy.tasks.offload import offloading, retire, run_in_process, run_in_thread
from split_deploy.tasks.statistics import statistics

__all__ = [
    "CapacityError",
    "Counts",
    "ProcessError",
    "Statistics",
    "background",
    "draining",
    "offloading",
    "retire",
    "run_in_process",
    "run_in_thread",
    "running",
    "statistics",
]
