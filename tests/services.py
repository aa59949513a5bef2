"""PostgreSQL and Redis for the tests that need them: the URLs, and whether they answer.

``TEST_DATABASE_URL`` and ``TEST_CACHE_URL`` name them. With ``REQUIRE_SERVICES=1``, as in
``.ci/run``, one that does not answer fails the tests and does not skip them.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
import redis

DATABASE_URL = os.environ.get(
    "TEST_DATABASE_URL", "postgres://split:split@127.0.0.1:5432/split_deploy_test"
)
CACHE_URL = os.environ.get("TEST_CACHE_URL", "redis://127.0.0.1:6379/15")


def require_postgres() -> str:
    """Return the URL of an empty PostgreSQL database, or skip."""
    try:
        with psycopg.connect(DATABASE_URL, connect_timeout=3, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
    except psycopg.Error as error:
        _missing("PostgreSQL", "TEST_DATABASE_URL", error)
    return DATABASE_URL


@contextmanager
def postgres_schema(name: str) -> Iterator[psycopg.Connection]:
    """Make the empty schema ``name``, and drop it at the end; or skip. It is the search path."""
    try:
        connection = psycopg.connect(DATABASE_URL, connect_timeout=3, autocommit=True)
    except psycopg.Error as error:
        _missing("PostgreSQL", "TEST_DATABASE_URL", error)
    with connection:
        connection.execute(f"CREATE SCHEMA {name}")
        connection.execute(f"SET search_path TO {name}")
        try:
            yield connection
        finally:
            connection.execute(f"DROP SCHEMA {name} CASCADE")


def require_redis() -> str:
    """Return the URL of an empty Redis database, or skip."""
    try:
        with redis.Redis.from_url(CACHE_URL, socket_connect_timeout=3) as client:
            client.flushdb()
    except redis.RedisError as error:
        _missing("Redis", "TEST_CACHE_URL", error)
    return CACHE_URL


def _missing(service: str, variable: str, error: Exception) -> None:
    reason = f"{service} does not answer ({variable}): {str(error).splitlines()[0]}"
    if os.environ.get("REQUIRE_SERVICES") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
