"""Many event streams at once, kept open while something else is measured, and their ticks.

They come over HTTP/1.1, a connection each, to a process of its own: see ``listener``.
"""

import json
import selectors
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from split_deploy.bench.load import process
from split_deploy.bench.load.figures import Figures, LoadError, Request
from split_deploy.bench.load.listener import Listener
from split_deploy.bench.load.wire import address, encoded

#: Seconds in which not one more stream is answered, after which the rest is given up.
PATIENCE: Final = 5.0
#: Open files beside the streams.
_FILES: Final = 50


class Streams:
    """Open streams, in another process."""

    def __init__(self, running: subprocess.Popen[bytes], what: str) -> None:
        self._process = running
        self._what = what
        self._last: Figures | None = None

    def figures(self) -> Figures:
        """Return what there is by now or, when they have been closed, was by then.

        - ``streams``: those that are open; ``dropped``: those that are not, of all that were asked
          for, whether they were never answered or have ended;
        - ``opened_per_second``: by which they were answered;
        - ``events``: since all were open, or ``forget()``; comments, as of heartbeats, are none;
        - with a period ``tick_p50_ms``, ``tick_p99_ms``, ``tick_max_ms``: by how much these events
          came late. The stream's own earliest event sets when the others should come, a period
          after each other, so a server that only sleeps that long between two is late by what
          both take. One that should have come and has not counts with how late it is by now.

        To sort the events of many streams takes a while in which none is read: ask when all is
        over. Raises ``LoadError`` if the process has died.
        """
        if self._last is not None:
            return self._last
        return self._ask("figures")

    def forget(self) -> None:
        """Count events from now on only: those so far were not of what is to be measured."""
        self._ask("forget")

    def open(self, asked: dict[str, Any]) -> None:
        """Open them."""
        self._ask(json.dumps(asked))

    def close(self) -> None:
        """Take the last figures."""
        self._last = self._ask("figures")

    def _ask(self, line: str) -> Figures:
        questions, answers = self._process.stdin, self._process.stdout
        assert questions is not None  # noqa: S101
        assert answers is not None  # noqa: S101
        with suppress(BrokenPipeError):
            questions.write(f"{line}\n".encode())
            questions.flush()
        answer = answers.readline()
        if not answer:
            _, messages = self._process.communicate()
            said = process.last_lines(messages)
            raise LoadError(f"The client of the streams of {self._what} failed: {said}.")
        found: dict[str, Any] = json.loads(answer)
        if "error" in found:
            raise LoadError(found["error"])
        return found


@contextmanager
def streams(
    url: str,
    request: Request,
    *,
    number: int,
    cores: Collection[int],
    period_ms: float | None,
    patience: float = PATIENCE,
) -> Iterator[Streams]:
    """Open ``number`` streams of ``url``, and keep them open until the context is left.

    ``period_ms`` is the distance of their events, if they tick. When none was answered for
    ``patience``, in seconds, it goes on with those that were: a server with a thread for each can't
    have more.

    Raises ``LoadError`` if not one could be opened, or if this machine has too few open files.
    """
    what = f"{url}{request.path}"
    headers = {"Accept": "text/event-stream", **request.headers}
    asking = Request(path=request.path, method=request.method, headers=headers)
    running = process.started(process.module("streams"), cores, talks=True)
    try:
        found = Streams(running, what)
        found.open(
            {
                "what": what,
                "address": address(url),
                "request": encoded(asking, url).decode("latin-1"),
                "number": number,
                "period": None if period_ms is None else period_ms / 1000,
                "patience": patience,
            }
        )
        yield found
        found.close()
    finally:
        process.end(running)


def main() -> None:
    """Do what each line on stdin says, until there are no more; print a line of JSON for each."""
    asked = json.loads(sys.stdin.buffer.readline())
    family, where = asked["address"]
    listener = Listener(
        (family, tuple(where)),
        asked["request"].encode("latin-1"),
        what=asked["what"],
        period=asked["period"],
    )
    try:
        process.allow_files(asked["number"] + _FILES)
        listener.open(asked["number"], patience=asked["patience"])
    except LoadError as error:
        _say({"error": str(error)})
        return
    _say({})
    listener.selector.add(sys.stdin, selectors.EVENT_READ)
    while _obeyed(listener):
        pass
    listener.close()


def _obeyed(listener: Listener) -> bool:
    """Listen, and do what is asked; return whether there may be more."""
    if not listener.read(60):
        return True
    command = sys.stdin.buffer.readline().decode().strip()
    if command == "figures":
        _say(listener.figures())
    elif command == "forget":
        listener.forget()
        _say({})
    return bool(command)


def _say(answer: dict[str, float] | dict[str, str]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
