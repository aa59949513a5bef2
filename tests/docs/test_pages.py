"""Every block of code in the documentation is true: see ``pages.py`` for what that means."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.docs.commands import BY_HAND, RUN_BY
from tests.docs.pages import ELSEWHERE, PAGES, Block, as_shown, blocks, commands, matches
from tests.e2e.stack import ROOT, Stack

BIN = Path(sys.executable).parent
TESTS = "".join(path.read_text() for path in sorted(Path(__file__).parent.glob("test_*.py")))


def of(*languages: str) -> list[Block]:
    return [b for page in PAGES for b in blocks(page) if b.language in languages]


def test_pages_that_are_proven_elsewhere_are():
    for page, test in ELSEWHERE.items():
        assert f'"{page}"' in (ROOT / test).read_text(), f"{test} doesn't read {page}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_block_is_shipped_or_run_or_proven(page):
    for block in blocks(page):
        if block.is_shipped:
            assert as_shown(block.text).strip(), f"{block}: shows nothing"
        elif block.language not in {"console", "log", "sh"}:
            assert block.title, f"{block}: give it a title and a test that looks it up"
            assert f'"{block.title}"' in TESTS, f"{block}: no test proves {block.title!r}"


@pytest.mark.parametrize("block", of("sh"), ids=str)
def test_each_command_is_run_by_a_test_or_listed_as_one_for_an_operator(block):
    for command in commands(block):
        assert command in RUN_BY or command in BY_HAND, f"{block}: {command!r} is in no table"


@pytest.mark.parametrize(("command", "evidence"), RUN_BY.items(), ids=str)
def test_what_runs_a_command_still_does(command, evidence):
    path, pattern = evidence
    assert re.search(pattern, (ROOT / path).read_text()), f"{path} doesn't run {command!r}"


def test_the_tables_of_commands_hold_no_others():
    told = {command for block in of("sh") for command in commands(block)}
    for command in (*RUN_BY, *BY_HAND):
        assert command in told, f"no page tells {command!r}"


@pytest.mark.parametrize(
    "page",
    [p for p in PAGES if any(b.language == "console" for b in blocks(p))],
    ids=lambda p: p.name,
)
def test_transcripts_and_logs_are_what_the_project_says(page, stack):
    seen = len(stack.log())
    for block in blocks(page):
        if block.language == "console":
            for command, expected in steps(block.text):
                actual = run(command, stack)
                assert matches(expected, actual), f"{block}: {command}\nprinted\n{actual}"
        elif block.language == "log":
            wait_for_lines(block, stack, seen)


def steps(transcript: str) -> list[tuple[str, str]]:
    """The commands of a transcript, each with what it prints."""
    found = re.split(r"^\$ ", transcript, flags=re.MULTILINE)
    assert not found[0], "a transcript begins with a command"
    pairs = []
    for step in found[1:]:
        lines = step.rstrip("\n").split("\n")
        # A command goes on while a quote is open, or after a backslash.
        end = 1
        while lines[end - 1].endswith("\\") or "\n".join(lines[:end]).count("'") % 2:
            end += 1
        pairs.append(("\n".join(lines[:end]), "\n".join(lines[end:])))
    return pairs


def run(command: str, stack: Stack) -> str:
    """What ``command`` prints, typed beside the running project."""
    # What `make test` hands down would make a make that is typed here talk of it.
    env = {name: value for name, value in stack.env.items() if not name.startswith(("MAKE", "MFL"))}
    command = command.replace("127.0.0.1:8000", f"127.0.0.1:{stack.port}")
    command = command.replace("PORT=8000", f"PORT={stack.port}").replace(".venv/bin/", f"{BIN}/")
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env=env | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout.replace(str(stack.port), "8000")


def wait_for_lines(block: Block, stack: Stack, seen: int) -> None:
    """Wait until the lines of ``block`` are in the log after ``seen``, in their order."""
    lines = [re.escape(line).replace(r"\.\.\.", "[^\n]*") for line in block.text.splitlines()]
    pattern = re.compile(r"\n(?:[^\n]*\n)*?".join(lines))
    deadline = time.monotonic() + 10
    while not pattern.search(log := stack.log()[seen:].replace(str(stack.port), "8000")):
        assert time.monotonic() < deadline, f"{block}: not in the log\n{log}"
        time.sleep(0.1)
