"""The figures of the documentation are those that the benchmarks have printed."""

import json
import re
from copy import deepcopy
from pathlib import Path

import pytest

from benchmarks import _bars, write_tables
from split_deploy.bench.statistics import ratio, summaries

MADE_UP = Path(__file__).resolve().parents[1] / "bench" / "report" / "made_up.json"


def rounds(name: str, **of: list[float | None]) -> dict:
    """A workload with its requests a second, by topology and round."""
    topologies = {each.replace("_", "-"): values for each, values in of.items()}
    found = {
        each: [v if v is None else {"requests_per_second": v, "open_p99_ms": 1000 / v} for v in of_]
        for each, of_ in topologies.items()
    }
    numbered = {
        each: {number: figures for number, figures in enumerate(of_) if figures}
        for each, of_ in found.items()
    }
    return {
        "name": name,
        "title": name,
        "results": [
            {
                "topology": each,
                "rounds": of_,
                "figures": summaries([figures for figures in of_ if figures]),
            }
            for each, of_ in found.items()
        ],
        "ratios": [
            {"topology": each, **compared}
            for each in topologies
            if each != "split"
            for figure in ("requests_per_second", "open_p99_ms")
            if (compared := ratio(numbered.get("split", {}), numbered[each], figure))
        ],
    }


def report(*workloads: dict) -> dict:
    groups = {
        "split": "split",
        "split-granian": "split",
        "asgi-uvicorn": "asgi",
        "asgi-granian": "asgi",
        "wsgi-sync": "wsgi",
    }
    topologies = [{"name": n, "title": n.upper(), "group": group} for n, group in groups.items()]
    return {"topologies": topologies, "workloads": list(workloads)}


def test_a_bar_is_held_against_the_best_rival_in_the_same_rounds():
    # In the first round the best one could not be measured, and the split was twice as fast.
    json_ = rounds("json", split=[100, 50, 50], asgi_uvicorn=[9, 9, 9], asgi_granian=[None, 10, 10])
    (bar,) = _bars.measured(report(json_))
    assert bar == ("sync page, against ASGI-GRANIAN", "at least 5 times", "5 times (5 to 5)")


def test_a_bar_is_held_against_each_rival_under_wsgi_and_against_itself():
    alone = rounds("alone-read", split=[100, 100])
    beside = rounds(
        "read-beside-outbound-64", split=[50, None], asgi_uvicorn=[10, 10], wsgi_sync=[1, 1]
    )
    page = "sync ORM page beside 64 outbound calls"
    assert [(what, measured) for what, _, measured in _bars.measured(report(alone, beside))] == [
        (f"{page}, against ASGI-UVICORN", "5 times (5 to 5)"),
        (f"{page}, against WSGI-SYNC", "50 times (50 to 50)"),
        (f"p99 of the {page}, against ASGI-UVICORN", "0.2 times (0.2 to 0.2)"),
        (f"p99 of the {page}, against WSGI-SYNC", "0.02 times (0.02 to 0.02)"),
        (f"p99 of the {page}, against its own alone", "2 times (2 to 2)"),
    ]


def test_of_two_reports_a_bar_has_each_and_the_rounds_of_both():
    # Rounds are compared with those of the same report, and the best rival is that of both.
    first = rounds("json", split=[50, 60], asgi_uvicorn=[10, 10], asgi_granian=[9, 9])
    second = rounds("json", split=[80], asgi_uvicorn=[10], asgi_granian=[20])
    (bar,) = _bars.measured(report(first), report(second))
    what, _, *shown = bar
    assert what == "sync page, against ASGI-UVICORN"
    assert [each.split(" times")[0] for each in shown] == ["5.5", "8", "6"]
    # One that has not measured it has nothing to say.
    (bar,) = _bars.measured(report(first), report())
    assert bar[2:] == ("5.5 times (1.7 to 17)", "", "5.5 times (1.7 to 17)")


def test_granian_is_held_against_granian_too():
    json_ = rounds("json", split=[60], split_granian=[90], asgi_granian=[10])
    bars = [bar[::2] for bar in _bars.measured(report(json_))]
    assert bars == [
        ("sync page, against ASGI-GRANIAN", "6 times (6 to 6)"),
        ("sync page with SYNC_SERVER=granian, against ASGI-GRANIAN", "9 times (9 to 9)"),
    ]


def test_a_split_that_answered_nothing_is_said():
    json_ = rounds("json", split=[1], asgi_uvicorn=[9])
    json_["results"][0]["rounds"][0]["requests_per_second"] = 0
    (bar,) = _bars.measured(report(json_))
    assert bar == ("sync page, against ASGI-UVICORN", "at least 5 times", "nothing was answered")


@pytest.fixture
def page(tmp_path, monkeypatch):
    """A page of the documentation, which is the only one; and where reports are."""
    path = tmp_path / "page.md"
    monkeypatch.setattr(write_tables, "PAGES", [path])
    return path


def test_a_table_is_replaced_and_what_stands_around_it_stays(page, tmp_path):
    machine = {"python": "3.13.0", "django": "6.1.3", "cores": 2, "cpu": "a processor"}
    series = {"one group": {"p50_ms": 1, "p99_ms": 2.345, "max_ms": 3210}}
    (tmp_path / "scheduling_groups.json").write_text(
        "progress\n" + json.dumps({"machine": machine, "series": series})
    )
    page.write_text(
        "Before.\n\n<!-- scheduling_groups: medians -->\n| old |\n| --- |\n\n"
        "Python 3.11.0, Django 5.2, 1 core of nothing.\n\nAfter.\n\n"
        "<!-- report_bars: the split -->\n| kept |\n"
    )
    write_tables.main(tmp_path)
    assert page.read_text() == (
        "Before.\n\n<!-- scheduling_groups: medians -->\n"
        "| late by, ms | p50 | p99 | most |\n| --- | --- | --- | --- |\n"
        "| one group | 1 | 2.35 | 3,210 |\n\n"
        "Python 3.13.0, Django 6.1.3, 2 cores of a processor.\n\nAfter.\n\n"
        "<!-- report_bars: the split -->\n| kept |\n"
    )


def test_every_table_of_a_report_can_be_written(page, tmp_path):
    names = [name for name in write_tables.TABLES if name.startswith("report")]
    markers = [f"<!-- {name}: x -->\n| old |\n" for name in [*names, *write_tables.ABOUT]]
    page.write_text("\n".join(markers))
    found = json.loads(MADE_UP.read_text())
    (tmp_path / "report.json").write_text(json.dumps(found))
    again = deepcopy(found)
    for figures in again["workloads"][0]["results"][0]["rounds"]:
        figures["requests_per_second"] *= 100
    (tmp_path / "report_bars.json").write_text(json.dumps(found))
    (tmp_path / "report_bars_again.json").write_text(json.dumps(again))
    (tmp_path / "report_bars_json.json").write_text(json.dumps(found))

    write_tables.main(tmp_path)

    written = page.read_text()
    assert "| old |" not in written
    assert "The split as a multiple of itself: " in written
    assert re.search(r"\d+ of \d+ figures agree .* differ by at most \d+%\.\n", written)
    assert re.search(r"\| what differs .*\n.*---.*\n\| .* \| `requests_per_second` \| ", written)


def test_each_marker_of_the_documentation_is_known():
    for path in write_tables.PAGES:
        for match in write_tables._TABLE.finditer(path.read_text()):
            assert match["name"] in write_tables.TABLES | write_tables.ABOUT, path.name
