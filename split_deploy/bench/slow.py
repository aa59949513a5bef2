"""A server that answers late: what the pages call that wait for another server.

    python -m split_deploy.bench.slow --port 8800 [--delay-ms 100]

``/delay/MS`` answers after so many milliseconds, ``/connections`` at once how many connections it
has been given, and anything else after ``--delay-ms``; each with a small JSON object. HTTP/1.1 that
keeps connections, as far as clients need it that send no body: no framework, so that thousands of
connections cost little beside what is measured. Runs on uvloop where that is installed.
"""

import argparse
import asyncio
import json
import re
import sys
from typing import Any, Final

_PATH: Final = re.compile(rb"[A-Z]+ (?:http://[^/ ]+)?(/[^ ?]*)")
_DELAY: Final = re.compile(rb"/delay/(\d{1,6}(?:\.\d{1,6})?)/?")
#: Connections that may come at once, while this one is busy.
_BACKLOG: Final = 4096


class Slow:
    """What the connections have in common. ``delay`` is in seconds."""

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self.connections = 0

    def answer_to(self, head: bytes) -> tuple[float, dict[str, Any]]:
        """Return what answers a request, and after how many seconds."""
        found = _PATH.match(head)
        path = found[1] if found else b""
        if path == b"/connections":
            return 0.0, {"connections": self.connections}
        matched = _DELAY.fullmatch(path)
        delay = float(matched[1]) / 1000 if matched else self.delay
        return delay, {"delay_ms": round(delay * 1000, 6)}


class Connection(asyncio.Protocol):
    """One connection of a client, which sends a request when the last one is answered."""

    def __init__(self, slow: Slow) -> None:
        self._slow = slow
        self._received = b""
        self._timer: asyncio.TimerHandle | None = None
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See ``asyncio.Protocol``."""
        self._slow.connections += 1
        self._transport = transport

    def connection_lost(self, _error: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        self._received += data
        self._next()

    def _next(self) -> None:
        if self._timer is not None:
            return  # answers are in the order of the requests
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        self._received = rest
        delay, content = self._slow.answer_to(head)
        self._timer = asyncio.get_running_loop().call_later(delay, self._answer, content)

    def _answer(self, content: dict[str, Any]) -> None:
        self._timer = None
        body = json.dumps(content).encode()
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (len(body), body)
        )
        self._next()


async def serve(host: str, port: int, delay: float) -> None:
    """Serve until this is cancelled. Raises ``OSError`` if it can't listen there."""
    slow = Slow(delay)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(slow), host, port, backlog=_BACKLOG
    )
    async with server:
        await server.serve_forever()


def main(arguments: list[str] | None = None) -> int:
    """Return the exit status: 2 if it can't listen."""
    parser = argparse.ArgumentParser(
        prog="python -m split_deploy.bench.slow", description="A server that answers late."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--delay-ms", type=float, default=100.0, help="default: %(default)s")
    given = parser.parse_args(arguments)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(serve(given.host, given.port, given.delay_ms / 1000))
    except KeyboardInterrupt:
        return 0
    except OSError as error:
        print(f"Can't listen on {given.host}:{given.port}: {error.strerror}.", file=sys.stderr)
        return 2
    return 0


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


if __name__ == "__main__":
    sys.exit(main())
