"""The async database as a real server uses it."""

import asyncio
import os
import time

import django
import httpx
import psycopg
import pytest

from tests.async_database.server import CONNECTIONS, running
from tests.services import DATABASE_URL, require_postgres

pytestmark = pytest.mark.skipif(
    django.VERSION < (6, 1), reason="django-async-backend is for Django 6.1"
)

NAME = f"tests-{os.getpid()}"


@pytest.fixture(scope="module")
def server():
    with running(require_postgres()) as server:
        yield server


@pytest.fixture(autouse=True)
def _nothing_is_left(server):
    server.get("test/clear/")
    yield
    wait_until(lambda: server.get("test/state/").json()["in_use"] == 1, "connections left in use")


FORGOTTEN = "A task ended without giving its async database connection back."


def labels(server):
    return server.get("test/state/").json()["labels"]


def wait_until(condition, what):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def activity(condition="true"):
    """How many connections of the server there are that fulfil ``condition``."""
    with psycopg.connect(DATABASE_URL, autocommit=True) as connection:
        query = f"SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND {condition}"
        (count,) = connection.execute(query, [NAME]).fetchone()
    return count


async def at_once(server, path, number):
    async with httpx.AsyncClient(timeout=20) as client:
        url = f"{server.url}/async/{path}"
        return await asyncio.gather(*(client.get(url) for _ in range(number)))


def test_a_query_leaves_the_event_loop_for_no_thread(server):
    found = server.get("test/state/")
    assert found.json() == {"labels": [], "hops": 0, "in_use": 1}


def test_the_view_of_the_example_is_served(server):
    assert server.get("board/urls/").json() == {"urls": []}


def test_more_requests_than_connections_take_turns(server):
    answers = asyncio.run(at_once(server, "test/sleep/0.2/", 3 * CONNECTIONS))
    assert [answer.status_code for answer in answers] == [200] * 3 * CONNECTIONS
    # All were taken, and no more were made.
    assert max(answer.json()["in_use"] for answer in answers) == CONNECTIONS
    assert activity() == CONNECTIONS


def test_a_transaction_is_committed_or_rolled_back_and_so_is_a_savepoint(server):
    assert server.get("test/transactions/").json()["hops"] == 0
    assert labels(server) == ["committed"]


def test_a_request_that_fails_is_rolled_back_and_gives_its_connection_back(server):
    for _ in range(2 * CONNECTIONS):
        assert server.get("test/failing/").status_code == 500
    assert labels(server) == []
    assert activity("state = 'idle in transaction'") == 0


def test_a_transaction_that_nobody_ended_is_rolled_back_with_the_request(server):
    assert server.get("test/left_open/").status_code == 200
    assert labels(server) == []
    assert activity("state = 'idle in transaction'") == 0


def test_a_client_that_goes_away_ends_its_query(server):
    for _ in range(2 * CONNECTIONS):
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{server.url}/async/test/sleep/60/", timeout=0.3)
    wait_until(lambda: not activity("state = 'active'"), "the queries go on")
    assert activity() <= CONNECTIONS


def test_clients_that_go_away_while_they_wait_for_a_connection_lose_none(server):
    async def storm():
        async with httpx.AsyncClient() as client:
            urls = [f"{server.url}/async/test/sleep/0.05/"] * 10 * CONNECTIONS
            timeouts = [0.02 + 0.3 * number / len(urls) for number in range(len(urls))]
            await asyncio.gather(
                *(client.get(url, timeout=t) for url, t in zip(urls, timeouts, strict=True)),
                return_exceptions=True,
            )

    asyncio.run(storm())
    answers = asyncio.run(at_once(server, "test/sleep/0.1/", 2 * CONNECTIONS))
    assert {answer.status_code for answer in answers} == {200}
    assert activity() <= CONNECTIONS


def test_a_stream_begins_without_a_connection(server):
    # Before its first byte, after a query of its own, and once it gave that connection back.
    assert server.get("test/stream/").text.split() == ["0", "1", "0"]


def test_an_event_stream_has_connections_of_its_own(server):
    assert server.get("test/events/").text.split("\n")[::2] == ["data: 0 0"] * 3 + [""]


def test_the_orm_of_django_goes_on_in_its_thread(server):
    found = server.get("test/both_ways/").json()
    assert (found["sync"], found["hops"]) == (0, 1)


def test_tasks_of_a_request_cannot_share_its_connection(server):
    outcomes = server.get("test/gathered/0/").json()["outcomes"]
    assert sum("can only be used by the task that first used it" in o for o in outcomes) == 2


def test_tasks_with_connections_of_their_own_run_at_once(server):
    assert server.get("test/gathered/1/").json()["outcomes"] == ["0", "0", "0"]


def test_a_background_task_has_a_connection_of_its_own_and_gives_it_back(server):
    told = server.log().count(FORGOTTEN)
    assert server.get("test/in_background/").status_code == 200
    wait_until(lambda: len(labels(server)) == 1, "the task did nothing")
    labels(server)  # collects what was forgotten
    assert server.log().count(FORGOTTEN) == told


def test_a_connection_that_a_task_forgot_is_given_back_and_told_of(server):
    for _ in range(CONNECTIONS):
        assert server.get("test/forgotten/").status_code == 200
    wait_until(lambda: len(labels(server)) == CONNECTIONS, "the tasks did nothing")
    server.wait_for_log(FORGOTTEN)


def test_connections_that_broke_are_replaced_at_once(server):
    asyncio.run(at_once(server, "test/sleep/0.1/", 2 * CONNECTIONS))
    with psycopg.connect(DATABASE_URL, autocommit=True) as connection:
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
        connection.execute(query, [NAME])
    assert server.get("test/state/").status_code == 200
