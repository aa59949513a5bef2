"""The guard, with real connections to a local server wherever one is to be made."""

import asyncio
import socket
from ipaddress import ip_address

import httpcore
import httpx
import pytest

from app.guarded_transport import PublicNetworkBackend, TargetNotAllowed, resolve
from app.http_client import make_watch_client
from app.public_network import is_public
from tests.app.targets import Target, ok, redirect

pytestmark = pytest.mark.asyncio

LOOPBACK = ip_address("127.0.0.1")
PUBLIC = ip_address("93.184.215.14")


class Resolver:
    """Answers with one list of addresses after the other, and counts the questions."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host, port):
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [ip_address(address) for address in answer]


class RecordingNetwork(httpcore.AsyncNetworkBackend):
    """Connects nowhere, and records where to."""

    def __init__(self, *, unreachable: tuple[str, ...] = ()) -> None:
        self.connected: list[tuple[str, int]] = []
        self.unreachable = unreachable

    async def connect_tcp(self, host, port, *args):
        self.connected.append((host, port))
        if host in self.unreachable:
            raise httpcore.ConnectError(f"{host} is unreachable")
        return httpcore.AsyncMockStream([b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"])


def guarded(**kwargs) -> httpx.AsyncClient:
    return make_watch_client(PublicNetworkBackend(**kwargs))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://127.0.0.1./",
        "http://127.1/",
        "http://127.0.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://0x7f.0.0.1/",
        "http://017700000001/",
        "http://0177.0.0.1/",
        "http://0/",
        "http://0.0.0.0/",
        "http://localhost/",
        "http://LOCALHOST/",
        "http://localhost./",
        "http://10.0.0.1/",
        "http://100.64.0.1/",
        "http://168.63.129.16/",
        "http://169.254.169.254/latest/meta-data/",
        "http://172.16.0.1/",
        "http://192.168.0.1:8080/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://[::]/",
        "http://[::1]/",
        "https://[::1]/",
        "http://[0:0:0:0:0:0:0:1]/",
        "http://[::127.0.0.1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://[64:ff9b::127.0.0.1]/",
        "http://[2002:7f00:1::]/",
        "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
        "http://[fd00:ec2::254]/",
        "http://[fe80::1]/",
        "http://[ff02::1]/",
        "http://1.1.1.1@127.0.0.1/",
        "http://127.0.0.1#@1.1.1.1/",
        "http://127.0.0.1:80\\@1.1.1.1/",
        "http://127%2e0%2e0%2e1/",
        "http://①②⑦.⓪.⓪.①/",
        "http://127。0。0。1/",
    ],
)
async def test_no_spelling_of_a_private_address_is_connected_to(url):
    network = RecordingNetwork()
    async with guarded(network=network) as client:
        with pytest.raises((TargetNotAllowed, httpx.ConnectError, httpx.InvalidURL)):
            await client.get(url)
    assert network.connected == []


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["::1"], ["169.254.169.254"], ["93.184.215.14", "10.0.0.1"]],
    ids=["loopback", "IPv6 loopback", "metadata", "one public, one private"],
)
async def test_a_name_that_resolves_to_a_private_address_is_refused(addresses):
    network = RecordingNetwork()
    async with guarded(resolver=Resolver(addresses), network=network) as client:
        with pytest.raises(TargetNotAllowed, match="WATCH_ALLOW_PRIVATE_TARGETS"):
            await client.get("http://innocent.example/")
    assert network.connected == []


async def test_the_connection_goes_to_the_checked_address_and_not_to_a_second_answer():
    resolver, network = Resolver(["93.184.215.14"], ["127.0.0.1"]), RecordingNetwork()
    async with guarded(resolver=resolver, network=network) as client:
        await client.get("http://rebinding.example:8000/")
        assert network.connected == [("93.184.215.14", 8000)]
        assert resolver.asked == ["rebinding.example"]

        # The next connection asks again, and its answer is checked again.
        with pytest.raises(TargetNotAllowed):
            await client.get("http://rebinding.example:9000/")
    assert network.connected == [("93.184.215.14", 8000)]


async def test_a_redirect_to_a_private_address_is_refused():
    """The target's server is told to be public; where it redirects to is not."""
    private = ip_address("127.0.0.2")
    async with Target().serving() as target:
        target.answers["/away"] = redirect(f"http://{private}:{target.port}/secret")
        target.answers["/near"] = redirect("/")
        async with guarded(allowed=lambda address: address == LOOPBACK) as client:
            near = await client.get(f"{target.url}/near", follow_redirects=True)
            assert near.text == "fine"
            with pytest.raises(TargetNotAllowed, match=r"^127\.0\.0\.2 is not a public address"):
                await client.get(f"{target.url}/away", follow_redirects=True)
        assert "/secret" not in target.requests


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/", "ws://127.0.0.1/"])
async def test_a_redirect_to_another_scheme_is_refused(location):
    async with Target().serving() as target:
        target.answers["/"] = redirect(location)
        async with guarded(allowed=lambda address: True) as client:
            with pytest.raises(httpx.UnsupportedProtocol, match="only http and https"):
                await client.get(target.url, follow_redirects=True)


