"""What the environment says of the benchmark's site."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PRINT = """
import asyncio
import django
django.setup()
from django.conf import settings
from django.test import AsyncClient, Client
from django.urls import resolve
print(settings.SPLIT_DEPLOY["ROLE"], settings.SPLIT_DEPLOY["THREADS"])
print(settings.MIDDLEWARE.count("benchmarks._site.middleware.nothing"))
base = "" if settings.SPLIT_DEPLOY["ROLE"] == "sync" else "/async"
print(resolve(f"{base}/p2/1/").route)
if base:
    response = asyncio.run(AsyncClient().get(f"{base}/json/"))
else:
    response = Client().get("/json/")
print(response.status_code)
"""


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(("role", "base"), [("sync", ""), ("async", "async/"), ("mixed", "async/")])
def test_middleware_and_patterns_are_added_to_each_role(role, base):
    done = run(
        "-c",
        PRINT,
        DJANGO_SETTINGS_MODULE=f"benchmarks._site.{role}_settings",
        BENCHMARK_EXTRA_MIDDLEWARE="30",
        BENCHMARK_URL_PATTERNS="3",
        BENCHMARK_THREADS="6",
    )

    assert done.stdout.split() == [role, "6", "30", f"{base}p2/<int:pk>/", "200"], done.stderr


def test_a_database_that_does_not_answer_is_said():
    url = "postgres://split:split@127.0.0.1:1/nowhere"
    done = run("-m", "benchmarks._site.prepare", BENCHMARK_DATABASE_URL=url)

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("The benchmark's PostgreSQL can't be used: ")
    assert "Name one in TEST_DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr
