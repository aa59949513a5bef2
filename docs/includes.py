"""MkDocs hook: ``--8<-- "path:part"`` in a code block shows a part of a shipped file.

``pymdownx.snippets`` includes whole files, and parts by line number or by markers in the file. Here
a part is called by what the file says anyway, so that no shipped file needs markers for the
documentation and no line number goes stale. ``part`` is one of:

- in a Python file, the name of a function, a class or a module-level variable;
- in any other, a heading (``# ---- Basics ----``), for everything up to the next one;
- or the beginning of a line, for the paragraph with it: the comment above, the line, what is in its
  braces, and on to the next blank line.
"""

import ast
import re
import textwrap
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError

ROOT = Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^(?P<indent>[ \t]*)--8<-- "(?P<path>[^":]+):(?P<part>[^"]+)"$', re.MULTILINE)
HEADING = re.compile(r"\s*# (?:-{4}|={4}) (?P<name>.+?) (?:-{4,}|={4,})")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by MkDocs for each page."""
    return expand(markdown)


def expand(markdown: str) -> str:
    """Return ``markdown`` with the named parts in place. The rest is ``pymdownx.snippets``'s."""

    def shown(match: re.Match[str]) -> str:
        return textwrap.indent(part(match["path"], match["part"]), match["indent"])

    return INCLUDE.sub(shown, markdown)


def part(path: str, name: str) -> str:
    """Return the part of the file ``path`` (relative to the project) that is called ``name``.

    Raises ``PluginError`` if there is none, which ends the build.
    """
    try:
        text = (ROOT / path).read_text(encoding="utf-8")
    except OSError as error:
        raise PluginError(f"The documentation shows {path}, which can't be read: {error}") from None
    lines = text.splitlines()
    find = _definition if path.endswith(".py") else _section_or_paragraph
    found = find(lines, name)
    if not found:
        raise PluginError(
            f"The documentation shows {name!r} of {path}, which isn't there any more."
        )
    return textwrap.dedent("\n".join(found)).strip("\n")


def _definition(lines: list[str], name: str) -> list[str]:
    for node in ast.parse("\n".join(lines)).body:
        names = {getattr(node, "name", None)}
        if isinstance(node, ast.Assign):
            names = {getattr(target, "id", None) for target in node.targets}
        elif isinstance(node, ast.AnnAssign):
            names = {getattr(node.target, "id", None)}
        if name in names:
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))]) - 1
            return lines[_comment_above(lines, first) : node.end_lineno]
    return []


def _section_or_paragraph(lines: list[str], name: str) -> list[str]:
    for number, line in enumerate(lines):
        heading = HEADING.fullmatch(line)
        if heading and heading["name"].startswith(name):
            rest = lines[number + 1 :]
            ends = [index for index, after in enumerate(rest) if HEADING.fullmatch(after)]
            return rest[: ends[0] if ends else len(rest)]
    # A line that is no more than the name, such as a key of YAML, before one that begins with it.
    stripped = [line.strip() for line in lines]
    begins = [number for number, line in enumerate(stripped) if line.startswith(name)]
    if not begins:
        return []
    return _paragraph(lines, stripped.index(name) if name in stripped else begins[0])


def _paragraph(lines: list[str], number: int) -> list[str]:
    end, depth = number, 0
    while end < len(lines):
        depth += lines[end].count("{") - lines[end].count("}")
        if depth < 0 or (depth == 0 and not lines[end].strip()):
            break
        end += 1
    return lines[_comment_above(lines, number) : end]


def _comment_above(lines: list[str], number: int) -> int:
    while number and lines[number - 1].strip().startswith("#"):
        number -= 1
    return number
