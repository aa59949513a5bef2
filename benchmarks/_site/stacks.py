"""For Uvicorn and the scripts beside this folder: ``BENCHMARK_STACK`` says what is served.

- ``bare``: no Django;
- ``stock``: Django's handler;
- ``native``: ``NativeASGIHandler`` in its stead, and native middleware;
- ``instance``: all of what ``get_async_application()`` returns, access log included.

``/_threads`` says how many threads the process has started so far, and, with ``BENCHMARK_COUNT=1``,
how many requests there were and how many thread hops they made. ``/_memory/`` is for
``idle_streams.py --account``.
"""

import asyncio
import json
import os
import threading

from benchmarks._site import memory
from split_deploy.bench.tally import Tally

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks._site.settings")
STACK = os.environ.get("BENCHMARK_STACK", "native")

tally = Tally()
tally.count_threads()


async def bare(scope, receive, send):
    """The least that an ASGI application can do."""
    if scope["path"] == "/async/plain-stream/":
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"data: hello\n\n", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    body = json.dumps({"message": "Hello, World!"}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def make_handler():
    """Return the ASGI application of ``STACK``."""
    if STACK == "bare":
        return bare
    if STACK == "stock":
        from django.core.asgi import get_asgi_application

        return get_asgi_application()
    if STACK == "native":
        import django

        django.setup(set_prefix=False)
        from split_deploy.handlers import NativeASGIHandler

        return NativeASGIHandler()
    from split_deploy.asgi import get_async_application

    return get_async_application()


if os.environ.get("BENCHMARK_TRACEMALLOC"):
    memory.start()
handler = make_handler()
if os.environ.get("BENCHMARK_COUNT") and STACK != "bare":
    from split_deploy.bench.counting import CountingASGI

    handler = CountingASGI(handler, tally)


def application(scope, receive, send):
    """Answer what is the benchmarks' own, and pass the rest on, without a coroutine for that."""
    if scope["type"] == "lifespan":
        return lifespan(scope, receive, send)
    if scope["path"] == "/_threads":
        here = {"threads": threading.active_count(), "tasks": len(asyncio.all_tasks())}
        return answer(tally.so_far() | here, send)
    if scope["path"].startswith("/_memory/"):
        return answer(memory.answer(scope["path"]), send)
    return handler(scope, receive, send)


async def answer(found, send):
    body = json.dumps(found).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def lifespan(scope, receive, send):
    if STACK in {"native", "instance"}:
        from split_deploy.lifespan import Lifespan

        await Lifespan()(scope, receive, send)
        return
    for part in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{part}.complete"})
