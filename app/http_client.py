"""The HTTPX clients of the async instance: one set a process, shared by all requests.

A client is a connection pool with a TLS context; making one for a request throws both away again.
These are opened and closed with the server, because ``SPLIT_DEPLOY["LIFESPAN"]`` names
``app.http_client.lifespan``.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final

import httpx
from django.conf import settings

from app.connection_pool import PooledTransport
from app.guarded_transport import PublicNetworkBackend, PublicNetworkTransport
from app.public_network import IPAddress, is_public

#: Seconds: to connect, and between two reads. ``pool`` is the wait for one of LIMITS' connections.
TIMEOUT: Final = httpx.Timeout(5.0, pool=10.0)
#: Each connection is an open file, of which a process has 1,024 on many systems (``ulimit -n``).
LIMITS: Final = httpx.Limits(
    max_connections=512, max_keepalive_connections=512, keepalive_expiry=30.0
)

_clients: dict[str, httpx.AsyncClient] = {}


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    """Open the clients, and close them in the end. One at a time in a process."""
    if _clients:
        raise RuntimeError("The HTTP clients of this process are open already.")
    allowed = _everywhere if settings.WATCH_ALLOW_PRIVATE_TARGETS else is_public
    async with (
        make_watch_client(PublicNetworkBackend(allowed=allowed)) as watch,
        # trust_env=False: by default the endpoint is this machine, which no proxy reaches.
        httpx.AsyncClient(
            transport=PooledTransport(LIMITS), timeout=TIMEOUT, trust_env=False
        ) as endpoint,
    ):
        _clients.update(watch=watch, endpoint=endpoint)
        try:
            yield
        finally:
            _clients.clear()


def _everywhere(address: IPAddress) -> bool:
    return True


def make_watch_client(backend: PublicNetworkBackend) -> httpx.AsyncClient:
    """A client for URLs that users typed: all it connects to passes ``backend``."""
    return httpx.AsyncClient(
        transport=PublicNetworkTransport(backend, LIMITS),
        timeout=TIMEOUT,
        # What one user's target sets is not to be sent with another user's check.
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
        headers={"User-Agent": "django-split-deploy-board", "Accept-Encoding": "identity"},
        # A proxy from the environment would make the connections in the guard's place.
        trust_env=False,
    )


def watch_client() -> httpx.AsyncClient:
    """The client for watched URLs. Raises ``RuntimeError`` while it isn't open."""
    return _opened("watch")


def endpoint_client() -> httpx.AsyncClient:
    """The client for ``TUTORIAL_ENDPOINT``, which the operator chose: it goes anywhere.

    Raises ``RuntimeError`` while it isn't open.
    """
    return _opened("endpoint")


def _opened(name: str) -> httpx.AsyncClient:
    try:
        return _clients[name]
    except KeyError:
        raise RuntimeError(
            "The shared HTTP client isn't open. The server's lifespan opens it: run this under "
            'asgi.py, with "app.http_client.lifespan" in SPLIT_DEPLOY["LIFESPAN"]; in a test, use '
            "`async with lifespan():`."
        ) from None
