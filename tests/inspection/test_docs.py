"""docs/inspection.md: its examples give what it says, and its tables have every problem."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from split_deploy.inspection import inspect_source
from tests.e2e.stack import ROOT

PAGE = (ROOT / "docs" / "inspection.md").read_text()
EXAMPLES = re.findall(
    r"^```python\n(.*?)^```\n\n```text\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE
)
MODULES = sorted((ROOT / "split_deploy" / "inspection").glob("*.py"))


def test_the_page_has_examples():
    assert len(EXAMPLES) == 3


@pytest.mark.parametrize(("code", "printed"), EXAMPLES)
def test_an_example_prints_what_the_page_says(code, printed, tmp_path):
    # A real file: the inspection reads what the functions are made of.
    file = tmp_path / "example.py"
    file.write_text(code)
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(code, str(file), "exec"), {"__name__": "example"})

    # The first lines, where the page doesn't show all.
    assert [line.rstrip() for line in output.getvalue().splitlines()][
        : len(printed.splitlines())
    ] == [line.rstrip() for line in printed.splitlines()]


def test_the_marker_of_the_page_is_understood(tmp_path, monkeypatch):
    (code,) = re.findall(r"^```python\n(import time.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "marked_example.py").write_text(code)
    (tmp_path / "unmarked_example.py").write_text(code.replace("split-deploy: ok", ""))

    assert inspect_source(["marked_example"]) == []
    assert [each.kind for each in inspect_source(["unmarked_example"])] == ["blocking-call"]


def test_every_problem_that_the_code_knows_is_in_a_table_and_no_other():
    kinds = re.compile(
        r'(?:Problem|Hit)\(\s*"([a-z-]+)"|"(blocking-call|orm-call)"|Hit\.at\([^"]*"([a-z-]+)"'
    )
    known = {
        next(filter(None, found))
        for module in MODULES
        for found in kinds.findall(Path(module).read_text())
    }
    assert known == set(re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE))
