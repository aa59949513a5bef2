"""Django's stack and ours get the same visits, and answer the same."""

import asyncio
import logging
import os
import re
import sys
import time
from collections.abc import Iterator
from unittest import mock

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import cache
from django.core.handlers.asgi import ASGIHandler
from django.core.management import call_command
from django.core.signals import got_request_exception
from django.db import connections
from django.middleware.gzip import GZipMiddleware
from django.test import override_settings
from hypothesis import HealthCheck, given, settings

from split_deploy import pool
from split_deploy.handlers import NativeASGIHandler
from split_deploy.middleware import native
from tests.differential.requests import VISITS, a_configuration
from tests.differential.site import _calls
from tests.differential.stacks import Request, leaks_ignored, run

#: More than these are random ones: ``DIFFERENTIAL_EXAMPLES=5000``.
_EXAMPLES = int(os.environ.get("DIFFERENTIAL_EXAMPLES", "0"))

_NOW = 1_800_000_000.0

_COMMON = {
    "ROOT_URLCONF": "tests.differential.site",
    "ALLOWED_HOSTS": ["testserver", "www.testserver"],
    "LANGUAGES": [("en", "English"), ("de", "Deutsch"), ("fr", "Français")],
    "LANGUAGE_CODE": "en",
    "USE_I18N": True,
    "MANAGERS": [("Ann", "ann@example.com")],
    "DISALLOWED_USER_AGENTS": [re.compile("^Forbidden")],
    "AUTHENTICATION_BACKENDS": [
        "django.contrib.auth.backends.ModelBackend",
        "django.contrib.auth.backends.RemoteUserBackend",
    ],
    "SESSION_SERIALIZER": "django.contrib.sessions.serializers.JSONSerializer",
    "LOGIN_URL": "/form/",
}


@pytest.fixture(scope="module")
def people(tmp_path_factory, django_db_setup, django_db_blocker) -> Iterator[None]:
    """Ann and Bob, in a database that several threads can have open, and close: in a file."""
    before, name = connections["default"], connections.settings["default"]["NAME"]
    with django_db_blocker.unblock():
        connections.settings["default"]["NAME"] = str(tmp_path_factory.mktemp("database") / "db")
        connections["default"] = connections.create_connection("default")
        try:
            call_command("migrate", verbosity=0)
            for person in ("ann", "bob"):
                get_user_model().objects.create_user(person, password=person)
            yield
        finally:
            connections["default"].close()
            connections.settings["default"]["NAME"] = name
            connections["default"] = before


@pytest.fixture(autouse=True, scope="module")
def quiet() -> Iterator[None]:
    logging.disable()
    yield
    logging.disable(logging.NOTSET)
    pool.retire(5)


def outcome(handler: type[ASGIHandler], visits: list[Request]) -> dict[str, object]:
    Session.objects.all().delete()
    get_user_model().objects.filter(username="eve").delete()
    get_user_model().objects.update(last_login=None)
    cache.clear()
    mail.outbox = []
    _calls.clear()
    errors: list[str] = []

    def remember(**_: object) -> None:
        errors.append(repr(sys.exception()))

    got_request_exception.connect(remember)
    try:
        with (
            mock.patch.object(time, "time", return_value=_NOW),
            mock.patch.object(GZipMiddleware, "max_random_bytes", 0),
        ):
            client, exchanges = asyncio.run(run(handler(), visits))
            stored = client.stored()
    finally:
        got_request_exception.disconnect(remember)
    mails = sorted(item.subject for item in mail.outbox)
    return {"exchanges": exchanges, "errors": errors, "stored": stored, "mails": mails}


@settings(
    max_examples=_EXAMPLES or 60,
    derandomize=not _EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
@given(configuration=a_configuration(), visits=VISITS)
def test_the_same_visits_are_answered_alike(people, configuration, visits):
    with override_settings(**_COMMON, **configuration), leaks_ignored():
        theirs = outcome(ASGIHandler, visits)
    ours_settings = configuration | {"MIDDLEWARE": native(configuration["MIDDLEWARE"])}
    with override_settings(**_COMMON, **ours_settings, SPLIT_DEPLOY={"ROLE": "async"}):
        ours = outcome(NativeASGIHandler, visits)
    assert ours["errors"] == theirs["errors"]
    for request, their, our in zip(visits, theirs["exchanges"], ours["exchanges"], strict=True):
        assert our == their, request
    assert ours == theirs
