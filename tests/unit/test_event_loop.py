import asyncio
import socket
from contextlib import AsyncExitStack, closing

import pytest
import uvloop

from split_deploy.event_loop import EventLoop, new_event_loop


class Echo(asyncio.Protocol):
    """Counts connections, and sends back what it gets."""

    made = 0

    def connection_made(self, transport):
        type(self).made += 1
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


@pytest.fixture(autouse=True)
def none_made(monkeypatch):
    monkeypatch.setattr(Echo, "made", 0)


async def unix_server(tmp_path):
    path = str(tmp_path / "server.sock")
    server = await asyncio.get_running_loop().create_unix_server(Echo, path)
    return server, lambda: connected(socket.AF_UNIX, path)


async def tcp_server(tmp_path):
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    return server, lambda: connected(socket.AF_INET, address)


async def inherited_server(tmp_path):
    """As ``uvicorn --fd`` does it."""
    path = str(tmp_path / "server.sock")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    server = await asyncio.get_running_loop().create_server(Echo, sock=listening)
    return server, lambda: connected(socket.AF_UNIX, path)


def connected(family, address):
    client = socket.socket(family)
    try:
        client.settimeout(5)
        client.connect(address)
    except OSError:
        client.close()
        raise
    return client


def accepted_in_five_iterations(loop_factory, make, tmp_path):
    async def count():
        server, connect = await make(tmp_path)
        async with AsyncExitStack() as stack:
            stack.callback(server.close)
            # The loop is busy meanwhile: the kernel completes the connections.
            clients = [stack.enter_context(closing(connect())) for _ in range(24)]
            for _ in range(5):
                await asyncio.sleep(0)
            made = Echo.made
            loop = asyncio.get_running_loop()
            for number, client in enumerate(clients):
                client.setblocking(False)
                await loop.sock_sendall(client, b"%d" % number)
                assert await loop.sock_recv(client, 9) == b"%d" % number
            assert Echo.made == len(clients)
        return made

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(count())


@pytest.mark.parametrize("make", [unix_server, tcp_server, inherited_server])
def test_connections_that_come_at_once_are_accepted_at_once(make, tmp_path):
    assert accepted_in_five_iterations(new_event_loop, make, tmp_path) == 24


def test_stock_uvloop_still_accepts_one_an_iteration(tmp_path):
    """When this fails, ``split_deploy.event_loop`` has nothing left to do."""
    assert accepted_in_five_iterations(uvloop.new_event_loop, unix_server, tmp_path) <= 5


def test_a_closed_server_accepts_no_more(tmp_path):
    async def serve_and_close():
        server, connect = await tcp_server(tmp_path)
        with closing(connect()):
            await asyncio.sleep(0.05)
            server.close()
            with pytest.raises(ConnectionRefusedError):
                connect()
        assert Echo.made == 1

    with asyncio.Runner(loop_factory=EventLoop) as runner:
        runner.run(serve_and_close())
