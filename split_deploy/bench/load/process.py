"""Load tools as processes of their own, on the cores that they may have."""

import os
import resource
import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from split_deploy.bench.load.figures import LoadError

#: Seconds that a tool has, beyond those that it was asked for, for its start and its end.
SPARE: Final = 15.0

_INSTALLING: Final = {"wrk": "apt-get install wrk, or brew install wrk"}


def started(
    command: Sequence[str], cores: Collection[int], *, talks: bool = False
) -> subprocess.Popen[bytes]:
    """Start ``command`` on ``cores``, or wherever if there are none; ``talks`` gives it a stdin.

    It is in a process group of its own: a Ctrl-C is the benchmark's, which then ends it. Raises
    ``LoadError`` if there is no such program, which says how to install it, or no such core.
    """
    try:
        with on(cores):
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                process_group=0,
            )
    except FileNotFoundError as error:
        name = command[0]
        raise LoadError(
            f"{name} is not on PATH, and makes the load: {_INSTALLING.get(name, 'install it')}."
        ) from error


@contextmanager
def on(cores: Collection[int]) -> Iterator[None]:
    """Keep this thread, and what it starts meanwhile, on ``cores``; on all if there are none.

    Raises ``LoadError`` if it may not run there.
    """
    # What this thread starts meanwhile inherits its cores, also the threads that a program starts
    # at once; to set them in the child, before the program, isn't safe beside other threads.
    if not cores or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, cores)
    except OSError as error:
        raise LoadError(f"This process may not run on the cores {sorted(cores)}.") from error
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def module(name: str) -> list[str]:
    """Return the command that runs a module of this package."""
    return [sys.executable, "-m", f"{__package__}.{name}"]


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill what still runs, and close its pipes."""
    if process.poll() is None:
        process.kill()
    process.communicate()


def last_lines(output: bytes, number: int = 3) -> str:
    """Return the end of what a tool said, on one line."""
    lines = output.decode(errors="replace").strip().splitlines()
    return " / ".join(lines[-number:]) or "it said nothing"


def allow_files(number: int) -> None:
    """Let this process open so many files. Raises ``LoadError`` if the system does not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < number:
        if hard != resource.RLIM_INFINITY:
            hard = max(hard, number)  # which root may raise
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))
        except (OSError, ValueError) as error:
            raise LoadError(
                f"{number} open files are needed here, and `ulimit -Hn` is less: raise it, or ask"
                " for fewer streams."
            ) from error
