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


@contextmanager
def database() -> Iterator[str]:
    """Make the tables and a logged-in user; yield the Cookie header of the login."""
    try:
        yield f"Cookie: {_prepare().strip().removeprefix('COOKIE=')}"
    finally:
        _prepare("--remove")


def _prepare(*arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks._site.prepare", *arguments],
        cwd=ROOT,
        env=os.environ | ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


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
