"""What leaves the event loop on an async request: thread hops counted, before and after.

    python benchmarks/what_hops.py [--only TEXT] [--stack native --sites]

Each row (see ``_what_hops_rows.py``) is served in this process's children, without sockets, by
Django's own ``ASGIHandler`` with Django's middleware and caches, and by ``NativeASGIHandler`` with
``native(MIDDLEWARE)`` and the backends of ``split_deploy.cache``, on SQLite. A hop is counted at
the executor that gets the work, as ``split_deploy.hops`` does it, and it is the second request of
its kind that counts: the first one loads what is then loaded. Rows on Redis need the one that
``TEST_CACHE_URL`` names, and are left out if it doesn't answer.

Prints the tables of docs/what-hops.md and, in the last line, one JSON object.
"""

import argparse
import asyncio
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks._startproject import SEVEN  # noqa: E402
from benchmarks._what_hops_settings import REDIS, set_up  # noqa: E402

STACKS = ("django", "native")
TOKEN = "t" * 32


@contextmanager
def in_force(row: Any, middleware: list[str]) -> Iterator[None]:
    """Give Django what ``row`` is about."""
    from django.core.signals import request_finished
    from django.test import override_settings
    from django.urls import clear_url_caches

    from benchmarks._what_hops_rows import urlpatterns

    sys.modules["what_hops_urls"].urlpatterns = urlpatterns(row)
    clear_url_caches()
    log = logging.getLogger("django.request")
    handlers = [logging.FileHandler(os.devnull)] if row.is_logged_to_a_file else []
    for handler in handlers:
        log.addHandler(handler)
    if row.connected:
        request_finished.connect(row.connected)
    with override_settings(MIDDLEWARE=middleware, **row.settings):
        yield
    if row.connected:
        request_finished.disconnect(row.connected)
    for handler in handlers:
        log.removeHandler(handler)
        handler.close()


class Client:
    """A browser without sockets: it keeps cookies, and counts."""

    def __init__(self, application: Any) -> None:
        self.application = application
        self.cookies = {"csrftoken": TOKEN}
        #: Where the hops of the last request were.
        self.sites: Mapping[Any, int] = {}

    async def ask(self, request: Any, *, has_token: bool = True) -> tuple[int, int]:
        """Return the status of the response and the hops until its end."""
        from split_deploy import hops

        counted = hops.Hops()
        with hops.counted_into(counted):
            # In a task, as a server does it.
            status = await asyncio.create_task(self._ask(request, has_token))
        self.sites = counted.sites
        return status, counted.count

    async def _ask(self, request: Any, has_token: bool) -> int:
        headers = [
            (b"host", b"127.0.0.1"),
            (b"cookie", "; ".join(f"{k}={v}" for k, v in self.cookies.items()).encode()),
            (b"content-type", request.content_type.encode()),
            (b"content-length", str(len(request.body)).encode()),
        ]
        if has_token:
            headers.append((b"x-csrftoken", TOKEN.encode()))
        if request.gzip:
            headers.append((b"accept-encoding", b"gzip"))
        parts = [request.body[at : at + 65536] for at in range(0, len(request.body), 65536)] or [
            b""
        ]
        messages = [
            {"type": "http.request", "body": part, "more_body": number < len(parts)}
            for number, part in enumerate(parts, start=1)
        ]
        statuses: list[int] = []

        async def receive() -> dict[str, Any]:
            if not messages:
                await asyncio.Event().wait()
            return messages.pop(0)

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
                for name, value in message["headers"]:
                    if name.lower() == b"set-cookie":
                        cookie, _, content = value.decode().partition(";")[0].partition("=")
                        self.cookies[cookie] = content

        path = f"/{request.path}"
        scope = {
            "type": "http",
            "method": request.method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": headers,
            "client": ("127.0.0.1", 1),
        }
        await self.application(scope, receive, send)
        return statuses[0]


