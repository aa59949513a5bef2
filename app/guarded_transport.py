"""The guard between a URL that a user typed and the network this server stands in (SSRF).

A look at the URL is not enough: a public name can resolve to a private address, resolve differently
the second time (DNS rebinding), or redirect. So the guard sits where the connection is made: it
resolves the name once, refuses what is not public, and connects to the very address it has checked.
Whatever asked for the connection, a redirect as well, passes here.

What it cannot know: a service of yours that listens on a *public* address and is kept private by a
firewall in front of this server. Give such a server an egress rule as well.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable

import httpcore
import httpx

from app.connection_pool import PooledTransport
from app.public_network import IPAddress, is_public, refusal

#: Resolves a host and port to addresses, in the order in which to try them.
Resolver = Callable[[str, int], Awaitable[list[IPAddress]]]


class TargetNotAllowed(httpx.ConnectError):
    """The URL leads to where this server doesn't go: the message says where and why."""


async def resolve(host: str, port: int) -> list[IPAddress]:
    """Look ``host`` up with the system's resolver, without blocking the event loop.

    Raises ``OSError`` (``socket.gaierror``) when there is no such host.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # the codec's answer to a label longer than the DNS allows
        raise socket.gaierror(socket.EAI_NONAME, f"not a host name: {error}") from error
    return list(dict.fromkeys(ipaddress.ip_address(address[0]) for *_, address in found))


class PublicNetworkBackend(httpcore.AsyncNetworkBackend):
    """Opens connections to public addresses only.

    ``allowed`` judges each address; ``resolver`` looks names up; ``network`` makes the connection.
    A name with one address that is not allowed is refused whole: the site of an honest owner has no
    private address in the DNS.
    """

    def __init__(
        self,
        *,
        allowed: Callable[[IPAddress], bool] = is_public,
        resolver: Resolver = resolve,
        network: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self._allowed = allowed
        self._resolver = resolver
        self._network = network or httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        if port > 65535:  # httpcore takes any number, and the socket raises OverflowError
            raise httpcore.ConnectError(f"{port} is not a port")
        addresses = await self._look_up(host, port, timeout)
        for address in addresses:
            if not self._allowed(address):
                raise TargetNotAllowed(refusal(host, address))
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                return await self._network.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def _look_up(self, host: str, port: int, seconds: float | None) -> list[IPAddress]:
        try:
            async with asyncio.timeout(seconds):
                return await self._resolver(host, port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"no DNS answer for {host}") from error
        except OSError as error:
            raise httpcore.ConnectError(f"{host} cannot be resolved: {error}") from error

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise TargetNotAllowed(f"{path} is a Unix socket, not a public address.")

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)


class PublicNetworkTransport(PooledTransport):
    """An HTTPX transport whose every connection is made by ``backend``."""

    def __init__(self, backend: httpcore.AsyncNetworkBackend, limits: httpx.Limits) -> None:
        super().__init__(limits, backend)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        # Redirects come by here too, and the target chose where to.
        if request.url.scheme not in {"http", "https"}:
            raise httpx.UnsupportedProtocol(
                f"{request.url.scheme}:// is not fetched, only http and https are."
            )
        if request.url.userinfo:
            raise TargetNotAllowed("A user name or password in a URL is not sent.")
        return await super().handle_async_request(request)
