import re
from copy import deepcopy
from xml.etree import ElementTree

import matplotlib as mpl
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from split_deploy.bench.report import charts
from split_deploy.bench.report.charts import COLORS, DARK, LIGHT, draw, inline, panels
from split_deploy.bench.topologies import TOPOLOGIES

_SVG = "{http://www.w3.org/2000/svg}"
_KINDS = ("throughput", "beside", "latency", "over-time-page-beside-64", "stream-memory", "ticks")


def words(svg: str) -> str:
    """All text of an SVG."""
    return "\n".join(
        "".join(each.itertext()) for each in ElementTree.fromstring(svg).iter(f"{_SVG}text")
    )


@pytest.fixture(scope="module")
def drawn(made_up) -> dict[str, str]:
    return draw(made_up)


@pytest.fixture(scope="module")
def svgs(made_up) -> list[str]:
    return [inline(panel) for panel in panels(made_up)]


def test_each_chart_is_there_for_a_light_page_and_a_dark_one(drawn):
    expected = {
        f"{kind}-{scheme}.svg" for kind in (*_KINDS, "growth") for scheme in ("light", "dark")
    }
    assert drawn.keys() == expected


def test_the_name_of_each_topology_has_room():
    rows = [
        charts.Topology(order, each.title, each.group)
        for order, each in enumerate(TOPOLOGIES.values())
    ]
    with mpl.rc_context(charts._STYLE):
        figure = Figure()
        axes = figure.add_subplot()
        charts._name(axes, rows)
        renderer = FigureCanvasAgg(figure).get_renderer()
        tick = axes.yaxis.get_major_ticks()[0].get_pad() / 72
        for label in axes.get_yticklabels():
            inches = label.get_window_extent(renderer).width / figure.dpi
            assert inches + tick < charts._NAMES, label.get_text()


def test_text_stays_text(drawn):
    text = words(drawn["throughput-light.svg"])
    for expected in (
        "Requests a second",
        "JSON, async view",
        "ASGI, uvicorn_worker",
        "Made-up CPU",
    ):
        assert expected in text


def test_equal_reports_give_equal_charts(small):
    assert draw(small) == draw(deepcopy(small))


def test_nothing_is_loaded_or_dated(drawn):
    for name, svg in drawn.items():
        urls = set(re.findall(r"https?://[^\"'\s)]+", svg))
        assert urls <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}, name
        assert "<metadata" not in svg
        assert "<script" not in svg


def test_light_and_dark_differ_in_their_colors_alone(drawn):
    for name in drawn:
        light, dark = drawn[name.replace("dark", "light")], drawn[name.replace("light", "dark")]
        assert re.sub("#[0-9a-f]{6}", "", light) == re.sub("#[0-9a-f]{6}", "", dark)
        used = set(re.findall("#[0-9a-f]{6}", light))
        assert used <= set(LIGHT.values()), name
        assert set(re.findall("#[0-9a-f]{6}", dark)) == {
            DARK[key] for key, color in LIGHT.items() if color in used
        }


def test_no_color_means_two_things():
    for index in (0, 1):
        assert len({pair[index] for pair in COLORS.values()}) == len(COLORS)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["split", "native", "asgi", "wsgi", "text", "faint"])
def test_what_is_written_stands_out_from_the_page(scheme, name):
    # As WCAG has it: 3 for what is drawn, 4.5 for text.
    least = 3 if name in {"split", "native", "asgi", "wsgi"} else 4.5
    first, second = (luminance(COLORS[each][scheme]) for each in (name, "page"))
    assert (max(first, second) + 0.05) / (min(first, second) + 0.05) >= least


def luminance(color: str) -> float:
    parts = [int(color[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return sum(part * weight for part, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))


def test_a_panel_in_a_page_takes_the_colors_of_the_page(svgs):
    for svg in svgs:
        assert "var(--text)" in svg or "var(--faint)" in svg
        assert not re.search("#[0-9a-f]{6}", svg)


def test_panels_can_stand_in_one_page(svgs):
    ids = [name for svg in svgs for name in re.findall(r'\bid="([^"]+)"', svg)]
    assert len(ids) == len(set(ids))
    for svg in svgs:
        own = set(re.findall(r'\bid="([^"]+)"', svg))
        assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg)) <= own


def test_a_chart_says_in_words_what_can_be_seen(drawn):
    label = ElementTree.fromstring(drawn["stream-memory-light.svg"]).get("aria-label")
    assert label.startswith("Memory of an event stream in KB. 1,000 event streams")
    assert re.search(r"Split [\d.]+, Mixed, native [\d.]+", label)


def test_titles_are_taken_as_they_are(small):
    small["workloads"][0]["title"] = 'A <b> & "$x_1$" of #123456'
    for svg in (draw(small)["throughput-dark.svg"], inline(panels(small)[0])):
        assert (
            ElementTree.fromstring(svg).get("aria-label").count('A <b> & "$x_1$" of #123456') == 1
        )
    assert "$x_1$" in words(svg) + words(draw(small)["throughput-light.svg"])


def test_a_long_title_takes_several_lines(report):
    # As many as stand side by side.
    del report["workloads"][3:]
    report["workloads"][0]["title"] = "A title of a workload that is much longer than its panel"
    lines = words(draw(report)["throughput-light.svg"]).splitlines()
    # The longest one that fits, whatever that is.
    first, *_ = [line for line in lines if line.startswith("A title of a workload")]
    assert len(first) < 30


def test_what_was_not_measured_keeps_its_place(report):
    for workload in report["workloads"]:
        workload["results"] = [r for r in workload["results"] if r["topology"] != "mixed"]
    one, *_ = report["workloads"]
    one["results"][0]["figures"]["requests_per_second"] = None
    text = words(draw(report)["throughput-light.svg"])
    assert "–" in text  # noqa: RUF001
    assert "Mixed, native" not in text


def test_rows_are_in_the_order_of_the_topologies(report):
    # The first workload lacks the first topology.
    report["workloads"][0]["results"] = report["workloads"][0]["results"][1:]
    lines = words(draw(report)["throughput-light.svg"]).splitlines()
    assert lines.index("Split") < lines.index("Mixed, native")


@pytest.mark.parametrize("value", [0.0, 5.0])
def test_any_figures_can_be_drawn(report, value):
    for workload in report["workloads"]:
        for result in workload["results"]:
            for found in result["figures"].values():
                found and found.update(median=value, low=value, high=value)
            for row in result.get("timeline") or ():
                row[1:] = [value, value, 1]
    for curve in report["curves"]:
        for result in curve["results"]:
            for point in result["points"]:
                for found in point["figures"].values():
                    found.update(median=value, low=value, high=value)
    for svg in draw(report).values():
        ElementTree.fromstring(svg)


def test_a_curve_of_one_point_is_left_out(report):
    for result in report["curves"][0]["results"]:
        del result["points"][1:]
    assert report["curves"][0]["title"] not in words(draw(report)["growth-light.svg"])


def test_only_what_was_measured_beside_a_flood_is_shown_over_time(report):
    flooded = next(each for each in report["workloads"] if each["name"] == "page-beside-64")
    name = "over-time-page-beside-64-light.svg"
    assert "flood" in words(draw(report)[name]).splitlines()
    del flooded["flood_seconds"]
    assert "flood" not in words(draw(report)[name]).splitlines()
    flooded["beside"] = None
    assert name not in draw(report)


def test_nothing_measured_is_nothing_drawn(nothing):
    assert draw(nothing) == {}
