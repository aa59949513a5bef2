"""What ``asgi.py`` calls."""

import logging
from collections.abc import Awaitable
from typing import Final

import django
from asgiref.sync import markcoroutinefunction

from split_deploy import _granian
from split_deploy._asgi_types import ASGIApplication, Receive, Scope, Send
from split_deploy._garbage import freeze_what_is_loaded
from split_deploy.access_log import AccessLog, request_target
from split_deploy.handlers import NativeASGIHandler
from split_deploy.hops import HopCounter
from split_deploy.lifespan import Lifespan
from split_deploy.purity import (
    refuse_interface,
    refuse_old_gunicorn,
    refuse_sync_worker,
    verify_purity,
)
from split_deploy.roles import verify_role
from split_deploy.run.reload import watch_if_asked

logger = logging.getLogger("split_deploy.asgi")

# RFC 6455, section 7.4.1 says "policy violation". Sent before the handshake is accepted, it becomes
# a plain HTTP 403.
_REFUSED: Final = 1008


def get_async_application(*, websocket: ASGIApplication | None = None) -> ASGIApplication:
    """Return the ASGI application of the async instance, or of the mixed one.

    Django itself serves HTTP alone. ``websocket`` is the ASGI application that WebSocket
    connections go to, such as the consumers of Channels; without one they are refused with 403.

    Raises ``ImproperlyConfigured`` if the settings in use are not those of the async or mixed role,
    if Gunicorn is too old or runs it in a sync worker, if Granian speaks another interface to it,
    or if the system checks find that it is not pure.
    """
    role = verify_role("async", "mixed")
    refuse_old_gunicorn()
    refuse_sync_worker()
    refuse_interface("asgi.py", _granian.ASGI)
    # First of all, so that a mistake that is about to be found can be mended while it watches.
    watch_if_asked(role)
    # As get_asgi_application() does, to which no other handler can be given.
    django.setup(set_prefix=False)
    application = AsyncApplication(http=NativeASGIHandler(), websocket=websocket or _refuse)
    verify_purity()
    freeze_what_is_loaded()
    return application


class AsyncApplication:
    """An ASGI application for each kind of scope: HTTP, WebSocket, lifespan."""

    def __init__(self, *, http: ASGIApplication, websocket: ASGIApplication) -> None:
        self._by_type: dict[str, ASGIApplication] = {
            "http": HopCounter(AccessLog(http)),
            "websocket": websocket,
            "lifespan": Lifespan(),
        }

    # What the other returns and not a coroutine around it, which would live as long as a stream.
    # Marked, since servers tell ASGI 3 from ASGI 2 by that.
    @markcoroutinefunction
    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return self._by_type[scope["type"]](scope, receive, send)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    logger.warning(
        "Refused a WebSocket connection to %s: no application was given for them. "
        "Pass one in asgi.py: get_async_application(websocket=...).",
        request_target(scope),
    )
    await send({"type": "websocket.close", "code": _REFUSED})
