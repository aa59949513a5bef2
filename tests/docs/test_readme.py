"""README.md: its commands are run, its two new URLs work, its links lead somewhere."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.docs.commands import BY_HAND, RUN_BY
from tests.docs.pages import Block, block, blocks, commands
from tests.e2e.stack import ROOT, Stack

README = ROOT / "README.md"
BIN = Path(sys.executable).parent


COMMANDS = [command for b in blocks(README) if b.language == "sh" for command in commands(b)]
#: Those that cost little.
RUN_HERE = [command for command in COMMANDS if command.startswith(".venv/bin/")]


def test_each_command_is_run_by_something():
    assert {"make run", "docker compose up", "make test"} <= set(COMMANDS)
    for command in COMMANDS:
        assert command in RUN_BY
        assert command not in BY_HAND


@pytest.mark.parametrize("command", RUN_HERE)
def test_a_command_that_costs_little_is_run(command):
    program, *arguments = shlex.split(command)
    done = subprocess.run(
        [str(BIN / Path(program).name), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "server 127.0.0.1:8001 max_fails=0;" in done.stdout
    assert "location ^~ /live/ {" in done.stdout


def test_what_make_run_says_is_what_it_says(stack):
    for page in ("README.md", "docs/getting-started.md"):
        log = stack.log().replace(str(stack.port), "8000")
        for line in block(page, "make run").splitlines():
            pattern = re.escape(line).replace(r"\.\.\.", ".*")
            assert re.search(f"^{pattern}$", log, re.MULTILINE), f"{page}: {line}\n{log}"


def code() -> list[Block]:
    return [b for b in blocks(README) if b.language == "python"]


def test_a_sync_and_an_async_url_are_added_as_it_says(tmp_path):
    project = tmp_path / "project"
    ignored = shutil.ignore_patterns(".*", "tests", "docs", "site", "__pycache__", "var")
    shutil.copytree(ROOT, project, ignore=ignored)
    (project / "var").mkdir()
    for new in code():
        assert new.title in {"app/views.py", "urls.py", "app/async_views.py", "async_urls.py"}
        path = project / new.title
        add(new.text, to=path)

    with Stack(tmp_path, cwd=project) as stack:
        for path, role, text in (
            ("/weekday/", "sync", r"[A-Z][a-z]+day"),
            ("/async/pause/", "async", r"Nobody had to wait for this one\."),
        ):
            answer = httpx.get(stack.url + path)
            assert answer.headers["X-Served-By"] == role
            assert re.fullmatch(text, answer.text)


def add(text: str, *, to: Path) -> None:
    """Append views; put paths before the first path of a view in ``urlpatterns``."""
    old = to.read_text()
    if text.startswith("path("):
        view = re.compile(r"^( +)path\(\"[^\n]*views\.", re.MULTILINE)
        first = view.search(old, old.index("urlpatterns = "))
        new = old[: first.start()] + f"{first[1]}{text},\n" + old[first.start() :]
    else:
        new = f"{old}\n\n{text}\n"
    to.write_text(new)


def test_links_lead_to_files_and_headings_of_the_project():
    for target in re.findall(r'\]\(([^)]+)\)|(?:src|srcset)="([^"]+)"', README.read_text()):
        path, _, anchor = (target[0] or target[1]).partition("#")
        assert (ROOT / path).is_file(), path
        if anchor:
            headings = re.findall(r"^#+ (.+)$", (ROOT / path).read_text(), re.MULTILINE)
            assert anchor in {heading.lower().replace(" ", "-") for heading in headings}


def test_the_two_diagrams_differ_in_color_alone():
    light, dark = (
        re.sub(r"#[0-9a-f]{6}", "", (ROOT / f"docs/assets/two-instances-{name}.svg").read_text())
        for name in ("light", "dark")
    )
    assert light == dark
