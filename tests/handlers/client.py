"""Talks ASGI to a handler, and sees all that it does."""

import asyncio
import threading
from dataclasses import dataclass, field
from typing import Any

from split_deploy import hops
from split_deploy.handlers import NativeASGIHandler

GONE = {"type": "http.disconnect"}


def a_scope(path: str = "/", method: str = "GET", **more: Any) -> dict[str, Any]:
    headers = [(b"host", b"127.0.0.1"), *more.pop("headers", [])]
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
        **more,
    }


@dataclass
class Exchange:
    """One request and what comes of it: ``messages`` are received, ``sent`` is sent."""

    path: str = "/"
    method: str = "GET"
    body: bytes | list[bytes] = b""
    scope: dict[str, Any] = field(default_factory=dict)
    handler: NativeASGIHandler | None = None

    def __post_init__(self) -> None:
        chunks = [self.body] if isinstance(self.body, bytes) else self.body
        self.messages: asyncio.Queue[Any] = asyncio.Queue()
        for chunk in chunks:
            more = chunk is not chunks[-1]
            self.messages.put_nowait({"type": "http.request", "body": chunk, "more_body": more})
        self.received = 0
        self.sent: list[Any] = []
        self.started = asyncio.Event()
        self.hops = hops.Hops()
        self.task: asyncio.Task[None] | None = None

    async def receive(self) -> Any:
        self.received += 1
        message = await self.messages.get()
        if isinstance(message, Exception):
            raise message
        return message

    async def send(self, message: Any) -> None:
        self.sent.append(message)
        self.started.set()

    def begin(self) -> "Exchange":
        """Start it, in a task of its own as in a server."""
        handler = self.handler or NativeASGIHandler()
        scope = a_scope(self.path, self.method, **self.scope)
        if size := sum(map(len, self.body)) if isinstance(self.body, list) else len(self.body):
            scope["headers"] = [*scope["headers"], (b"content-length", str(size).encode())]
        hops.count_default_executor()
        with hops.counted_into(self.hops):
            self.task = asyncio.create_task(handler(scope, self.receive, self.send))
        return self

    def leave(self) -> None:
        """The client goes away."""
        self.messages.put_nowait(GONE)

    async def end(self) -> "Exchange":
        assert self.task is not None
        await self.task
        return self

    @property
    def status(self) -> int:
        return self.sent[0]["status"]

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def content(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])


async def ask(path: str = "/", method: str = "GET", **options: Any) -> Exchange:
    """Have a request served."""
    return await Exchange(path, method, **options).begin().end()


def is_on_the_loop() -> bool:
    return threading.current_thread() is threading.main_thread()