def django_stack() -> tuple[Any, list[str]]:
    """Django's handler, with the one thread that asgiref gives a request, whose work counts."""
    from asgiref.sync import SyncToAsync, ThreadSensitiveContext
    from django.core.handlers.asgi import ASGIHandler

    from split_deploy import hops

    class Counted(ThreadPoolExecutor):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
            hops.count(fn)
            return super().submit(fn, *args, **kwargs)

    def make() -> Any:
        handler = ASGIHandler()

        async def application(scope: Any, receive: Any, send: Any) -> None:
            # Django's own enters one too, which has no effect inside this one.
            async with ThreadSensitiveContext() as context:
                SyncToAsync.context_to_thread_executor[context] = Counted(max_workers=1)
                await handler(scope, receive, send)

        return application

    return make, list


def native_stack() -> tuple[Any, Any]:
    """Ours."""
    from split_deploy.handlers import NativeASGIHandler
    from split_deploy.middleware import native

    return NativeASGIHandler, native


async def count(row: Any, make: Any, has_sites: bool) -> int | None:
    """Return the hops of the second request of ``row``, each by a client of its own.

    ``None`` if Django refuses what the view does.
    """
    from benchmarks._what_hops_rows import Request
    from split_deploy import hops
    from split_deploy.handlers import NativeASGIHandler

    hops.count_default_executor()
    application = make()
    found = 0
    for _ in range(2):
        client = Client(application)
        for name in row.before:
            status, _ = await client.ask(Request(f"{name}/"))
            assert status == 200, f"{row.name}: {name} answered {status}"
        request = row.request
        if not request.path:
            request = Request(
                "page/", request.method, request.body, request.content_type, request.gzip
            )
        status, found = await client.ask(request, has_token=row.status != 403)
        if has_sites:
            print(f"{row.name}: {found}", *client.sites, sep="\n  ", file=sys.stderr)
        if status == 500 and row.is_an_error_in_django and make is not NativeASGIHandler:
            return None
        assert status == row.status, f"{row.name}: {status}"
    return found


def child(stack: str, only: str, has_sites: bool) -> None:
    """Count with one of the two, and print the counts."""
    with tempfile.TemporaryDirectory() as folder:
        set_up(folder, stack)
        from benchmarks._what_hops_rows import rows

        make, wrapped = {"django": django_stack, "native": native_stack}[stack]()
        counts = {}
        for row in rows():
            if only not in row.name or (row.needs == "redis" and not redis_answers()):
                continue
            middleware = wrapped([*row.first, *SEVEN, *row.last])
            with in_force(row, middleware):
                counts[row.name] = row.group, asyncio.run(count(row, make, has_sites))
        print(json.dumps(counts))


def redis_answers() -> bool:
    """Whether there is a Redis."""
    import redis

    try:
        with redis.Redis.from_url(REDIS, socket_connect_timeout=1) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def run(only: str) -> dict[str, dict[str, Any]]:
    """Return the counts of each row by both."""
    found = {}
    for stack in STACKS:
        command = [sys.executable, "-W", "ignore", __file__, "--stack", stack, "--only", only]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        found[stack] = json.loads(done.stdout.splitlines()[-1])
    return {
        name: {"group": group, "django": count, "native": found["native"][name][1]}
        for name, (group, count) in found["django"].items()
    }


def tables(counts: dict[str, dict[str, Any]]) -> Iterator[str]:
    """The tables of the page."""
    group = None
    for name, by in counts.items():
        if by["group"] != group:
            group = by["group"]
            yield f"\n{group}\n\n| on an async request | Django | here |\n|---|---|---|"
        django = "an error" if by["django"] is None else by["django"]
        yield f"| {name} | {django} | {by['native']} |"


def main() -> None:
    """Count, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="rows with this text in their names")
    parser.add_argument("--stack", choices=STACKS, help="one of the two, and no table")
    parser.add_argument("--sites", action="store_true", help="with --stack: where the hops are")
    options = parser.parse_args()
    if options.stack:
        child(options.stack, options.only, options.sites)
        return
    counts = run(options.only)
    print(*tables(counts), "", sep="\n")
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
