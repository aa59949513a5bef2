"""Clients leave, and requests are cancelled, at random moments; nothing is left of them."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from split_deploy.conf import get_config
from tests.e2e.stack import ROOT, clean_environment
from tests.services import DATABASE_URL, postgres_schema
from tests.storms import ways
from tests.storms.client import Visit, storm, visits
from tests.storms.settings import THREADS
from tests.storms.site import VIEWS

REQUESTS = int(os.environ.get("STORM_REQUESTS", "1000"))
#: Of the other ways to mix sync and async.
MIXED_REQUESTS = 10 * REQUESTS
AT_ONCE = 40
NAME = f"storm_{os.getpid()}"
THIRD_PARTY = "tests.storms.middleware.synchronous"

#: What the log of a server must not have, whatever its clients do.
_LEAK = re.compile(
    r".*(?:never awaited|never retrieved|was destroyed but|ResourceWarning|Fatal)(?:.*\n){8}"
)


class Server:
    """Uvicorn, with the site."""

    def __init__(self, log: Path, *middleware: str, urlconf: str = "tests.storms.site") -> None:
        environment = clean_environment() | {
            "DJANGO_SETTINGS_MODULE": "tests.storms.settings",
            "STORM_DATABASE_URL": DATABASE_URL,
            "STORM_NAME": NAME,
            "STORM_MIDDLEWARE": " ".join(middleware),
            "STORM_URLCONF": urlconf,
        }
        python = [sys.executable, "-W", "always::ResourceWarning", "-m"]
        subprocess.run(
            [*python, "django", "migrate", "--skip-checks", "--verbosity=0"],
            env=environment,
            cwd=ROOT,
            check=True,
        )
        application = ["uvicorn", "tests.storms.asgi:application", "--port=0", "--no-access-log"]
        self.log = log
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [*python, *application],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.port = int(
            self._wait(lambda: re.search(r"running on http://\S+:(\d+)", log.read_text()))[1]
        )

    def alive(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/alive/", timeout=60) as response:
            return json.load(response)

    def alive_when_quiet(self) -> dict[str, Any]:
        """What is alive when all requests have come to their end."""

        def is_quiet() -> dict[str, Any] | None:
            found = self.alive()
            return found if not found["objects"] and not found["busy"] else None

        return self._wait(is_quiet, self.alive)

    def _wait(self, condition: Callable[[], Any], show: Callable[[], Any] = lambda: "") -> Any:
        deadline = time.monotonic() + 30
        while not (found := condition()):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, (show(), self.log.read_text()[-3000:])
            time.sleep(0.1)
        return found


@pytest.fixture(scope="module")
def database() -> Iterator[psycopg.Connection]:
    with postgres_schema(NAME) as connection:
        connection.execute(
            "CREATE TABLE account AS SELECT id, 1000 AS amount FROM generate_series(1, 3) id"
        )
        yield connection


@pytest.fixture(params=[(), (THIRD_PARTY,)], ids=["native", "with a third-party middleware"])
def server(request, tmp_path, database) -> Iterator[Server]:
    running = Server(tmp_path / "log", *request.param)
    yield running
    running.process.kill()
    running.process.wait()


@pytest.fixture
def mixed_server(tmp_path, database) -> Iterator[Server]:
    running = Server(tmp_path / "log", urlconf="tests.storms.ways")
    yield running
    running.process.kill()
    running.process.wait()


def connections(database: psycopg.Connection) -> list[str]:
    """The state of each of the server's."""
    query = "SELECT state FROM pg_stat_activity WHERE application_name = %s ORDER BY 1"
    return [state for (state,) in database.execute(query, [NAME])]


def test_nothing_is_left_of_a_storm(server, database):
    warm = [Visit(view, "stays", 0) for view in sorted(VIEWS)] * 3
    assert asyncio.run(storm(server.port, warm, THREADS)) == []
    before = server.alive_when_quiet()

    wrong = asyncio.run(storm(server.port, visits(REQUESTS, seed=1), AT_ONCE))
    after = server.alive_when_quiet()

    assert wrong == []
    assert after["violations"] == []
    assert after["tasks"] <= before["tasks"]
    assert after["executors"] == before["executors"]
    # As many as may be, and none that belongs to a request.
    ours = [name for name in after["threads"] if re.fullmatch(r"split-deploy-\d+", name)]
    assert len(ours) <= THREADS
    assert {*after["threads"]} - {*ours} <= {*before["threads"]} | _of_the_default_executor(after)
    assert len(connections(database)) <= THREADS
    assert {*connections(database)} <= {"idle"}
    # Whole transactions, and none that a view has left open.
    assert database.execute("SELECT sum(amount) FROM account WHERE id < 3").fetchone() == (2000,)
    assert database.execute("SELECT amount FROM account WHERE id = 3").fetchone() == (1000,)
    # It goes on, and holds no more than it did.
    assert asyncio.run(storm(server.port, warm, THREADS)) == []
    again = server.alive_when_quiet()
    assert asyncio.run(storm(server.port, visits(REQUESTS, seed=2), AT_ONCE)) == []
    at_last = server.alive_when_quiet()
    assert at_last["executors"] == again["executors"]
    assert at_last["files"] <= again["files"] + 2
    assert _LEAK.findall(server.log.read_text()) == []


def test_it_ends_in_the_middle_of_a_storm(server, database):
    async def storm_and_stop() -> None:
        storming = asyncio.create_task(storm(server.port, visits(REQUESTS, seed=3), AT_ONCE))
        await asyncio.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        await storming

    asyncio.run(storm_and_stop())

    assert server.process.wait(20) in (0, -signal.SIGTERM)
    assert connections(database) == []
    log = server.log.read_text()
    assert "Application shutdown complete" in log
    assert _LEAK.findall(log) == []


def test_ten_thousand_requests_in_all_the_other_ways_leave_nothing(mixed_server, database):
    """The mixed role, the request in a context, blocking-first views, and work beside requests."""
    warm = [Visit(view, "stays", 0) for view in sorted(ways.VIEWS)] * 3
    assert asyncio.run(storm(mixed_server.port, warm, THREADS)) == []
    before = mixed_server.alive_when_quiet()

    planned = visits(MIXED_REQUESTS, seed=4, views=ways.VIEWS)
    assert asyncio.run(storm(mixed_server.port, planned, AT_ONCE)) == []
    after = mixed_server.alive_when_quiet()

    assert after["violations"] == []
    assert after["tasks"] <= before["tasks"]
    assert after["executors"] == before["executors"]
    # Those of the pool, of run_in_thread(), and those that wait for a process.
    config = get_config()
    ours = [name for name in after["threads"] if re.fullmatch(r"split-deploy-\d+", name)]
    assert len(ours) <= THREADS + config.task_threads + config.task_processes
    assert {*after["threads"]} - {*ours} <= {*before["threads"]} | _of_the_default_executor(after)
    assert len(connections(database)) <= THREADS
    assert {*connections(database)} <= {"idle"}
    assert database.execute("SELECT sum(amount) FROM account WHERE id < 3").fetchone() == (2000,)
    assert after["files"] <= before["files"] + THREADS + 2
    assert _LEAK.findall(mixed_server.log.read_text()) == []


def _of_the_default_executor(found: dict[str, Any]) -> set[str]:
    return {name for name in found["threads"] if name.startswith("asyncio_")}
