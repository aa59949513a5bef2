"""docs/threads.md, and the budget of connections that `split-deploy check` prints."""

import subprocess
import sys

import psycopg
import pytest

from split_deploy.checks import budget
from split_deploy.checks.budget import _pool_size
from tests.docs.pages import block, matches
from tests.e2e.stack import ROOT, clean_environment
from tests.services import require_postgres

PAGE = "docs/threads.md"


def check(*arguments, **environment):
    done = subprocess.run(
        [sys.executable, "-m", "split_deploy", "check", *arguments],
        cwd=ROOT,
        env=clean_environment() | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def postgres():
    return {"DATABASE_URL": require_postgres()}


def limit(environment):
    with psycopg.connect(environment["DATABASE_URL"]) as connection:
        names = ("max_connections", "superuser_reserved_connections")
        most, reserved = (int(connection.execute(f"SHOW {name}").fetchone()[0]) for name in names)
    return most - reserved


def test_check_adds_up_what_both_instances_may_open(postgres):
    status, output = check(**postgres)

    shown = block(PAGE, "What split-deploy check says in the end")
    assert status == 0, output
    assert matches(f"...{shown}", output)
    assert f"of the {limit(postgres)} that it allows" in output


def test_more_than_the_database_allows_is_a_warning(postgres):
    many = postgres | {"ASYNC_THREADS": str(limit(postgres))}

    status, output = check("--fail-level", "WARNING", **many)
    assert status == 1
    assert "under load the rest are refused" in output
    assert check(**many)[0] == 0


def test_two_aliases_of_one_database_are_added_up(monkeypatch):
    share = budget.Share(database="app at db:5432", processes=2, each=30, allowed=97, error=None)
    monkeypatch.setattr(budget, "_load", lambda *_: {"default": share, "reports": share})
    (line,), fits = budget.report({"sync": "settings.sync_only"}, "split")
    assert not fits
    assert line.startswith("default, reports (app at db:5432): 2 x 30 sync + 2 x 30 sync = 120")


def test_processes_and_threads_are_those_of_the_servers_configuration(postgres):
    environment = {
        "WEB_CONCURRENCY": "3",
        "GUNICORN_THREADS": "5",
        "UVICORN_WORKERS": "2",
        "ASYNC_THREADS": "6",
    }
    _, output = check(**postgres, **environment)
    assert "3 x 5 sync + 2 x 6 async = 27 connections" in output


@pytest.mark.parametrize(("topology", "processes"), [("mixed", 3), ("uvicorn", 2)])
def test_the_one_instance_has_the_processes_of_its_server(postgres, topology, processes):
    environment = {"WEB_CONCURRENCY": "3", "UVICORN_WORKERS": "2", "ASYNC_THREADS": "6"}
    _, output = check("--topology", topology, **postgres, **environment)
    assert f": {processes} x 6 mixed = {6 * processes} connections" in output


def test_a_limit_of_the_role_counts(postgres):
    with psycopg.connect(postgres["DATABASE_URL"], autocommit=True) as connection:
        before = connection.execute(
            "SELECT datconnlimit FROM pg_database WHERE datname = current_database()"
        ).fetchone()[0]
        name = psycopg.sql.Identifier(connection.info.dbname)
        limit = psycopg.sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}")
        connection.execute(limit.format(name, 11))
        try:
            _, output = check(**postgres)
        finally:
            connection.execute(limit.format(name, before))
    assert "= 16 connections, and it allows 11" in output


def test_a_database_that_does_not_answer_is_no_error_and_not_passed_over():
    status, output = check(DATABASE_URL="postgres://split:secret@127.0.0.1:9/nowhere")
    assert status == 0
    assert "could not be asked what it allows" in output
    assert "secret" not in output


def test_sqlite_has_no_limit_and_no_line():
    assert "database connections" not in check()[1]


@pytest.mark.parametrize(
    ("pool", "size"),
    [(True, 4), ({}, 4), ({"min_size": 2}, 2), ({"min_size": 2, "max_size": 9}, 9)],
)
def test_the_size_of_psycopgs_pool(pool, size):
    assert _pool_size(pool) == size


def test_a_thread_for_each_request_is_a_valid_setting():
    settings = {"SPLIT_DEPLOY": {"ROLE": "async"}}
    exec(block(PAGE, "A thread for each request"), settings)
    assert settings["SPLIT_DEPLOY"] == {"ROLE": "async", "SHARE_IDLE_THREADS": False}


def test_the_pool_says_what_it_has_done(capsys):
    exec(block(PAGE, "What the pool has done"), {})
    assert capsys.readouterr().out.startswith(("None", "Statistics("))
