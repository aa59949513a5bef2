"""The option: off unless asked for, and refused where it can't work."""

import asyncio
import json
from importlib import metadata

import django
import pytest
from django.core.exceptions import ImproperlyConfigured, MiddlewareNotUsed
from django.http import StreamingHttpResponse
from django.test import AsyncRequestFactory

from app.models import WatchedURL
from split_deploy import async_database
from split_deploy.middleware.async_database import AsyncDatabaseMiddleware
from tests.unit.test_settings import SHOW, run

POSTGRES = "postgres://app:secret@127.0.0.1:5432/app"
NAMES = ("DATABASES", "INSTALLED_APPS", "MIDDLEWARE", "SPLIT_DEPLOY")

needs_django_6_1 = pytest.mark.skipif(
    django.VERSION < (6, 1), reason="django-async-backend is for Django 6.1"
)


def settings_of(module: str, **env: str):
    return run("-c", SHOW, *NAMES, settings=module, **{"DATABASE_URL": POSTGRES} | env)


@needs_django_6_1
def test_one_variable_puts_it_behind_the_async_role_and_no_other():
    off, on = (
        json.loads(settings_of("settings.async_only", ASYNC_DATABASE_CONNECTIONS=number).stdout)
        for number in ("0", "7")
    )
    database = on["DATABASES"]["default"]
    assert database.pop("ENGINE") == async_database.ENGINE
    assert database["OPTIONS"].pop("async_pool")["max_size"] == 7
    assert off["DATABASES"]["default"].pop("ENGINE") == "django.db.backends.postgresql"
    assert off["DATABASES"] == on["DATABASES"]
    assert set(on["INSTALLED_APPS"]) - set(off["INSTALLED_APPS"]) == {"django_async_backend"}
    assert on["MIDDLEWARE"][-1] == "split_deploy.middleware.async_database.AsyncDatabaseMiddleware"

    sync = settings_of("settings.sync_only", ASYNC_DATABASE_CONNECTIONS="7").stdout
    assert sync == settings_of("settings.sync_only").stdout


@needs_django_6_1
def test_the_option_needs_postgresql():
    done = settings_of(
        "settings.async_only", ASYNC_DATABASE_CONNECTIONS="7", DATABASE_URL="sqlite:////tmp/x"
    )
    assert "ASYNC_DATABASE_CONNECTIONS needs PostgreSQL" in done.stderr.splitlines()[-1]


@pytest.mark.skipif(django.VERSION >= (6, 1), reason="Django 6.1 has a django-async-backend")
def test_a_django_without_a_django_async_backend_is_told_so():
    done = settings_of("settings.async_only", ASYNC_DATABASE_CONNECTIONS="7")
    assert "which is not installed; it is for Django 6.1, and here is 5.2" in done.stderr


def test_a_release_for_another_django_is_refused(monkeypatch):
    monkeypatch.setattr(metadata, "version", lambda name: "5.1.3")
    with pytest.raises(ImproperlyConfigured, match=r"5\.1\.3 is not for Django"):
        async_database.verify_installed()


@needs_django_6_1
@pytest.mark.parametrize("pool", [None, True, {}, {"min_size": 1}])
def test_a_pool_without_a_size_is_refused(pool):
    from split_deploy.async_database.postgresql.base import AsyncDatabaseWrapper

    with pytest.raises(ImproperlyConfigured, match="how many connections"):
        AsyncDatabaseWrapper({"CONN_HEALTH_CHECKS": True, "OPTIONS": {"async_pool": pool}})


def test_without_the_option_objects_are_those_of_django():
    assert async_database.objects(WatchedURL) is WatchedURL._default_manager


async def _answers(request):
    raise AssertionError("nobody asked")


def test_without_the_option_the_middleware_is_left_out():
    with pytest.raises(MiddlewareNotUsed):
        AsyncDatabaseMiddleware(_answers)


@pytest.mark.asyncio
async def test_a_stream_that_is_closed_midway_is_at_its_end_before_its_connection_goes(monkeypatch):
    notes = []

    async def parts():
        try:
            yield b"a part"
        finally:
            await asyncio.sleep(0)
            notes.append("ended")

    async def view(request):
        return StreamingHttpResponse(parts())

    async def release():
        notes.append("released")

    monkeypatch.setattr(async_database, "is_on", lambda: True)
    monkeypatch.setattr(async_database, "release", release)
    monkeypatch.setattr("split_deploy.middleware.async_database._begin", lambda: None)
    response = await AsyncDatabaseMiddleware(view)(AsyncRequestFactory().get("/"))
    # As the handler does it.
    stream = response._iterator
    assert await anext(stream) == b"a part"
    await stream.aclose()
    assert notes == ["released", "ended", "released"]
