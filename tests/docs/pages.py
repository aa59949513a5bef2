"""The documentation as data: its pages, their code blocks, and what a block may be.

A block of code is one of these, and nothing else (``test_pages.py`` insists):

- shipped: it consists of ``--8<--`` lines, which show a file of the project or a part of one;
- ``console``: a transcript. Each ``$`` line is run, and what follows is what it must print, where
  ``...`` stands for anything;
- ``log``: lines that the running project logs, in this order, after the transcripts above it;
- ``sh``: commands that a test elsewhere runs, or that need a machine of their own: ``commands.py``
  says which for each;
- anything else has a title, by which a test in this folder looks it up and proves it.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from docs.includes import expand
from tests.e2e.stack import ROOT

#: Pages whose blocks are proven by a test of their own.
ELSEWHERE: Final = {
    "async-rules.md": "tests/tasks/test_rules_page.py",
    "checks.md": "tests/checks/test_examples.py",
    "existing-project.md": "tests/e2e/test_package.py",
    "inspection.md": "tests/inspection/test_docs.py",
    "native-middleware.md": "tests/middleware/test_docs.py",
    "reversing.md": "tests/unit/test_reversing.py",
    "runtime-guards.md": "tests/unit/test_runtime_docs.py",
    "testing.md": "tests/plugin/test_pytest_plugin.py",
}

PAGES: Final = (
    ROOT / "README.md",
    *(page for page in sorted((ROOT / "docs").glob("*.md")) if page.name not in ELSEWHERE),
)

_OPENING: Final = re.compile(r"(?P<indent> *)```(?P<language>[\w-]*)(?P<attributes>.*)")
_TITLE: Final = re.compile(r'title="([^"]+)"')
_WHOLE_FILE: Final = re.compile(r'--8<-- "(?P<path>[^":]+)"')


@dataclass(frozen=True)
class Block:
    """A fenced block of code. ``line`` is where it begins."""

    page: Path
    line: int
    language: str
    title: str | None
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def is_shipped(self) -> bool:
        return all(line.startswith("--8<-- ") for line in self.text.splitlines() if line)


def blocks(page: Path) -> list[Block]:
    """The blocks of ``page``, in order."""
    found, lines = [], iter(enumerate(page.read_text().splitlines(), start=1))
    for number, line in lines:
        opening = _OPENING.fullmatch(line)
        if not opening:
            continue
        indent, inside = opening["indent"], []
        for _, inner in lines:
            if inner == f"{indent}```":
                break
            inside.append(inner.removeprefix(indent))
        title = _TITLE.search(opening["attributes"])
        found.append(
            Block(page, number, opening["language"], title and title[1], "\n".join(inside))
        )
    return found


def block(page: str, title: str) -> str:
    """The text of the block called ``title`` on ``page``."""
    (found,) = [b for b in blocks(ROOT / page) if b.title == title and not b.is_shipped]
    return found.text


def commands(block: Block) -> list[str]:
    """The commands of an ``sh`` block, each on one line."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [" ".join(line.split()) for line in lines if line]


def as_shown(text: str) -> str:
    """``text`` with what its ``--8<--`` lines show in their place."""
    return _WHOLE_FILE.sub(lambda match: (ROOT / match["path"]).read_text(), expand(text))


def matches(expected: str, actual: str) -> bool:
    """Whether ``actual`` is ``expected``, in which ``...`` stands for anything."""
    parts = map(re.escape, "\n".join(line.rstrip() for line in expected.splitlines()).split("..."))
    actual = "\n".join(line.rstrip() for line in actual.replace("\r", "").splitlines())
    return bool(re.fullmatch(".*".join(parts), actual.rstrip("\n"), re.DOTALL))
