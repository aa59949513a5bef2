"""report.json is what schema.json says, and schema.json says all of it."""

import json
from copy import deepcopy
from importlib.resources import files

import jsonschema
import pytest

from split_deploy.bench.report.words import PRIMARY, WORDS
from split_deploy.bench.report.write import SCHEMA, write

_SCHEMA = json.loads(files("split_deploy.bench.report").joinpath("schema.json").read_text())
_VALIDATOR = jsonschema.Draft202012Validator(_SCHEMA)


def complaints(report) -> list[str]:
    return [f"{each.json_path}: {each.message}" for each in _VALIDATOR.iter_errors(report)]


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(_SCHEMA)
    assert _SCHEMA["properties"]["schema"]["const"] == SCHEMA


def test_the_made_up_report_is_valid(report):
    assert complaints(report) == []


def test_what_is_written_is_valid(report, tmp_path):
    report["workloads"][0]["results"][0]["figures"]["p99_ms"] = None
    report["noise"]["steal_percent"] = float("nan")
    write(report, tmp_path)
    assert complaints(json.loads((tmp_path / "report.json").read_text())) == []


def test_a_report_of_nothing_is_valid(nothing):
    assert complaints(nothing) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), 3),
        (("machine", "cores"), 0),
        (("started",), None),
        (("topologies", 0, "group"), "sync"),
        (("workloads", 0, "results", 0, "figures", "p50_ms"), 1.5),
        (("workloads", 0, "ratios", 0, "conclusive"), "yes"),
        (("workloads", 0, "name"), "With a space"),
        (("curves", 0, "results", 0, "growth", "verdict"), "fine"),
        (("noise", "surprise"), 1),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_what_is_wrong_is_found(report, path, value):
    *parents, key = path
    inner = report
    for parent in parents:
        inner = inner[parent]
    inner[key] = value
    assert complaints(report)


def test_each_key_that_is_required_is_missed(report):
    for key in _SCHEMA["required"]:
        other = deepcopy(report)
        del other[key]
        assert complaints(other), key


def test_each_key_is_described():
    def undescribed(schema, path):
        for name, inner in schema.get("properties", {}).items():
            if "description" not in inner and "$ref" not in inner:
                yield f"{path}.{name}"
            for kind in (inner, inner.get("items", {}), *inner.get("oneOf", ())):
                yield from undescribed(kind, f"{path}.{name}")

    found = list(undescribed(_SCHEMA, ""))
    for name, definition in _SCHEMA["$defs"].items():
        found += undescribed(definition, name)
    assert found == []


def test_each_figure_that_has_a_column_is_described():
    described = _SCHEMA["$defs"]["figures"]["properties"]
    assert described.keys() == WORDS.keys()
    assert set(PRIMARY) < WORDS.keys()
