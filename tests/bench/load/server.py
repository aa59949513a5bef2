"""A small server, of which it is known what it answers and when."""

import asyncio
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Seen:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Server:
    """Answers, in a thread of its own. A context manager."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    #: Where they came from.
    peers: set[str] = field(default_factory=set)
    #: By what number of a request to /stall/ everything stalls for a second.
    stall_at: int = 0
    #: How many streams are served; more are never answered.
    most_streams: int = 1_000_000

    def __enter__(self):
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _serve(self):
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._tasks = set()
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, backlog=4096)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connection(self, reader, writer):
        self.connections += 1
        self.peers.add(writer.get_extra_info("peername")[0])
        self._tasks.add(task := asyncio.current_task())
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._answer(reader, writer):
                    pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        method, target, _ = first.split(" ")
        headers = dict(line.split(": ", 1) for line in lines)
        if target == "/refuse/":
            writer.write(b"HTTP/1.1 413 Too much\r\nContent-Length: 0\r\n\r\n")
            await asyncio.sleep(60)
        body = await reader.readexactly(int(headers.get("Content-Length", 0)))
        self.seen.append(Seen(method, target, headers, body))
        parts = urlsplit(target)
        name, _, argument = parts.path.strip("/").partition("/")
        query = dict(parse_qsl(parts.query))
        if name == "delay":
            await asyncio.sleep(float(argument) / 1000)
        elif name == "stall" and len(self.seen) == self.stall_at:
            time.sleep(1)  # noqa: ASYNC251
        elif name == "hang-up":
            return False
        elif name == "nonsense":
            writer.write(b"nonsense")
            await asyncio.sleep(60)
        elif name == "never":
            await asyncio.sleep(60)
        elif name == "events":
            return await self._events(writer, query)
        status = argument if name == "status" else "200 OK"
        if name == "every-other":
            status = "500 Every other" if len(self.seen) % 2 else status
        size = int(argument) if name == "size" else 2
        content = b"" if method == "HEAD" else b"x" * size
        close = "Connection: close\r\n" if name == "close" else ""
        writer.write(
            f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n{close}\r\n".encode() + content
        )
        await writer.drain()
        if name == "close":
            await asyncio.sleep(60)  # which is not to be relied on: it doesn't
        # Closes a connection without saying so, as a server may between two requests.
        return name != "forget"

    async def _events(self, writer, query):
        """A tick each ``period`` seconds; at number ``stall`` all is late; ``drop`` is the last."""
        if sum(each.path.startswith("/events/") for each in self.seen) > self.most_streams:
            await asyncio.sleep(60)
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        begun, period = time.monotonic(), float(query["period"])
        number = 0
        while str(number) != query.get("drop"):
            # In two parts and with a comment, as it may come.
            for part in (b":\n\nid: 1\nda", f"ta: {number}\n\n".encode()):
                writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
                await writer.drain()
            if str(number) == query.get("stall"):
                time.sleep(0.5)  # noqa: ASYNC251
            if str(number) == query.get("last"):
                await asyncio.sleep(60)
            number += 1
            await asyncio.sleep(max(0, begun + number * period - time.monotonic()))
        return False
