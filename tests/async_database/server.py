"""Uvicorn with the async instance of the project, on PostgreSQL."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.e2e.stack import ROOT, clean_environment

CONNECTIONS = 4


class Server:
    """A running Uvicorn, a client for it, and what it has logged."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, args=(process.stdout,), daemon=True)
        self._reader.start()
        line = self.wait_for_log("Uvicorn running on")
        self.url = re.search(r"http://\S+", line)[0]

    def get(self, path: str, **options) -> httpx.Response:
        return httpx.get(f"{self.url}/async/{path}", timeout=20, **options)

    def log(self) -> str:
        return "\n".join(self._lines)

    def wait_for_log(self, text: str) -> str:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for line in list(self._lines):
                if text in line:
                    return line
            time.sleep(0.02)
        raise AssertionError(f"no {text!r}:\n{self.log()}")

    def _read(self, lines) -> None:
        for line in lines:
            self._lines.append(line.rstrip("\n"))


def environment(database: str, *, connections: int = CONNECTIONS) -> dict[str, str]:
    """A process's, whose connections are to be told from others by ``application_name``."""
    return clean_environment() | {
        "DATABASE_URL": f"{database}?application_name=tests-{os.getpid()}",
        "ASYNC_DATABASE_CONNECTIONS": str(connections),
        "DJANGO_ENV": "test",
        "DJANGO_SETTINGS_MODULE": "tests.async_database.settings" if connections else "",
    }


@contextmanager
def running(database: str) -> Iterator[Server]:
    """Start Uvicorn, and see that it stops cleanly."""
    env = environment(database)
    migrate = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
    subprocess.run(migrate, cwd=ROOT, env=env, check=True)
    with subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "asgi:application", "--port=0"],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            server = Server(process)
            yield server
        finally:
            process.terminate()
            status = process.wait(20)
    server._reader.join(5)
    assert status in (0, -15), server.log()
    assert "Traceback" not in server.log().rpartition("Shutting down")[2], server.log()
