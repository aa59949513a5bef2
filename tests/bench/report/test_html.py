import re
from html.parser import HTMLParser

import pytest

from split_deploy.bench.report.html import render


class _Text(HTMLParser):
    """The text of a page, a line for each element, and what its elements load."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.loads: list[str] = []
        self.tags: list[str] = []
        self._skipped = 0
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self._skipped += tag in {"style", "svg"}
        self.loads += [
            value
            for name, value in attributes
            if name in {"src", "href", "srcset", "xlink:href"} and not value.startswith("#")
        ]

    def handle_endtag(self, tag):
        self._skipped -= tag in {"style", "svg"}

    def handle_data(self, data):
        if not self._skipped and data.strip():
            self.lines.append(" ".join(data.split()))


def text(report) -> str:
    return " ".join(_Text(render(report)).lines)


@pytest.fixture
def report(small):
    return small


@pytest.fixture
def json_async(report):
    return report["workloads"][0]


def test_machine_versions_and_parameters_are_named(report):
    page = text(report)
    for expected in ("Made-up CPU, 4 cores", "8 GB", "Linux 6.1", "0, 1", "2, 3", "kept on their"):
        assert expected in page
    for name, version in report["versions"].items():
        assert f"{name} {version or 'none'}" in page
    assert "rounds 3" in page
    assert report["command"] in page


def test_nothing_is_asked_of_another_host(report):
    page = _Text(render(report))
    assert set(page.loads) == {"data:,"}
    assert not {"script", "iframe", "object", "img"} & set(page.tags)
    assert not re.findall(r"@import|url\((?!#)", render(report))
    assert "default-src 'none'" in render(report)


def test_an_unsteady_machine_is_said_before_anything_else(report):
    assert "was not steady" not in text(report)
    report["noise"] |= {"unsteady": True, "messages": ["Others took 9 % of the time."]}
    page = text(report)
    assert page.index("was not steady") < page.index("Others took 9 %") < page.index("At a glance")


@pytest.mark.parametrize(
    ("key", "expected"), [("interrupted", "Interrupted."), ("quick", "A quick run:")]
)
def test_a_run_that_is_not_whole_says_so(report, key, expected):
    assert expected not in text(report)
    assert expected in text(report | {key: True})


def test_load_on_the_cores_of_the_servers_is_said(report):
    assert "shared their cores" not in text(report)
    report["machine"]["pinned"] = False
    assert "shared their cores" in text(report)


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        ({"median": 5.2, "low": 4.9, "high": 5.5, "conclusive": True}, "▲ The split is better"),
        ({"median": 0.52, "low": 0.5, "high": 0.6, "conclusive": True}, "▼ The split is worse"),
        ({"median": 1.02, "low": 0.9, "high": 1.1, "conclusive": False}, "≈ No conclusion"),
    ],
)
def test_a_ratio_says_what_it_can(report, json_async, ratio, expected):
    other = {"topology": "asgi-uvicorn", "figure": "requests_per_second"}
    json_async["ratios"] = [other | ratio]
    page = text(report)
    median, low, high = ratio["median"], ratio["low"], ratio["high"]
    assert f"{expected} , requests/s: ASGI, Uvicorn {median} × ({low} to {high})" in page  # noqa: RUF001
    # And in the table of all.
    assert f"{expected[0]} {median} ×" in page  # noqa: RUF001


def test_of_latency_and_memory_less_is_better(report, json_async):
    found = {"topology": "asgi-uvicorn", "median": 0.2, "low": 0.1, "high": 0.3, "conclusive": True}
    json_async["ratios"] = [found | {"figure": "p99_ms"}, found | {"figure": "memory_bytes"}]
    page = text(report)
    assert "The split is better , p99: ASGI, Uvicorn 0.2" in page
    assert "The split is better , memory: ASGI, Uvicorn 0.2" in page


def test_figures_have_their_spread(report, json_async):
    json_async["results"][0]["figures"]["p99_ms"] |= {"median": 12.345, "spread": 0.0812}
    assert "12.3 8%" in text(report)


def test_errors_are_shown_and_their_absence_said(report, json_async):
    assert "No request failed." in text(report)
    json_async["results"][1]["figures"]["errors"] |= {"median": 17.0, "high": 20.0}
    page = render(report)
    assert "No request failed." not in page
    assert re.search(r'<td class="failed">17', page)


def test_a_topology_that_was_left_out_says_why(report):
    assert "not measured: granian is not installed" in text(report)


def test_what_the_report_has_is_text_and_no_html(report, json_async):
    evil = "<script>alert(1)</script>"
    report |= {"title": evil, "command": evil}
    json_async |= {"title": evil, "path": evil, "wsgi_path": evil}
    report["topologies"][0]["title"] = evil
    report["noise"]["messages"] = [evil]
    report["versions"]["wrk"] = evil
    assert "<script" not in render(report)


def test_how_cost_grows_is_told(report):
    growth = report["curves"][0]["results"][0]["growth"]
    growth |= {"exponent": 1.4, "verdict": "faster than the work"}
    assert "1.4 faster than the work" in text(report)


def test_what_was_mostly_nothing_shows_its_range_in_place_of_a_spread(report, json_async):
    figure = json_async["results"][0]["figures"]["requests_per_second"]
    figure |= {"median": 0, "spread": None, "low": 0, "high": 4321}
    assert "0 0 to 4,320" in text(report)


def test_a_round_that_could_not_be_measured_is_not_counted(report, json_async):
    rounds = json_async["results"][0]["rounds"]
    row = f"<td>{len(rounds)}</td></tr>"
    before = render(report).count(row)
    rounds[0] = None
    page = render(report)
    assert page.count(row) == before - 1
    assert f"<td>{len(rounds) - 1}</td></tr>" in page


def test_a_curve_without_growth_and_ratios_without_figures_are_shown(report, json_async):
    for result in report["curves"][0]["results"]:
        result["growth"] = None
    for ratio in json_async["ratios"]:
        ratio |= {"median": None, "low": None, "high": None, "conclusive": False}
    json_async["results"][0]["figures"] = dict.fromkeys(json_async["results"][0]["figures"])
    assert report["curves"][0]["title"] in text(report)


def test_a_run_in_which_nothing_was_measured_has_a_page(nothing):
    page = text(nothing)
    assert "Interrupted." in page
    assert "Workloads" not in page
