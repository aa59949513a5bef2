"""The pytest plugin: a client for each role, and guards against thread hops and blocking calls.

pytest loads it in every project of the environment, so it imports nothing before a fixture is used.
"""

from __future__ import annotations

import os
import sys
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from split_deploy.conf import Role
    from split_deploy.hops import Hops
    from split_deploy.testing import AsyncRoleClient, SyncRoleClient


def pytest_configure(config: pytest.Config) -> None:
    # Where there is no Django the name is somebody else's.
    if not (config.pluginmanager.hasplugin("django") or "DJANGO_SETTINGS_MODULE" in os.environ):
        return
    # Of two plugins' fixtures with one name the one that is registered last counts, and those that
    # are installed are registered in no particular order.
    config.pluginmanager.register(InPlaceOfPytestDjango(), "split_deploy.in_place_of_pytest_django")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """After the last test, end the pool's threads before the fixtures of the session.

    A test database can't be dropped while they have connections to it.
    """
    if nextitem is None and "split_deploy.pool" in sys.modules:
        from split_deploy import pool

        pool.retire(10)


class InPlaceOfPytestDjango:
    """What pytest-django has a fixture for, too."""

    @pytest.fixture
    def async_client(self, request: pytest.FixtureRequest) -> Iterator[AsyncRoleClient]:
        """A Django async test client for the async instance, like ``sync_client`` for the other.

        Its responses have ``thread_hops``. Where blockbuster is installed, ``no_blocking`` is in
        force. A project that is not split has pytest-django's client under this name.
        """
        if not _is_split():
            yield request.getfixturevalue("async_client")
            return
        from split_deploy.testing import AsyncRoleClient

        with _role(request, "async"):
            if find_spec("blockbuster"):
                request.getfixturevalue("no_blocking")
            yield AsyncRoleClient()


@pytest.fixture
def sync_client(request: pytest.FixtureRequest) -> Iterator[SyncRoleClient]:
    """A Django test client for the sync instance, under its settings.

    They are in force during the test; in one that has ``async_client`` too, each request is served
    under the settings of its own client.
    """
    from split_deploy.testing import SyncRoleClient

    with _role(request, "sync"):
        yield SyncRoleClient()


@pytest.fixture
def assert_no_hops() -> Callable[[], AbstractAsyncContextManager[Hops]]:
    """``async with assert_no_hops(): ...`` fails, with the call sites, if a thread was needed.

    By the coroutines that are awaited inside, or by the requests of ``async_client``.
    """
    from split_deploy.testing import counting

    @asynccontextmanager
    async def checked() -> AsyncIterator[Hops]:
        async with counting() as hops:
            yield hops
        if hops.count:
            sites = "\n".join(f"{count} x {site}" for site, count in hops.sites.items())
            pytest.fail(
                f"{hops.count} thread hop(s) where none is allowed:\n{sites}", pytrace=False
            )

    return checked


@pytest.fixture
def no_blocking() -> Iterator[None]:
    """A call of the project's code that blocks an event loop raises ``blockbuster.BlockingError``.

    But for what ``SPLIT_DEPLOY["BLOCKING_ALLOWED"]`` names.
    """
    if not find_spec("blockbuster"):
        pytest.fail(
            'The fixture no_blocking needs blockbuster: pip install "django-split-deploy[guard]".',
            pytrace=False,
        )
    from split_deploy.blocking import guard

    with guard():
        yield


def _is_split() -> bool:
    from django.conf import ENVIRONMENT_VARIABLE, settings

    has_settings = settings.configured or ENVIRONMENT_VARIABLE in os.environ
    return has_settings and hasattr(settings, "SPLIT_DEPLOY")


@contextmanager
def _role(request: pytest.FixtureRequest, role: Role) -> Iterator[None]:
    from split_deploy.conf import get_config
    from split_deploy.testing.role_settings import in_force, override_one, overrides

    if get_config().role == role:
        yield
        return
    if not request.config.pluginmanager.hasplugin("django"):
        with in_force(role):
            yield
        return
    # pytest-django's fixture has to take back what it and we have changed, in one order: the test
    # may use it after us.
    settings = request.getfixturevalue("settings")
    for name, value in overrides(role).items():
        override_one(settings, name, value)
    yield
