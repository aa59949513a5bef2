"""``uvicorn tests.storms.asgi:application``: also says what is alive in it, and cancels itself."""

import asyncio
import gc
import json
import os
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from asgiref.sync import SyncToAsync

from split_deploy.asgi import get_async_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.storms.settings")

django_application = get_async_application()

#: What a request makes. None of it may live longer.
_OF_A_REQUEST = (
    "Disconnect",
    "Hops",
    "Impersonation",
    "Lease",
    "NativeASGIRequest",
    "Operations",
    "PartLease",
    "PooledContext",
    "Run",
    "Scope",
    "SessionStore",
)


async def application(scope: Any, receive: Any, send: Any) -> None:
    """The application; ``/alive/`` is its state, and ``x-cancel-after`` cancels the request."""
    if scope["type"] == "http":
        if scope["path"] == "/alive/":
            await _answer(send, alive())
            return
        if delay := dict(scope["headers"]).get(b"x-cancel-after"):
            await _cancelled(float(delay), scope, receive, send)
            return
    await django_application(scope, receive, send)


async def _cancelled(delay: float, scope: Any, receive: Any, send: Any) -> None:
    """Serve it in a task that is cancelled, as a server does that stops or limits the time."""
    task = asyncio.create_task(django_application(scope, receive, send))
    try:
        async with asyncio.timeout(delay):
            await task
    except TimeoutError:
        if not task.cancelled():
            raise
        await _answer(send, {"cancelled": True})


def alive() -> dict[str, Any]:
    """What there is, without what answers this."""
    from split_deploy import pool
    from tests.storms.site import violations

    gc.collect()
    objects = Counter(type(item).__name__ for item in gc.get_objects())
    statistics = pool.statistics()
    return {
        "objects": {name: objects[name] for name in _OF_A_REQUEST if objects[name]},
        "executors": len(SyncToAsync.context_to_thread_executor),
        "tasks": len(asyncio.all_tasks()) - 1,
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "busy": statistics.busy + statistics.waiting if statistics else 0,
        "violations": violations,
    }


async def _answer(send: Any, data: Any) -> None:
    body = json.dumps(data).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    try:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
    except RuntimeError:
        return  # a response had been begun
    await send({"type": "http.response.body", "body": body})
