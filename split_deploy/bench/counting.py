"""Counts what a request costs besides time: thread hops, event loops and threads that are started.

``split_deploy.bench.counting:asgi`` and ``:wsgi`` serve the application that
``SPLIT_DEPLOY_BENCH_APPLICATION`` names, as ``module:attribute``, and answer
``/__bench__/counts`` themselves, with a JSON object:

- ``requests``: how many have ended, those for the counts left out;
- ``hops``: how often they left the event loop for a thread, or, under WSGI, a thread for an event
  loop;
- ``event_loops``: how many were made under WSGI, which has none, for async code in it;
- ``threads_started``: how many threads Python has started.

Each process counts for itself, so serve one process. It is slower than what it serves: for counts
alone, and not to measure time in.
"""

import json
import os
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module
from typing import Any, Final

from asgiref.sync import ThreadSensitiveContext
from django.core.exceptions import ImproperlyConfigured

from split_deploy import hops
from split_deploy._asgi_types import ASGIApplication, Receive, Scope, Send
from split_deploy.asgi import AsyncApplication
from split_deploy.bench.tally import Tally
from split_deploy.handlers import NativeHandler

PATH: Final = "/__bench__/counts"


class CountingASGI:
    """ASGI middleware that counts the requests of an application, and their hops."""

    def __init__(self, application: ASGIApplication, tally: Tally) -> None:
        self.application = application
        self.tally = tally
        # Its pool of threads counts by itself, and has to be the one context there is.
        self._is_native = isinstance(application, AsyncApplication | NativeHandler)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.application(scope, receive, send)
        elif scope["path"] == PATH:
            headers = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": _encoded(self.tally)})
        else:
            await self._counted(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        hops.count_default_executor()
        here = hops.Hops(recording=False)
        try:
            with hops.counted_into(here):
                if self._is_native:
                    await self.application(scope, receive, send)
                    return
                # The context that Django's handler would enter: it uses one that is there.
                async with ThreadSensitiveContext():
                    hops.count_thread_sensitive_work()
                    await self.application(scope, receive, send)
        finally:
            self.tally.add("requests")
            self.tally.add("hops", here.count)


class CountingWSGI:
    """WSGI middleware that counts the requests of an application, and their event loops."""

    def __init__(self, application: Any, tally: Tally) -> None:
        self.application = application
        self.tally = tally

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == PATH:
            start_response("200 OK", [("Content-Type", "application/json")])
            return [_encoded(self.tally)]
        with self.tally.counting_loops():
            response = self.application(environ, start_response)
        return self._read(response)

    def _read(self, response: Any) -> Iterator[bytes]:
        # An async iterator is read in an event loop of its own, now that it is.
        chunks = None
        try:
            while True:
                with self.tally.counting_loops():
                    chunks = chunks or iter(response)
                    chunk = next(chunks, None)
                if chunk is None:
                    return
                yield chunk
        finally:
            if hasattr(response, "close"):
                response.close()
            self.tally.add("requests")


def _encoded(tally: Tally) -> bytes:
    return json.dumps(tally.so_far()).encode()


@cache
def _counting(interface: str) -> CountingASGI | CountingWSGI:
    """Raises ``ImproperlyConfigured`` if no application is named."""
    name = os.environ.get("SPLIT_DEPLOY_BENCH_APPLICATION", "")
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise ImproperlyConfigured(
            f"SPLIT_DEPLOY_BENCH_APPLICATION is {name!r}: name in it what is to be counted, as "
            "module:attribute."
        )
    tally = Tally()
    tally.count_threads()
    application = getattr(import_module(module), attribute)
    return (CountingASGI if interface == "asgi" else CountingWSGI)(application, tally)


def __getattr__(name: str) -> Any:
    # Made when a server asks for it: what counts is imported by others too.
    if name in {"asgi", "wsgi"}:
        return _counting(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
