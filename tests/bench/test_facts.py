"""What a report says of the databases, whatever a project prints meanwhile."""

import json

import pytest
from django.db import OperationalError, connection

from split_deploy._elsewhere import ElsewhereError
from split_deploy.bench import facts
from split_deploy.bench.database import described


@pytest.mark.django_db
def test_a_database_is_told_with_its_version_and_what_decides_the_cost_of_a_write():
    found = described(connection)
    assert found.startswith(f"{connection.display_name} ")
    assert ("fsync " in found) is (connection.vendor == "postgresql")


def test_a_database_that_does_not_answer_is_told_too(monkeypatch):
    def fails():
        raise OperationalError("connection refused\nIs it running?")

    monkeypatch.setattr(connection, "get_database_version", fails)
    assert described(connection) == "not known: connection refused"


@pytest.mark.parametrize(
    ("printed", "found"),
    [
        ('a project that prints\n\n{"default": "SQLite 3"}\n', {"database default": "SQLite 3"}),
        ("a project that prints\n", {"database": "not known: "}),
    ],
)
def test_what_a_project_prints_is_no_database(monkeypatch, printed, found):
    monkeypatch.setattr(facts, "output_of", lambda *_, **__: printed)
    (key, value), *more = facts.databases("a.module", {}).items()
    (expected, start), *_ = found.items()
    assert (key, more) == (expected, [])
    assert value.startswith(start)


def test_a_project_that_does_not_load_has_databases_that_are_not_known(monkeypatch):
    def fails(*_, **__):
        raise ElsewhereError("no such module")

    monkeypatch.setattr(facts, "output_of", fails)
    assert facts.databases("a.module", {}) == {"database": "not known: no such module"}


def test_the_databases_of_this_project_are_told_by_a_process_of_their_own():
    found = facts.databases("settings.mixed", {"DJANGO_ENV": "test"})
    assert list(found) == ["database default"], json.dumps(found)
    assert "not known" not in found["database default"]
