import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections

from split_deploy import pool
from split_deploy._current import current
from split_deploy.middleware import native
from tests.context import site


@pytest.fixture(autouse=True)
def users_without_a_database(settings: Any) -> Iterator[None]:
    settings.AUTHENTICATION_BACKENDS = [site.BACKEND]
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    site.loads.clear()
    # As Django's test client does: it would look after connections that aren't for these tests.
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)
    pool.retire(5)


@pytest.fixture(autouse=True)
def nothing_is_left_in_the_context_of_the_test() -> Iterator[None]:
    assert current() is None
    yield
    assert current() is None


@pytest.fixture
def sync_role(settings: Any) -> None:
    settings.SPLIT_DEPLOY = {"ROLE": "sync"}
    settings.MIDDLEWARE = site.SYNC


@pytest.fixture
def async_role(settings: Any) -> None:
    settings.SPLIT_DEPLOY = {"ROLE": "async"}
    settings.MIDDLEWARE = native(site.SYNC)
    # A test of the sync instance that ran before has connected it, for as long as the process runs.
    request_finished.disconnect(dispatch_uid="split_deploy.request_id")


def collected() -> None:
    """Let the garbage collector do what it will do some time."""
    for _ in range(3):
        gc.collect()


async def settled() -> None:
    """Let tasks end that are about to."""
    for _ in range(5):
        await asyncio.sleep(0)
