"""The same tests with sessions and users in PostgreSQL."""

import subprocess
import sys

import psycopg
import pytest

from tests.e2e.stack import ROOT, clean_environment
from tests.services import require_postgres

WITH_A_DATABASE = ("test_auth", "test_sessions")
# Of the handlers, and of the session engines.
ONLY = "our and db and not cached_db"


@pytest.fixture
def schema():
    """An empty one; a database of its own is more than the user of the tests may have."""
    drop = "DROP SCHEMA IF EXISTS middleware_tests CASCADE"
    with psycopg.connect(require_postgres(), autocommit=True) as connection:
        connection.execute(drop)
        connection.execute("CREATE SCHEMA middleware_tests")
        yield
        connection.execute(drop)


@pytest.mark.usefixtures("schema")
def test_sessions_and_users_take_as_few_threads_on_postgresql():
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--reuse-db"),
            *("-k", ONLY, "--ds", "tests.middleware.postgresql_settings"),
            *(f"tests/middleware/{name}.py" for name in WITH_A_DATABASE),
        ],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
