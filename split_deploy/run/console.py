"""Lines of several processes on one terminal."""

import io
import os
import sys
from typing import Final, TextIO

_COLORS: Final = {"sync": "32", "async": "36", "mixed": "33", "nginx": "35", "split": "1"}
_WIDTH: Final = max(map(len, _COLORS))


class Console:
    """Writes each line with the name of who said it, in color on a terminal.

    https://no-color.org/
    """

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        if isinstance(stream, io.TextIOWrapper):
            # What the terminal's encoding lacks is no reason to lose a line.
            stream.reconfigure(errors="backslashreplace")
        self._colored = stream.isatty() and not os.environ.get("NO_COLOR")

    def line(self, name: str, text: str) -> None:
        prefix = f"{name:<{_WIDTH}} |"
        if self._colored:
            prefix = f"\033[{_COLORS[name]}m{prefix}\033[0m"
        try:
            print(prefix, text, file=self._stream, flush=True)
        except OSError:
            # Whoever read us is gone (`make run | head`, a closed terminal); the processes must
            # still be read and stopped.
            self._stream = open(os.devnull, "w")  # noqa: SIM115
