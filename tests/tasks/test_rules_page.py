"""docs/async-rules.md: each rule names what notices it, and that does."""

import re
import textwrap

import pytest

from split_deploy.checks import messages
from split_deploy.inspection import inspect_source
from tests.docs.pages import blocks
from tests.e2e.stack import ROOT

PAGE = ROOT / "docs" / "async-rules.md"
IDS = {value for name, value in vars(messages).items() if name.isupper()}
HEAD, *PARTS = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)
#: By the anchor of each rule.
RULES = {re.search(r"\{ #([a-z-]+) \}", part)[1]: part for part in PARTS}
FENCE = re.compile(r'^```python title="(Not so|So)"\n(.*?)^```', re.MULTILINE | re.DOTALL)
#: The rules that have code: its blocks follow the line of the heading.
CODE = {anchor: dict(FENCE.findall(part)) for anchor, part in RULES.items() if "```python" in part}
KINDS = re.compile(r"`([a-z]+(?:-[a-z]+)+)`")


def test_all_blocks_of_the_page_are_here():
    assert len(blocks(PAGE)) == sum(len(code) for code in CODE.values())
    assert all(set(code) == {"Not so", "So"} for code in CODE.values())


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "exceptions"])
def test_a_rule_says_what_notices_it(rule):
    (noticed,) = re.findall(r"^\*Noticed by\* (.*)$", RULES[rule], re.MULTILINE)
    ids = set(re.findall(r"split_deploy\.[EW]\d{3}", noticed))
    assert ids <= IDS
    assert ids or "the shutdown" in noticed


@pytest.fixture
def kinds(tmp_path, monkeypatch):
    """Inspect a module with this code; return the kinds of its problems."""
    monkeypatch.syspath_prepend(tmp_path)
    name = f"rule_{tmp_path.name}"

    def kinds(code):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(code))
        return {problem.kind for problem in inspect_source([name])}

    return kinds


@pytest.mark.parametrize("rule", CODE)
def test_what_breaks_a_rule_is_noticed_as_the_page_says(rule, kinds):
    (noticed,) = re.findall(r"^\*Noticed by\* (.*)$", RULES[rule], re.MULTILINE)
    found = kinds(CODE[rule]["Not so"])
    assert found
    assert found <= set(KINDS.findall(noticed))


@pytest.mark.parametrize("rule", CODE)
def test_what_the_page_writes_instead_keeps_all_rules(rule, kinds):
    code = CODE[rule]["So"]
    compile(code, rule, "exec")
    assert kinds(code) == set()


def test_every_check_of_the_source_is_about_a_rule():
    on_the_page = set(KINDS.findall(" ".join(RULES.values())))
    page = (ROOT / "docs" / "inspection.md").read_text().split("## Source")[1]
    for kind in re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE):
        assert kind in on_the_page or kind == "mixed-handlers"
