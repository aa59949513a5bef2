"""The real thing: nginx and the instances, started by ``split-deploy run`` on a free port."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[2]

#: What a developer's shell may have set and a test must not see.
_FOREIGN = re.compile(
    r"ACCESS_LOG$|DJANGO_|DATABASE_|CACHE_URL|GUNICORN_|GRANIAN_|UVICORN_|ASYNC_|WATCH_|TUTORIAL_|SPLIT_DEPLOY|WEB_CONC"
    r"|FORWARDED_ALLOW|NO_COLOR$|(HOST|PORT|RELOAD|SYNC_SERVER|TOPOLOGY)$"
)


def clean_environment() -> dict[str, str]:
    """The environment without what would change the project's settings."""
    kept = {name: value for name, value in os.environ.items() if not _FOREIGN.match(name)}
    return kept | {"DJANGO_DOTENV": ""}


class Stack:
    """A running project. ``folder`` holds its database and static files."""

    def __init__(
        self,
        folder: Path,
        *,
        cwd: Path = ROOT,
        program: tuple[str, ...] = (sys.executable, "-m", "split_deploy"),
        arguments: tuple[str, ...] = (),
        **env: str,
    ) -> None:
        self.database = folder / "db.sqlite3"
        self.env = clean_environment() | {
            "PORT": "0",
            "DATABASE_URL": f"sqlite:///{self.database}",
            "DJANGO_STATIC_ROOT": str(folder / "static"),
            "TUTORIAL_STEP_SECONDS": "0.2",
            **env,
        }
        self.cwd = cwd
        self._command = [*program, "run", *arguments]
        self._lines: list[str] = []
        self.url = ""

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            self._command,
            cwd=self.cwd,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            line = self.wait_for_log(" answers: ", timeout=60)
        except BaseException:
            self.stop()
            raise
        self.url = re.search(r"(http://\S+)/ answers", line)[1]
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        status = self.stop()
        assert exc is not None or status == 0, self.log()

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def served_by(self, role: str) -> str:
        """The role that serves what is that of ``role`` where there are two instances."""
        return role if self.env.get("TOPOLOGY", "split") == "split" else "mixed"

    def log(self) -> str:
        """All output so far."""
        return "\n".join(self._lines)

    def wait_for_log(self, text: str, timeout: float = 10) -> str:
        """Return the first line with ``text``, waiting for it."""
        deadline = time.monotonic() + timeout
        while True:
            ended = self.process.poll() is not None
            if ended:
                self._reader.join(5)
            for line in list(self._lines):
                if text in line:
                    return line
            assert not ended, f"ended with {self.process.returncode}:\n{self.log()}"
            assert time.monotonic() < deadline, f"no {text!r} within {timeout} s:\n{self.log()}"
            time.sleep(0.02)

    def manage(self, *arguments: str, **env: str) -> str:
        """Run ``manage.py`` against the same database and return its output."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=self.cwd,
            env=self.env | env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """Stop everything and return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        status = self.process.wait(30)
        self._reader.join(5)
        return status

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._lines.append(line.rstrip("\n"))
