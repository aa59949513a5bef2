"""A stack, and what comes out of it: in a form in which two can be compared.

Session keys and CSRF secrets are random, and user ids are what the database gives. Each is named by
the order in which it turns up: the first session key of a stack is "session 1", whatever it is.
"""

import asyncio
import gc
import gzip
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from importlib import import_module
from typing import Any
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.middleware.csrf import CSRF_TOKEN_LENGTH, _unmask_cipher_token

_TOKEN = re.compile(rb"<token>(\w+)</token>")


@dataclass(frozen=True)
class Request:
    """A request to send. ``token`` says which CSRF token goes with it, and how."""

    method: str = "GET"
    path: str = "/echo/"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    scheme: str = "http"
    #: "" for none; "right", "masked", "wrong" or "short": in "header" or in "form" (of the body).
    token: str = ""
    token_in: str = "header"
    forgets: tuple[str, ...] = ()


@dataclass
class Client:
    """A browser in front of ``handler``: it keeps cookies, and knows the last token of a form."""

    handler: ASGIHandler
    cookies: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    token: str = ""

    async def exchange(self, request: Request) -> dict[str, Any]:
        """Send ``request``, and return what came back."""
        sent: list[dict[str, Any]] = []
        scope, body = self._scope(request)
        messages = [{"type": "http.request", "body": body}]
        over = asyncio.Event()

        async def receive() -> dict[str, Any]:
            if messages:
                return messages.pop()
            await over.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        try:
            await self.handler(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - it is compared
            return {"raised": repr(_only(error)), "sent": len(sent)}
        start, *parts = sent
        content = b"".join(part.get("body", b"") for part in parts)
        if dict(start["headers"]).get(b"Content-Encoding") == b"gzip":
            content = gzip.decompress(content)
        # A token is masked differently each time.
        varies = _TOKEN.search(content) and (b"ETag", b"Content-Length")
        return {
            "status": start["status"],
            "headers": [
                self._header(name, b"varies" if varies and name in varies else value)
                for name, value in start["headers"]
            ],
            "body": self._content(content),
            "ended": not parts[-1].get("more_body", False),
        }

    def _scope(self, request: Request) -> tuple[dict[str, Any], bytes]:
        for name in request.forgets:
            self.cookies.pop(name, None)
        url = urlsplit(request.path)
        headers = {"host": "testserver", **dict(request.headers)}
        if self.cookies:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        body = request.body
        if request.token:
            token = self._chosen(request.token)
            if request.token_in == "header":
                headers["x-csrftoken"] = token
            else:
                body = f"csrfmiddlewaretoken={token}&".encode() + body
                headers["content-type"] = "application/x-www-form-urlencoded"
        if body:
            headers["content-length"] = str(len(body))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": request.scheme,
            "path": url.path,
            "raw_path": quote(url.path).encode(),
            "query_string": url.query.encode(),
            "root_path": "",
            "headers": [
                (name.encode(), value.encode("latin-1")) for name, value in headers.items()
            ],
            "client": ("127.0.0.1", 50000),
            "server": ("testserver", 443 if request.scheme == "https" else 80),
        }
        return scope, body

    def _chosen(self, kind: str) -> str:
        secret = self.cookies.get(settings.CSRF_COOKIE_NAME, "")
        match kind:
            case "masked":
                return self.token
            case "right":
                return secret or self.token
            case "wrong":
                return "x" * CSRF_TOKEN_LENGTH
        return "short"

    def _header(self, name: bytes, value: bytes) -> tuple[str, Any]:
        if name.lower() != b"set-cookie":
            return name.decode(), value.decode()
        ((key, morsel),) = SimpleCookie(value.decode()).items()
        if morsel.value and morsel["max-age"] != 0:
            self.cookies[key] = morsel.coded_value
        else:
            self.cookies.pop(key, None)
        return "Set-Cookie", (key, self._cookie(key, morsel.value), sorted(morsel.items()))

    def _cookie(self, name: str, value: str) -> str:
        if not value:
            return ""
        if name == settings.CSRF_COOKIE_NAME:
            return self._alias("secret", value)
        if name == settings.SESSION_COOKIE_NAME and "signed_cookies" not in settings.SESSION_ENGINE:
            return self._alias("session", value)
        if name == settings.SESSION_COOKIE_NAME:
            return repr(self._named(_store(value).load()))
        return value

    def _content(self, content: bytes) -> bytes:
        def named(match: re.Match[bytes]) -> bytes:
            self.token = match[1].decode()
            return self._alias("secret", _unmask_cipher_token(self.token)).encode()

        return _TOKEN.sub(named, content)

    def _alias(self, kind: str, value: str) -> str:
        count = sum(name.startswith(kind) for name in self.names.values())
        return self.names.setdefault(value, f"{kind} {count + 1}")

    def _named(self, data: dict[str, Any]) -> dict[str, Any]:
        named = dict(data)
        if "_csrftoken" in data:
            named["_csrftoken"] = self._alias("secret", data["_csrftoken"])
        if "_auth_user_id" in data:
            named["_auth_user_id"] = self._alias("user", data["_auth_user_id"])
        return named

    def stored(self) -> dict[str, Any]:
        """The sessions that this stack has given out, as they are in the store now."""
        if "signed_cookies" in settings.SESSION_ENGINE:
            return {}
        keys = [key for key, name in self.names.items() if name.startswith("session")]
        return {self.names[key]: self._session(key) for key in keys}

    def _session(self, key: str) -> Any:
        store = _store(key)
        return self._named(store.load()) if store.exists(key) else None


def _only(error: Exception) -> Exception:
    """What a group of one contains, as some versions of Django raise it."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        (error,) = error.exceptions
    return error


def _store(key: str) -> Any:
    return import_module(settings.SESSION_ENGINE).SessionStore(key)


async def run(handler: ASGIHandler, requests: Sequence[Request]) -> tuple[Client, list[Any]]:
    """Send ``requests`` one after the other."""
    client = Client(handler)
    return client, [await client.exchange(request) for request in requests]


@contextmanager
def leaks_ignored() -> Iterator[None]:
    """For Django's stack, which leaves files (5.2) or connections (6.1) open when a request fails.

    Ours may not: there it would fail the test.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()
