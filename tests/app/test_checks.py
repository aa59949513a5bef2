import asyncio
import logging

import httpx
import pytest

from app.checks import MAX_BODY, MAX_REDIRECTS, check, check_all
from app.guarded_transport import PublicNetworkBackend
from app.http_client import make_watch_client
from tests.app.targets import Target, ok, redirect

pytestmark = pytest.mark.asyncio


def unguarded() -> httpx.AsyncClient:
    return make_watch_client(PublicNetworkBackend(allowed=lambda address: True))


async def test_a_result_tells_the_status_and_the_time():
    async with Target().serving() as target, unguarded() as client:
        result = await check(client, 7, target.url)
    assert result.pop("ms") >= 0
    assert result == {"id": 7, "url": target.url, "ok": True, "status": 200, "error": None}


@pytest.mark.parametrize(("path", "status"), [("/missing", 404), ("/broken", 503)])
async def test_an_error_status_is_not_ok(path, status):
    async with Target().serving() as target, unguarded() as client:
        target.answers["/broken"] = b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"
        result = await check(client, 1, target.url + path)
    assert (result["ok"], result["status"], result["error"]) == (False, status, None)


async def test_redirects_are_followed_to_the_final_status():
    async with Target().serving() as target, unguarded() as client:
        target.answers["/moved"] = redirect("/")
        result = await check(client, 1, f"{target.url}/moved")
    assert (result["ok"], result["status"]) == (True, 200)
    assert target.requests == ["/moved", "/"]


async def test_redirects_are_bounded():
    async with Target().serving() as target, unguarded() as client:
        target.answers["/loop"] = redirect("/loop")
        result = await check(client, 1, f"{target.url}/loop")
    assert (result["ok"], result["status"]) == (False, None)
    assert "redirects" in result["error"]
    assert len(target.requests) == MAX_REDIRECTS + 1


@pytest.mark.parametrize("status", [b"200 OK", b"302 Found"])
async def test_an_endless_body_is_not_read_to_its_end(status):
    """Of the answer, or of a redirect on the way to it."""
    sent = 0
    closed = asyncio.Event()

    async def endless(reader, writer):
        nonlocal sent
        head = b"HTTP/1.1 " + status + b"\r\nconnection: close\r\nlocation: /done\r\n\r\n"
        writer.write(head)
        try:
            while True:
                writer.write(b"x" * 4096)
                await writer.drain()
                sent += 4096
        except ConnectionError:
            closed.set()

    async with Target().serving() as target, unguarded() as client:
        target.answers.update({"/endless": endless, "/done": ok()})
        result = await check(client, 1, f"{target.url}/endless")
        async with asyncio.timeout(5):
            await closed.wait()
    assert result["status"] == 200
    # What the client doesn't read still fills the buffers of the two sockets, a few MB at most.
    assert sent < MAX_BODY + 16 * 1024 * 1024


async def test_a_compressed_body_is_not_unpacked():
    """A few bytes can become gigabytes. These would fail to become anything."""
    async with Target().serving() as target, unguarded() as client:
        target.answers["/"] = ok(b"not gzip", "content-encoding: gzip")
        result = await check(client, 1, target.url)
    assert (result["status"], result["error"]) == (200, None)


async def test_a_target_that_never_answers_meets_the_deadline():
    async def silent(reader, writer):
        await asyncio.sleep(30)

    async with Target().serving() as target, unguarded() as client:
        target.answers["/silent"] = silent
        result = await check(client, 1, f"{target.url}/silent", deadline=0.1)
    assert (result["ok"], result["status"]) == (False, None)
    assert result["error"] == "no complete answer within 0.1 s"


