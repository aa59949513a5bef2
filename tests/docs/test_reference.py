"""The reference pages list what there is, all of it and nothing else."""

import argparse
import re
from dataclasses import MISSING, fields

import pytest

from docs.includes import HEADING
from split_deploy.conf import Config
from split_deploy.run.cli import CANNOT_START
from split_deploy.run.options import add_arguments
from tests.docs.pages import as_shown, blocks, commands
from tests.e2e.stack import ROOT

DOCS = ROOT / "docs"


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the first table after ``heading``, without its head."""
    text = (DOCS / page).read_text().split(f"{heading}\n", 1)[1]
    table = re.search(r"^\|.*?(?=\n\n|\Z)", text, re.MULTILINE | re.DOTALL)[0]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table.split("\n")[2:]]


def test_the_table_of_settings_is_the_fields_of_config():
    table = {row[0].strip("`"): row[1:] for row in rows("settings.md", "# Settings")}
    assert list(table) == [field.name.upper() for field in fields(Config)]
    words = {"str": ("string", "dotted path"), "float": ("seconds",)}
    for field in fields(Config):
        kind, default, _ = table[field.name.upper()]
        if field.default is MISSING:
            assert default == "required"
        else:
            shown = f'"{field.default}"' if isinstance(field.default, str) else repr(field.default)
            assert default == f"`{shown}`"
        assert kind in words.get(getattr(field.type, "__name__", ""), (kind,))


def test_the_page_of_environment_variables_is_env_example_in_full():
    shown = as_shown("\n".join(b.text for b in blocks(DOCS / "environment.md")))
    lines = (ROOT / ".env.example").read_text().splitlines()
    first = next(number for number, line in enumerate(lines) if HEADING.fullmatch(line))
    for line in lines[first:]:
        if not HEADING.fullmatch(line):
            assert line in shown


def test_options_of_run_are_listed_with_variable_and_default(monkeypatch):
    for name in ("TOPOLOGY", "SYNC_SERVER", "HOST", "PORT", "RELOAD", "NGINX"):
        monkeypatch.delenv(name, raising=False)
    parser = argparse.ArgumentParser(add_help=False)
    add_arguments(parser)
    table = {row[0].strip("`"): row[1:3] for row in rows("run.md", "## Options")}
    assert list(table) == [action.option_strings[0] for action in parser._actions]
    for action in parser._actions:
        variable, default = table[action.option_strings[0]]
        if variable:
            assert f"[{variable.strip('`')}" in action.help
        if action.default:
            assert default == f"`{action.default}`"


def test_exit_statuses_of_run_are_listed():
    assert [row[0] for row in rows("run.md", "## Exit status")] == ["0", "1", str(CANNOT_START)]


def directives() -> list[str]:
    """The names of the directives of deploy/nginx.conf."""
    text = re.sub(r"^\s*#.*$", "", (ROOT / "deploy" / "nginx.conf").read_text(), flags=re.MULTILINE)
    # Not the entries of a map, which are values.
    text = re.sub(r"(map [^{]+)\{[^}]*(?:\{[^}]*\}[^}]*)*\n    \}", r"\1;", text)
    return sorted(set(re.findall(r"^ *([a-z][a-z0-9_]+)(?= |;|$)", text, re.MULTILINE)))


@pytest.mark.parametrize("name", directives())
def test_each_directive_of_nginx_is_explained(name):
    text = (DOCS / "nginx.md").read_text()
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    assert f"`{name}`" in prose or f"`{name}`" in text


def test_no_directive_is_explained_that_is_not_there():
    page = (DOCS / "nginx.md").read_text()
    terms = re.findall(r"^(`.*`)\n: {3}", page, re.MULTILINE)
    explained = {name for term in terms for name in re.findall(r"`(\w+)`", term)}
    assert len(explained) > 50
    assert explained <= set(directives())


def test_all_of_nginx_conf_is_shown():
    shown = {
        line.strip()
        for b in blocks(DOCS / "nginx.md")
        if b.is_shipped
        for line in as_shown(b.text).splitlines()
    }
    for number, line in enumerate((ROOT / "deploy/nginx.conf").read_text().splitlines(), start=1):
        text = line.strip()
        if text.startswith("#") or text in {"", "}", "http {", "server {"}:
            continue
        assert text in shown, f"docs/nginx.md doesn't show line {number}: {line}"


def test_compose_and_the_page_trust_the_same_proxies():
    (command,) = [
        command
        for b in blocks(DOCS / "deploying.md")
        if b.language == "sh"
        for command in commands(b)
        if "--target compose" in command
    ]
    comment = (ROOT / "docker-compose.yml").read_text().replace("#", "").replace("\\\n", " ")
    assert command in " ".join(comment.split())
