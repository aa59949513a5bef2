"""Whether this process lives, and whether what it needs answers."""

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.core.cache import caches
from django.db import connections

from split_deploy.conf import get_config
from split_deploy.watchdog import loop_blocked_for

logger = logging.getLogger("split_deploy.health")


@dataclass(frozen=True, slots=True)
class Report:
    """What was checked, and whether it was well."""

    checks: dict[str, bool]

    @property
    def ok(self) -> bool:
        return all(self.checks.values())

    def as_json(self) -> dict[str, Any]:
        """``{"status": "ok", "role": "sync", "checks": {"database default": "ok", ...}}``

        A check that failed is ``"failed"`` here and explained in the log: the body is for anybody.
        """
        words = {True: "ok", False: "failed"}
        return {
            "status": words[self.ok],
            "role": get_config().role,
            "checks": {name: words[ok] for name, ok in self.checks.items()},
        }


def live() -> Report:
    """The process lives. In the async role also: its event loop isn't, and wasn't just now, blocked
    for longer than ``SPLIT_DEPLOY["LOOP_BLOCK_LIMIT"]`` seconds. Never touches the database.
    """
    config = get_config()
    if config.role == "sync":
        return Report({})
    return Report({"event loop": loop_blocked_for() <= config.loop_block_limit})


def ready() -> Report:
    """Every database of ``DATABASES`` and every cache of ``CACHES`` answers."""
    checks: dict[str, bool] = {}
    for alias in connections:
        checks[f"database {alias}"] = _succeeds(f"database {alias}", partial(_query, alias))
    for alias in caches.settings:
        checks[f"cache {alias}"] = _succeeds(f"cache {alias}", partial(_round_trip, alias))
    return Report(checks)


async def aready() -> Report:
    """``ready()``, in the request's thread: databases and caches block."""
    return await sync_to_async(ready)()


def _succeeds(name: str, check: Callable[[], None]) -> bool:
    try:
        check()
    except Exception:
        # Whatever a driver raises means the same here: not ready. The log says why.
        logger.exception("Not ready: %s does not answer.", name)
        return False
    return True


def _query(alias: str) -> None:
    connection = connections[alias]
    connection.close_if_unusable_or_obsolete()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _round_trip(alias: str) -> None:
    cache, key, value = caches[alias], f"split_deploy.readyz.{uuid.uuid4().hex}", "ready"
    cache.set(key, value, timeout=10)
    try:
        if cache.get(key) != value:
            raise LookupError("a value that was just set is not there")
    finally:
        cache.delete(key)
