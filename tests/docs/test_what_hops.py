"""The page with the thread hops has the numbers that its command prints."""

import json
import os
import re
import subprocess
import sys

import django
import pytest

from tests.e2e.stack import ROOT
from tests.services import CACHE_URL, require_redis

DJANGO_5_2 = "## Django 5.2"


def tables(text: str) -> dict[str, tuple[str, str]]:
    """The numbers of each row."""
    rows = re.findall(r"^\| (.+?) \| (\d+|an error) \| (\d+) \|$", text, re.MULTILINE)
    return {name: (theirs, ours) for name, theirs, ours in rows}


def groups(text: str) -> dict[str, list[str]]:
    """The rows below each heading."""
    sections = re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return {heading: list(tables(section)) for heading, section in sections if tables(section)}


@pytest.fixture(scope="module")
def counted() -> dict[str, dict[str, object]]:
    require_redis()
    done = subprocess.run(
        [sys.executable, "benchmarks/what_hops.py"],
        cwd=ROOT,
        env=os.environ | {"TEST_CACHE_URL": CACHE_URL},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_page_has_the_numbers_that_are_counted(counted):
    page, _, of_5_2 = (ROOT / "docs/what-hops.md").read_text().partition(DJANGO_5_2)
    told = tables(page) | (tables(of_5_2) if django.VERSION < (6,) else {})
    assert told == {
        name: ("an error" if by["django"] is None else str(by["django"]), str(by["native"]))
        for name, by in counted.items()
    }


def test_the_page_has_them_in_the_order_of_the_command(counted):
    page, _, _ = (ROOT / "docs/what-hops.md").read_text().partition(DJANGO_5_2)
    printed: dict[str, list[str]] = {}
    for name, by in counted.items():
        printed.setdefault(by["group"], []).append(name)
    assert groups(page) == printed
