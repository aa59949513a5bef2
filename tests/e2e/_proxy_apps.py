"""Two applications that tell what reached them. They run under the real Gunicorn and Uvicorn.

Some paths work with a file that the query string names: ``/die`` kills its worker the first time
that it is asked for, by the counter in the file; ``/upload`` makes it as soon as it may read the
body, ``/download`` when it is rid of a long one.
"""

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

#: More than what the kernel buffers on the way.
DOWNLOAD_SIZE = 32 * 2**20
CHUNK = b"x" * 2**16

PAGE = "<!doctype html><title>page</title>" + "<p>the same again</p>" * 200


def sync(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/upload":
        Path(environ["QUERY_STRING"]).touch()
    if path == "/download":
        start_response("200 OK", [("Content-Length", str(DOWNLOAD_SIZE))])
        return download(Path(environ["QUERY_STRING"]))
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    seen = {
        "method": environ["REQUEST_METHOD"],
        "path": path,
        "script_name": environ["SCRIPT_NAME"],
        "remote_user": environ.get("REMOTE_USER"),
        "headers": headers,
        "body": len(environ["wsgi.input"].read()),
    }
    status, content_type, body = "200 OK", "application/json", json.dumps(seen)
    if path.startswith("/die"):
        die_once(Path(environ["QUERY_STRING"]))
    elif path == "/page":
        content_type, body = "text/html; charset=utf-8", PAGE
    elif path == "/unavailable":
        status, body = "503 Service Unavailable", '{"database": "down"}'
    start_response(
        status,
        [
            ("Content-Type", content_type),
            ("Content-Length", str(len(body))),
            ("X-Served-By", "sync"),
            ("X-Request-ID", "not-the-one-of-nginx"),
        ],
    )
    return [body.encode()]


async def asynchronous(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    if scope["type"] == "websocket":
        await echo_websocket(receive, send)
        return
    assert scope["type"] == "http"
    path, content_type = scope["path"], b"application/json"
    file = Path(scope["query_string"].decode())
    size = 0
    while True:
        message = await receive()
        size += len(message.get("body", b""))
        if path == "/async/upload":
            file.touch()  # noqa: ASYNC240
        if not message.get("more_body"):
            break
    if path == "/async/die":
        die_once(file)
    if path == "/async/stream":
        content_type = b"text/event-stream"
    await send(
        {
            "type": "http.response.start",
            "status": 503 if path == "/async/unavailable" else 200,
            "headers": [
                (b"content-type", content_type),
                (b"x-served-by", b"async"),
                (b"x-request-id", b"not-the-one-of-nginx"),
            ],
        }
    )
    if path == "/async/download":
        for _ in range(DOWNLOAD_SIZE // len(CHUNK)):
            await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
        file.touch()  # noqa: ASYNC240
        await send({"type": "http.response.body", "body": b""})
        return
    if path == "/async/stream":
        # The next event waits for the file that says that the last one has been received.
        for number in range(3):
            event = f"data: {number} {'x' * 2000}\n\n".encode()
            await send({"type": "http.response.body", "body": event, "more_body": True})
            while not file.with_suffix(f".{number}").exists():
                await asyncio.sleep(0.005)
        await send({"type": "http.response.body", "body": b""})
        return
    seen = {
        "method": scope["method"],
        "path": path,
        "client": scope["client"],
        "headers": {name.decode(): value.decode("latin-1") for name, value in scope["headers"]},
        "body": size,
    }
    await send({"type": "http.response.body", "body": json.dumps(seen).encode()})


async def echo_websocket(
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"].upper()})


def download(done: Path) -> Iterator[bytes]:
    for _ in range(DOWNLOAD_SIZE // len(CHUNK)):
        yield CHUNK
    done.touch()


def die_once(counter: Path) -> None:
    """Count the call in the file ``counter``; the first one is the end of this process."""
    with counter.open("ab") as file:
        file.write(b"x")
        file.flush()
        if file.tell() == 1:
            os.kill(os.getpid(), signal.SIGKILL)
