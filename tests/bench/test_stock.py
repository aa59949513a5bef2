"""A project as stock Django serves it, in a process of its own with settings of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "split_deploy.bench.stock_settings",
    "SPLIT_DEPLOY_BENCH_SETTINGS": "settings.mixed",
}


def run(code, **environment):
    """What a process prints that runs ``code``."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_each_interface_has_djangos_handler():
    done = run(
        "from split_deploy.bench import stock; print(type(stock.wsgi), type(stock.asgi.http))",
        **SETTINGS,
    )

    assert done.stdout.split("'")[1::2] == [
        "django.core.handlers.wsgi.WSGIHandler",
        "django.core.handlers.asgi.ASGIHandler",
    ], done.stderr


LIFESPAN = """
import asyncio
from contextlib import asynccontextmanager
from django.conf import settings
from split_deploy.bench import stock

said = []

@asynccontextmanager
async def context():
    said.append("entered")
    yield
    said.append("left")

@asynccontextmanager
async def broken():
    raise RuntimeError("no database")
    yield

async def main():
    application = stock.asgi
    settings.SPLIT_DEPLOY = settings.SPLIT_DEPLOY | {"LIFESPAN": ["__main__.CONTEXT"]}
    messages = ["startup", "shutdown"]

    async def receive():
        return {"type": f"lifespan.{messages.pop(0)}"}

    async def send(message):
        said.append(message["type"])

    try:
        await application({"type": "lifespan"}, receive, send)
    finally:
        print(*said)

asyncio.run(main())
"""


def test_what_the_project_opens_is_open_while_it_is_served():
    done = run(LIFESPAN.replace("CONTEXT", "context"), **SETTINGS)

    assert done.stdout.split() == [
        *("entered", "lifespan.startup.complete", "left", "lifespan.shutdown.complete"),
    ], done.stderr


def test_what_can_not_be_opened_ends_the_start():
    done = run(LIFESPAN.replace("CONTEXT", "broken"), **SETTINGS)

    assert done.stdout.split() == ["lifespan.startup.failed"]
    assert "RuntimeError: no database" in done.stderr


def test_nothing_else_is_served():
    done = run("from split_deploy.bench.stock import both", **SETTINGS)

    assert "ImportError: cannot import name 'both' from 'split_deploy.bench.stock'" in done.stderr


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (
            {"SPLIT_DEPLOY_BENCH_SETTINGS": ""},
            "SPLIT_DEPLOY_BENCH_SETTINGS is missing: name in it the settings module",
        ),
        (
            {"SPLIT_DEPLOY_BENCH_INTERFACE": "rsgi"},
            "SPLIT_DEPLOY_BENCH_INTERFACE is 'rsgi': it has to be asgi or wsgi.",
        ),
    ],
)
def test_a_mistake_in_the_environment_is_named(environment, message):
    done = run("from split_deploy.bench import stock; stock.asgi", **SETTINGS | environment)

    assert f"ImproperlyConfigured: {message}" in done.stderr


def test_what_counts_has_to_be_told_what():
    done = run("from split_deploy.bench import counting; counting.wsgi", **SETTINGS)

    assert (
        "ImproperlyConfigured: SPLIT_DEPLOY_BENCH_APPLICATION is '': name in it what is to be "
        "counted, as module:attribute." in done.stderr
    )
