"""What ``ENGINE = "split_deploy.async_database.postgresql"`` stands for.

``DatabaseWrapper`` is Django's: sessions, users and whatever else uses the ORM as always go on in
threads, with their ``CONN_MAX_AGE``. ``AsyncDatabaseWrapper`` is that of django-async-backend with
a pool of its own, whose options are in ``OPTIONS["async_pool"]``.
"""

import asyncio
import logging
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.db.backends.postgresql import base

from split_deploy.async_database import verify_installed

verify_installed()

# ruff: noqa: E402 - once they are known to be there
from django_async_backend.db.backends.postgresql.async_base import (
    AsyncDatabaseWrapper as _AsyncDatabaseWrapper,
)
from psycopg import OperationalError
from psycopg_pool import AsyncConnectionPool

logger = logging.getLogger("split_deploy.async_database")

POOL: Final = "async_pool"


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, which must not hand what is the async pool's to libpq."""

    def get_connection_params(self) -> dict[str, Any]:
        params = super().get_connection_params()
        params.pop(POOL, None)
        return params


class AsyncDatabaseWrapper(_AsyncDatabaseWrapper):  # type: ignore[misc] # it has no types
    """A request's access to the async pool: it takes a connection with its first query."""

    # For one whose settings are refused.
    connection: Any = None

    def __init__(self, settings_dict: dict[str, Any], alias: str = "default") -> None:
        super().__init__(_of_the_pool(settings_dict), alias)
        self._is_checked = settings_dict["CONN_HEALTH_CHECKS"]

    async def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        self._loop = asyncio.get_running_loop()
        connection = await super().get_new_connection(conn_params)
        if self._is_checked and not await _answers(connection):
            # The pool's own check would go through those that broke together with it one by one,
            # and wait longer after each.
            await self.pool.putconn(connection)
            self.connection = None
            await self.pool.check()
            connection = await super().get_new_connection(conn_params)
        return connection

    async def close(self) -> None:
        """Give the connection back; whichever task has the next query may take another."""
        await super().close()
        if not self.in_atomic_block:
            self._task = None

    def __del__(self) -> None:
        # A task that had a context of its own and has ended, such as one that outlived its request.
        if self.connection is None or self._loop.is_closed():
            return
        logger.error(
            "A task ended without giving its async database connection back. Run it with "
            "split_deploy.tasks.background() or django_async_backend.db.async_new_connection()."
        )
        putting_back = self.connection._pool.putconn(self.connection)
        self._loop.call_soon_threadsafe(self._loop.create_task, putting_back)


async def _answers(connection: Any) -> bool:
    try:
        await AsyncConnectionPool.check_connection(connection)
    except OperationalError:
        return False
    return True


async def close_pools() -> None:
    """Close the async pools of this process."""
    pools = _AsyncDatabaseWrapper._connection_pools
    while pools:
        _, pool = pools.popitem()
        await pool.close()


def _of_the_pool(settings_dict: dict[str, Any]) -> dict[str, Any]:
    options = dict(settings_dict["OPTIONS"])
    pool = options.pop(POOL, None)
    if not isinstance(pool, dict) or not pool.get("max_size"):
        raise ImproperlyConfigured(
            f'OPTIONS["{POOL}"] has to say how many connections the event loop may have at most, '
            f'like {{"max_size": 10}}: {pool!r}.'
        )
    # A wrapper lives for one request, and the pool decides how long its connections live.
    kept = {"CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": False}
    return {**settings_dict, **kept, "OPTIONS": {**options, "pool": pool}}
