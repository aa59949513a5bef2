"""The project that is measured: prepared, known, and undone."""

import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Final

from split_deploy.bench.config import ConfigError, Project
from split_deploy.bench.load.process import on

#: Seconds for the start of the server that answers late.
_START: Final = 10.0


@contextmanager
def prepared(
    project: Project, not_undone: Callable[[ConfigError], None]
) -> Iterator[dict[str, str]]:
    """Run the setup command, yield the variables that it prints, and run the teardown command.

    Raises ``ConfigError`` if the first fails. ``not_undone`` is told if the second does: what was
    measured by then is not to be lost for it.
    """
    variables = {}
    try:
        for line in _output(project, "setup").splitlines():
            name, separator, value = line.partition("=")
            if separator and name.isidentifier() and name.isupper():
                variables[name] = value.strip()
        yield variables
    finally:
        try:
            _output(project, "teardown")
        except ConfigError as error:
            not_undone(error)


@contextmanager
def answering_late(cores: Collection[int]) -> Iterator[str]:
    """Run ``slow`` on ``cores``, if there are any, and yield its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with on(cores):
        process = subprocess.Popen(
            [sys.executable, "-m", "split_deploy.bench.slow", "--port", str(port)],
            stdin=subprocess.DEVNULL,
            process_group=0,
        )
    try:
        deadline = time.monotonic() + _START
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError as error:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise ConfigError(
                        f"The server that answers late did not start on port {port}."
                    ) from error
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _output(project: Project, name: str) -> str:
    command = getattr(project, name)
    if not command:
        return ""
    try:
        return subprocess.run(
            [part.replace("{python}", sys.executable) for part in shlex.split(command)],
            env=os.environ | dict(project.env),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (OSError, ValueError) as error:
        raise ConfigError(f"project.{name} can't be run: {error}") from error
    except subprocess.CalledProcessError as error:
        last = "\n".join(error.stderr.strip().splitlines()[-5:])
        raise ConfigError(f"project.{name} has ended with {error.returncode}:\n{last}") from error
