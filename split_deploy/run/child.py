"""One process under the supervisor."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

# Characters of a line that are shown at once; a longer one is broken.
_LONGEST_LINE: Final = 64 * 1024


_PR_SET_PDEATHSIG: Final = 1  # <linux/prctl.h>
_LIBC: Final = ctypes.CDLL(None) if sys.platform == "linux" else None


def _end_with_the_supervisor() -> None:
    """In the child: be sent SIGTERM if the supervisor is killed, and so don't outlive it."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Child:
    """A process in a group of its own, whose output goes line by line to ``on_line``.

    In a group of its own a Ctrl-C reaches the supervisor alone, which then stops the children in
    its order; and what a child leaves behind can be found and ended.
    """

    def __init__(
        self, name: str, on_line: Callable[[str], None], *, stop_signal: signal.Signals
    ) -> None:
        self.name = name
        self.last_lines: deque[str] = deque(maxlen=15)
        self._on_line = on_line
        self._stop_signal = stop_signal
        self._process: asyncio.subprocess.Process | None = None
        self._pump: asyncio.Task[None] | None = None

    async def start(
        self, command: Sequence[str], *, env: Mapping[str, str], pass_fds: Sequence[int] = ()
    ) -> None:
        """Start ``command``. Raises ``OSError`` if there is no such program."""
        self.last_lines.clear()
        # A pipe of our own: with asyncio's, wait() also waits for what else holds the pipe open,
        # such as the workers of a master that was killed (until Python 3.12.4, gh-119710).
        read_end, write_end = os.pipe()
        output = asyncio.StreamReader(limit=_LONGEST_LINE)
        self._output, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(output), os.fdopen(read_end, "rb")
        )
        try:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                env=dict(env),
                pass_fds=pass_fds,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=write_end,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_the_supervisor,
            )
        except OSError:
            self._output.close()
            raise
        finally:
            os.close(write_end)
        self._pump = asyncio.create_task(self._read(output))

    @property
    def was_started(self) -> bool:
        return self._process is not None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def wait(self) -> int:
        """Wait for the process's end and return its exit status, negative for a signal."""
        assert self._process is not None  # noqa: S101
        status = await self._process.wait()
        # The rest of what it said. A grandchild may hold the pipe open: then not for long.
        if self._pump is not None:
            await asyncio.wait({self._pump}, timeout=1)
        return status

    def send(self, signal_: signal.Signals) -> None:
        """Send a signal to the process, if it is still there."""
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal_)  # type: ignore[union-attr]

    async def stop(self, seconds: float) -> bool:
        """Stop the process and its group; return whether it ended by itself in ``seconds``."""
        if self._process is None:
            return True
        self.send(self._stop_signal)
        try:
            await asyncio.wait_for(self._process.wait(), seconds)
            in_time = True
        except TimeoutError:
            in_time = False
        # Also the workers of a master that died.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self.wait()
        if self._pump is not None:
            self._pump.cancel()
        self._output.close()
        # Its number may soon be another's.
        self._process = None
        return in_time

    async def _read(self, stream: asyncio.StreamReader) -> None:
        while True:
            try:
                raw = await stream.readuntil()
            except asyncio.IncompleteReadError as error:
                raw = error.partial
            except asyncio.LimitOverrunError as error:
                raw = await stream.readexactly(error.consumed)
            if not raw:
                return
            line = raw.decode(errors="replace").rstrip("\r\n")
            self.last_lines.append(line)
            self._on_line(line)
