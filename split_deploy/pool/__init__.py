"""The threads of the async instance: a few, long-lived, each with database connections of its own.

What has to block runs here: the ORM's ``a``-methods, ``sync_to_async()``, sync views. Each request
has a ``Lease`` of one thread, which asgiref uses as the executor of its ``ThreadSensitiveContext``.
"""

from split_deploy.pool.lease import Lease, PooledContext, current_lease
from split_deploy.pool.process import get_pool, retire, running, statistics
from split_deploy.pool.statistics import Statistics
from split_deploy.pool.threads import ThreadPool

__all__ = [
    "Lease",
    "PooledContext",
    "Statistics",
    "ThreadPool",
    "current_lease",
    "get_pool",
    "retire",
    "running",
    "statistics",
]
