"""docs/benchmark.md names every key of the file, every topology and every figure."""

import argparse
import json
import re
from dataclasses import fields
from importlib.resources import files

import pytest

from split_deploy.bench.cli import add_arguments
from split_deploy.bench.config import EXAMPLE, Beside, Config, Curve, Defaults, Project, Workload
from split_deploy.bench.report.words import LEFT_OUT, WORDS
from split_deploy.bench.topologies import TOPOLOGIES
from tests.docs.pages import block
from tests.e2e.stack import ROOT

PAGE = (ROOT / "docs" / "benchmark.md").read_text()


def table(after: str) -> dict[str, str]:
    """The first table after a text: what its first column names in code, and the second column."""
    rows = re.search(r"(?:^\|.*\n)+", PAGE.split(after, 1)[1], re.MULTILINE)[0].splitlines()[2:]
    found = {}
    for row in rows:
        first, second, *_ = [cell.strip() for cell in row.strip("|").split(" | ")]
        found |= dict.fromkeys(re.findall(r"`([^`]+)`", first), second.strip("` |"))
    return found


def test_the_file_is_the_least_that_is_needed(tmp_path):
    text = block("docs/benchmark.md", "bench.toml")
    assert text.strip() == EXAMPLE.strip()
    path = tmp_path / "bench.toml"
    path.write_text(text)
    assert [each.name for each in Config.read(path).workload] == ["page", "async-page"]


@pytest.mark.parametrize(
    ("after", "kind"),
    [("`[project]`,", Project), ("`[run]`,", Defaults), ("`[[workload]]`,", Workload)],
    ids=["project", "run", "workload"],
)
def test_each_key_is_told_with_its_default(after, kind):
    told = table(after)
    assert told.keys() == {field.name for field in fields(kind)}
    for field in fields(kind):
        if isinstance(field.default, int | float | str) and re.match(
            r"[\d\w]+[:.]|\d", told[field.name]
        ):
            assert str(field.default).removesuffix(".0") == told[field.name], field.name


def test_the_keys_of_a_curve_and_of_a_flood_are_told():
    own = {field.name for field in fields(Curve)} - {field.name for field in fields(Workload)}
    assert table("`[[curve]]`,").keys() == own
    for field in fields(Beside):
        assert f"`{field.name}`" in PAGE.split("| `beside` |", 1)[1].split("\n", 1)[0]


def test_each_topology_is_told():
    assert table("## What is compared").keys() == TOPOLOGIES.keys()


def test_each_figure_that_is_told_is_in_the_schema():
    schema = files("split_deploy.bench.report").joinpath("schema.json").read_text()
    known = json.loads(schema)["$defs"]["figures"]["properties"].keys()
    assert table("names as in report.json").keys() - LEFT_OUT <= known
    assert known == WORDS.keys()


def test_each_key_of_the_report_is_told():
    schema = json.loads(files("split_deploy.bench.report").joinpath("schema.json").read_text())
    assert table("### report.json").keys() == schema["properties"].keys()


def test_each_option_is_told():
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    options = {each for action in parser._actions for each in action.option_strings[-1:]}
    told = {each.split()[0] for each in table("## Options")}
    assert told == options - {"--help"} | {"FILE"}
