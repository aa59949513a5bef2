"""Truly async database access, as an option: ``django-async-backend`` behind the async role.

Django's ORM stays the default, and its a-methods run in the threads of ``split_deploy.pool``. With
the engine ``split_deploy.async_database.postgresql`` a model has a second manager, whose queries
are sent by the event loop itself. See docs/async-database.md.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from functools import lru_cache
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final, TypeVar

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

if TYPE_CHECKING:  # settings modules import this one
    from django.db import models

ENGINE: Final = "split_deploy.async_database.postgresql"

M = TypeVar("M", bound="models.Model")
T = TypeVar("T")


@lru_cache(maxsize=1)
def is_on() -> bool:
    """Return whether a database of the settings in use has the async engine."""
    return any(database.get("ENGINE") == ENGINE for database in settings.DATABASES.values())


def objects(model: type[M]) -> models.Manager[M]:
    """Return the manager of ``model`` that does not leave the event loop, if there is one.

    Otherwise the model's default manager, whose a-methods run in a thread: a view that calls the
    methods that both have (``async for``, ``aget()``, ``acount()``, ``acreate()``, ...) is the same
    with and without the option.
    """
    if is_on():
        with_manager: Any = model
        manager: models.Manager[M] = with_manager.async_objects
        return manager
    return model._default_manager


async def release() -> None:
    """Give the connections of the request, or the task, at hand back to the pool.

    ``AsyncDatabaseMiddleware`` does it before the first byte of each response. For code that is
    about to wait for something else: the next query takes a connection again. A transaction that is
    open is rolled back.
    """
    if is_on():
        from django_async_backend.db import async_connections

        for connection in async_connections.all(initialized_only=True):
            await connection.close()


def on_its_own(work: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
    """Return ``work`` with connections of its own, which are given back when it ends.

    For what runs beside a request or outlives it: a connection belongs to one task at a time.
    """
    if not is_on():
        return work
    from django_async_backend.db import async_new_connection

    own: Coroutine[Any, Any, T] = async_new_connection(work)
    return own


@asynccontextmanager
async def running() -> AsyncIterator[None]:
    """On leaving, close the pools.

    They are opened by the first query, so that an instance starts while its database is away.
    """
    try:
        yield
    finally:
        if is_on():
            from split_deploy.async_database.postgresql.base import close_pools

            await close_pools()


def verify_installed() -> None:
    """Raise ``ImproperlyConfigured`` if what the option needs is not there.

    ``django-async-backend`` has a part that is generated from Django's source: each of its feature
    releases is for the Django of the same number.
    """
    wanted = "{}.{}".format(*django.VERSION)
    how = "Install the extra: pip install 'django-split-deploy[async-db]'."
    try:
        found = metadata.version("django-async-backend")
    except metadata.PackageNotFoundError:
        raise ImproperlyConfigured(
            "The async database engine needs django-async-backend, which is not installed; it is "
            f"for Django 6.1, and here is {wanted}. {how}"
        ) from None
    if found.split(".")[:2] != wanted.split("."):
        raise ImproperlyConfigured(
            f"django-async-backend {found} is not for Django {wanted}, from whose source a part of "
            f"it is generated. {how}"
        )


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "DATABASES":
        is_on.cache_clear()


setting_changed.connect(_forget, dispatch_uid="split_deploy.async_database")
