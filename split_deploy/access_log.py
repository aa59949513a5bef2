"""The async instance's access log, in the form of the sync one's (see gunicorn.conf.py).

Uvicorn's own knows neither the request id nor how long a response took. In ``hops=`` is what the
sync one has nothing to say about: how many thread hops it needed (see split_deploy.hops).
"""

import logging
import time
from collections.abc import Awaitable
from typing import Final
from urllib.parse import quote

from split_deploy import hops
from split_deploy._asgi_types import ASGIApplication, Message, Receive, Scope, Send

logger = logging.getLogger("split_deploy.access")

_CLIENT_CLOSED_REQUEST: Final = 499  # nginx's number for a client that went away unanswered
_SERVER_ERROR: Final = 500
_SERVED_BY: Final = b"x-served-by"
_SERVED_BY_LENGTH: Final = len(_SERVED_BY)
_REQUEST_ID: Final = b"x-request-id"
_REQUEST_ID_LENGTH: Final = len(_REQUEST_ID)


class AccessLog:
    """ASGI middleware that logs a line for each response, once its last byte is sent."""

    def __init__(self, app: ASGIApplication) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not logger.isEnabledFor(logging.INFO):
            await self.app(scope, receive, send)
            return

        noted = _Noted(send)
        counted = hops.current()
        started = time.perf_counter()
        try:
            await self.app(scope, receive, noted.send)
        except Exception:
            # The server answers it, if nothing was sent yet.
            if noted.status == _CLIENT_CLOSED_REQUEST:
                noted.status = _SERVER_ERROR
            raise
        finally:
            milliseconds = int((time.perf_counter() - started) * 1000)
            client = scope.get("client")
            _write(
                f"role={noted.served_by.decode('latin-1')} client={client[0] if client else '-'} "
                f'method={scope["method"]} path="{request_target(scope)}" '
                f"status={noted.status} bytes={noted.bytes} duration_ms={milliseconds} "
                f"hops={counted.count if counted else '-'} "
                f"request_id={noted.request_id.decode('latin-1')}"
            )


def _write(line: str) -> None:
    # What logger.info() does, but for a walk up the stack to find out that it was called here.
    logger.handle(
        logger.makeRecord(logger.name, logging.INFO, __file__, 0, line, (), None, "AccessLog")
    )


class _Noted:
    """What is to be logged of a response. It lives as long as a stream, so it is small."""

    __slots__ = ("_send", "bytes", "request_id", "served_by", "status")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = _CLIENT_CLOSED_REQUEST
        self.bytes = 0
        self.served_by = self.request_id = b"-"

    # What the other returns and not a coroutine around it, which each message would take.
    def send(self, message: Message) -> Awaitable[None]:
        """Note what ``message`` says, and send it."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            for name, value in message["headers"]:
                # Most are not even as long.
                if len(name) == _SERVED_BY_LENGTH and name.lower() == _SERVED_BY:
                    self.served_by = value
                elif len(name) == _REQUEST_ID_LENGTH and name.lower() == _REQUEST_ID:
                    self.request_id = value
        elif message["type"] == "http.response.body":
            self.bytes += len(message.get("body", b""))
        return self._send(message)


def request_target(scope: Scope) -> str:
    """Path and query, percent-encoded and without quotes: nothing that forges a log line."""
    path = scope.get("raw_path") or quote(scope["path"]).encode()
    query = scope.get("query_string", b"")
    target: bytes = path + b"?" + query if query else path
    return target.decode("latin-1").replace('"', "%22")
