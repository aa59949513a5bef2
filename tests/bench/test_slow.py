"""The server that answers late: late, in order, and to thousands at once."""

import asyncio
import json
import socket
import subprocess
import sys
from contextlib import asynccontextmanager

import pytest

from split_deploy.bench import slow

GET = b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n"


@asynccontextmanager
async def serving(delay=0.0):
    """A server in this process, and what connects to it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    task = asyncio.create_task(slow.serve("127.0.0.1", port, delay))

    async def connect():
        while True:
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                assert not task.done()
                await asyncio.sleep(0.01)

    try:
        yield connect
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def answer(reader):
    """The next answer: status and content."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    return head.split()[1], json.loads(await reader.readexactly(length))


@pytest.mark.asyncio
async def test_the_path_says_how_late_and_otherwise_the_server():
    async with serving(delay=0.02) as connect:
        reader, writer = await connect()
        for path, milliseconds in [(b"/delay/50", 50), (b"/delay/1.5/", 1.5), (b"/other", 20)]:
            writer.write(GET % path)
            assert await answer(reader) == (b"200", {"delay_ms": milliseconds})
        writer.close()


@pytest.mark.asyncio
async def test_who_asks_later_for_less_is_answered_first():
    async with serving() as connect:
        ended = []

        async def ask(path):
            reader, writer = await connect()
            writer.write(GET % path)
            ended.append((await answer(reader))[1]["delay_ms"])
            writer.close()

        async with asyncio.TaskGroup() as tasks:
            for path in (b"/delay/900", b"/delay/450", b"/delay/0"):
                tasks.create_task(ask(path))
                await asyncio.sleep(0)

        assert ended == [0, 450, 900]


@pytest.mark.asyncio
async def test_a_query_is_no_part_of_the_path():
    async with serving() as connect:
        reader, writer = await connect()
        writer.write(GET % b"/delay/1?page=2")
        assert await answer(reader) == (b"200", {"delay_ms": 1})
        writer.close()


@pytest.mark.asyncio
async def test_requests_of_a_connection_are_answered_in_their_order():
    async with serving() as connect:
        reader, writer = await connect()
        writer.write(GET % b"/delay/300" + GET % b"/delay/1" + b"GET /delay/2 HT")
        await asyncio.sleep(0.05)
        writer.write(b"TP/1.1\r\n\r\n")

        found = [(await answer(reader))[1]["delay_ms"] for _ in range(3)]

        assert found == [300, 1, 2]
        writer.close()


@pytest.mark.asyncio
async def test_a_connection_is_answered_while_hundreds_wait():
    async with serving() as connect:
        waiting = [await connect() for _ in range(200)]
        for _, writer in waiting:
            writer.write(GET % b"/delay/100000")
        reader, writer = await connect()
        writer.write(GET % b"/delay/1" + GET % b"/connections")

        assert await answer(reader) == (b"200", {"delay_ms": 1})
        assert await answer(reader) == (b"200", {"connections": 201})
        for _, each in [*waiting, (reader, writer)]:
            each.close()


@pytest.mark.asyncio
async def test_a_client_that_goes_away_before_its_answer_harms_nobody():
    async with serving() as connect:
        _, gone = await connect()
        gone.write(GET % b"/delay/20")
        await gone.drain()
        gone.close()
        await gone.wait_closed()
        reader, writer = await connect()
        writer.write(GET % b"/delay/50")
        assert await answer(reader) == (b"200", {"delay_ms": 50})
        writer.close()


def test_a_port_that_is_taken_is_said():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "split_deploy.bench.slow", "--port", str(port)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    assert done.returncode == 2
    assert done.stderr.startswith(f"Can't listen on 127.0.0.1:{port}: ")
    assert done.stderr.count("\n") == 1
