"""The template's two rules: placeholders, and lines that are kept or not."""

import pytest

from split_deploy.nginx.template import fill


def test_placeholders_are_replaced_and_nginx_variables_are_not() -> None:
    assert fill("a %{b} $c ${d} 100%;", {"b": 1}) == "a 1 $c ${d} 100%;"


def test_lines_are_kept_by_condition() -> None:
    template = "a\n#if x\nb\n#end\n#if not x\nc\n#end\nd\n"
    assert fill(template, {"x": "yes"}) == "a\nb\nd\n"
    assert fill(template, {"x": None}) == "a\nc\nd\n"


def test_conditions_nest() -> None:
    template = "#if x\n1\n#if y\n2\n#end\n3\n#end\n4\n"
    assert fill(template, {"x": 1, "y": 0}) == "1\n3\n4\n"
    assert fill(template, {"x": 0, "y": 1}) == "4\n"


def test_comments_of_nginx_are_no_markers() -> None:
    assert fill("# if x\n  #if x\n#endless\n", {}) == "# if x\n  #if x\n#endless\n"


@pytest.mark.parametrize("template", ["#if x\n", "#end\n", "#if x\n#end\n#end\n"])
def test_unbalanced_markers_are_an_error(template: str) -> None:
    with pytest.raises(ValueError, match="#if"):
        fill(template, {"x": 1})


@pytest.mark.parametrize("template", ["%{missing}", "#if missing\n#end\n"])
def test_unknown_name_is_an_error(template: str) -> None:
    with pytest.raises(KeyError, match="missing"):
        fill(template, {})


def test_malformed_placeholder_is_an_error() -> None:
    with pytest.raises(ValueError, match="Invalid placeholder"):
        fill("%{not this}", {})