async def test_a_target_that_drips_meets_the_deadline():
    """Each read is in time, so no timeout of HTTPX ends it."""

    async def drip(reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with Target().serving() as target, unguarded() as client:
        target.answers["/drip"] = drip
        result = await check(client, 1, f"{target.url}/drip", deadline=0.2)
    assert result["error"] == "no complete answer within 0.2 s"


async def test_a_read_timeout_is_a_result():
    async def silent(reader, writer):
        await asyncio.sleep(30)

    async with Target().serving() as target, unguarded() as client:
        target.answers["/silent"] = silent
        client.timeout = httpx.Timeout(0.05)
        result = await check(client, 1, f"{target.url}/silent")
    assert result["error"] == "timed out (ReadTimeout)"


@pytest.mark.parametrize(
    "url",
    [
        "http://no-such-host.invalid/",
        "http://127.0.0.1:1/",
        "http://127.0.0.1:99999/",
        "http://[::1/",
        "ftp://127.0.0.1/",
        "http://user@127.0.0.1/",
        "not a URL",
        "",
    ],
)
async def test_whatever_is_wrong_with_a_target_is_its_result(url):
    async with unguarded() as client:
        result = await check(client, 1, url)
    assert (result["ok"], result["status"]) == (False, None)
    assert result["error"]
    assert "server's log" not in result["error"]


@pytest.mark.parametrize(
    "answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n"]
)
async def test_an_answer_that_is_not_http_is_a_result(answer):
    async with Target().serving() as target, unguarded() as client:
        target.answers["/"] = answer
        result = await check(client, 1, target.url)
    assert (result["ok"], result["status"]) == (False, None)
    assert result["error"]


async def test_a_private_target_is_a_result_that_names_the_setting():
    async with Target().serving() as target, make_watch_client(PublicNetworkBackend()) as client:
        result = await check(client, 1, target.url)
    assert result["error"] == (
        "127.0.0.1 is not a public address. "
        "Set WATCH_ALLOW_PRIVATE_TARGETS=1 to allow private targets."
    )
    assert target.requests == []


async def test_an_error_of_the_check_itself_is_logged_and_does_not_end_the_stream(caplog):
    async def broken(host, port):
        raise LookupError("a bug")

    async with make_watch_client(PublicNetworkBackend(resolver=broken)) as client:
        results = [r async for r in check_all(client, [(1, "http://a.example/")])]
    assert "server's log" in results[0]["error"]
    assert caplog.records[0].levelno == logging.ERROR
    assert "a bug" in caplog.text


async def test_results_arrive_as_they_are_ready_and_not_in_the_order_asked():
    released = asyncio.Event()

    async def slow(reader, writer):
        await released.wait()
        writer.write(ok())

    async with Target().serving() as target, unguarded() as client:
        target.answers["/slow"] = slow
        results = check_all(client, [(1, f"{target.url}/slow"), (2, target.url)])
        first = await anext(results)
        released.set()
        second = await anext(results)
        with pytest.raises(StopAsyncIteration):
            await anext(results)
    assert (first["id"], second["id"]) == (2, 1)


async def test_no_more_than_the_given_number_of_targets_is_fetched_at_once():
    under_way = most = 0

    async def count(reader, writer):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.02)
        under_way -= 1
        writer.write(ok())

    async with Target().serving() as target, unguarded() as client:
        target.answers["/count"] = count
        targets = [(number, f"{target.url}/count") for number in range(9)]
        results = [r async for r in check_all(client, targets, concurrency=3)]
    assert [r["status"] for r in results] == [200] * 9
    assert most == 3


async def test_closing_the_generator_cancels_what_is_under_way():
    gone = asyncio.Event()

    async def slow(reader, writer):
        await reader.read()  # to the end: until the client closes the connection
        gone.set()

    async with Target().serving() as target, unguarded() as client:
        target.answers["/slow"] = slow
        results = check_all(client, [(1, f"{target.url}/slow"), (2, target.url)])
        assert (await anext(results))["id"] == 2
        assert not gone.is_set()
        async with asyncio.timeout(5):
            await results.aclose()
            await gone.wait()


async def test_no_targets_no_results():
    async with unguarded() as client:
        assert [r async for r in check_all(client, [])] == []


async def test_a_connection_is_kept_for_the_next_check():
    """Which it can be because a short body is read to its end."""
    connections = requests = 0

    async def keep(reader, writer):
        nonlocal connections, requests
        connections += 1
        more = True
        while more:
            requests += 1
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine")
            more = await reader.read(4096)

    async with Target().serving() as target, unguarded() as client:
        target.answers["/keep"] = keep
        for _ in range(3):
            await check(client, 1, f"{target.url}/keep")
        assert (connections, requests) == (1, 3)