async def test_credentials_in_a_redirect_are_not_sent():
    async with Target().serving() as target:
        target.answers["/"] = redirect(f"http://root:secret@127.0.0.1:{target.port}/in")
        async with guarded(allowed=lambda address: True) as client:
            with pytest.raises(TargetNotAllowed, match="user name or password"):
                await client.get(target.url, follow_redirects=True)
        assert target.requests == ["/"]


async def test_the_next_address_is_tried_when_one_does_not_answer():
    resolver = Resolver(["2606:4700::1111", "93.184.215.14"])
    network = RecordingNetwork(unreachable=("2606:4700::1111",))
    async with guarded(resolver=resolver, network=network) as client:
        assert (await client.get("http://dual.example/")).status_code == 200
    assert network.connected == [("2606:4700::1111", 80), ("93.184.215.14", 80)]


async def test_the_last_failure_is_raised_when_no_address_answers():
    network = RecordingNetwork(unreachable=("93.184.215.14",))
    async with guarded(resolver=Resolver(["93.184.215.14"]), network=network) as client:
        with pytest.raises(httpx.ConnectError, match=r"93\.184\.215\.14 is unreachable"):
            await client.get("http://down.example/")


async def test_a_slow_resolver_is_a_connect_timeout():
    async def never(host, port):
        await asyncio.Event().wait()

    async with guarded(resolver=never) as client:
        with pytest.raises(httpx.ConnectTimeout, match=r"no DNS answer for slow\.example"):
            await client.get("http://slow.example/", timeout=0.05)


@pytest.mark.parametrize(
    "url",
    ["http://no-such-host.invalid/", f"http://{'a' * 64}.example/"],
    ids=["unknown name", "label too long"],
)
async def test_what_cannot_be_resolved_is_a_connect_error(url):
    async with guarded() as client:
        with pytest.raises((httpx.ConnectError, httpx.InvalidURL)):
            await client.get(url)


async def test_proxies_of_the_environment_are_not_used(monkeypatch):
    async with Target().serving() as target:
        monkeypatch.setenv("HTTP_PROXY", target.url)
        monkeypatch.setenv("ALL_PROXY", target.url)
        async with guarded() as client:
            with pytest.raises(TargetNotAllowed):
                await client.get("http://10.0.0.1/")
        assert target.requests == []


async def test_the_guard_does_not_connect_to_unix_sockets():
    with pytest.raises(TargetNotAllowed):
        await PublicNetworkBackend().connect_unix_socket("/var/run/docker.sock")


async def test_cookies_of_one_target_are_not_kept():
    async with Target().serving() as target:
        target.answers["/"] = ok(b"", "set-cookie: session=secret")
        async with guarded(allowed=lambda address: True) as client:
            await client.get(target.url)
            await client.get(target.url)
        assert "session" not in target.headers[1]


async def test_exceptions_while_reading_are_those_of_httpx():
    async with Target().serving() as target:
        target.answers["/"] = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort"
        async with guarded(allowed=lambda address: True) as client:
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get(target.url)


async def test_the_system_resolver_answers_with_addresses():
    assert LOOPBACK in await resolve("localhost", 80)
    with pytest.raises(socket.gaierror):
        await resolve("no-such-host.invalid", 80)


async def test_by_default_only_public_addresses_are_allowed():
    network = RecordingNetwork()
    async with guarded(resolver=Resolver([str(PUBLIC)]), network=network) as client:
        assert (await client.get("http://public.example/")).status_code == 200
    assert is_public(PUBLIC)
    assert network.connected == [(str(PUBLIC), 80)]
