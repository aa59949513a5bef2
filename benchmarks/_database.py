"""The PostgreSQL of the benchmarks: a schema of its own in ``TEST_DATABASE_URL``, dropped after."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from benchmarks._servers import DATABASE_URL, ROOT

#: What a view of ``benchmarks._site`` needs to use it.
ENVIRONMENT = {"BENCHMARK_DATABASE_URL": DATABASE_URL}

_SET_UP = """
import django
django.setup()
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
call_command("migrate", verbosity=0)
user = User.objects.create_user("alice")
client = Client()
client.force_login(user)
print(client.cookies["sessionid"].value)
"""


@contextmanager
def database() -> Iterator[str]:
    """Make the tables and a logged-in user; yield the Cookie header of the login."""
    with psycopg.connect(DATABASE_URL, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS benchmarks CASCADE")
        connection.execute("CREATE SCHEMA benchmarks")
        try:
            session = subprocess.run(
                [sys.executable, "-c", _SET_UP],
                cwd=ROOT,
                env=os.environ
                | ENVIRONMENT
                | {
                    "BENCHMARK_STACK": "gthread",
                    "DJANGO_SETTINGS_MODULE": "benchmarks._site.settings",
                    "PYTHONPATH": str(ROOT),
                },
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            ).stdout
            yield f"Cookie: sessionid={session.strip()}"
        finally:
            connection.execute("DROP SCHEMA benchmarks CASCADE")


class ConnectionsSeen:
    """The most connections that a server's process had at one time, while this is entered."""

    def __init__(self, pid: int) -> None:
        self._name = f"benchmark-{pid}"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.most = 0

    def __enter__(self) -> "ConnectionsSeen":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        with psycopg.connect(DATABASE_URL, autocommit=True) as connection:
            while not self._over.wait(0.05):
                (count,) = connection.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s",
                    [self._name],
                ).fetchone()
                self.most = max(self.most, count)
