"""What several rounds come to, whether they can be believed, and how a cost grows."""

import pytest

from split_deploy.bench.compare import compare
from split_deploy.bench.growth import growth
from split_deploy.bench.noise import noise
from split_deploy.bench.statistics import ratio, summaries, summary


def test_a_summary_has_median_range_and_the_distance_of_the_quartiles():
    assert summary([8, 10, 9, 11, 50]) == {"median": 10, "spread": 0.2, "low": 8, "high": 50}
    assert summary([7.1234567]) == {"median": 7.1235, "spread": 0, "low": 7.1235, "high": 7.1235}


def test_only_figures_of_every_round_are_summed_up():
    assert list(summaries([{"a": 1, "b": 1}, {"a": 2}])) == ["a"]
    assert summaries([]) == {}


def test_a_ratio_is_that_of_the_rounds_that_both_have():
    these = {0: {"x": 10.0}, 1: {"x": 20.0}, 2: {"x": 60.0}}
    those = {0: {"x": 5.0}, 2: {"x": 20.0}, 3: {"x": 1.0}}
    assert ratio(these, those, "x") == {
        "figure": "x",
        "median": 2.5,
        "low": 2,
        "high": 3,
        "conclusive": True,
    }


@pytest.mark.parametrize(
    ("those", "conclusive"),
    [([5, 5], True), ([20, 20], True), ([9, 11], False), ([5], False)],
)
def test_a_ratio_is_conclusive_if_all_rounds_are_on_one_side_of_one(those, conclusive):
    found = ratio(
        {0: {"x": 10.0}, 1: {"x": 10.0}}, {n: {"x": float(v)} for n, v in enumerate(those)}, "x"
    )
    assert found is not None
    assert found["conclusive"] is conclusive


def test_what_answered_nothing_has_no_ratio():
    assert ratio({0: {"x": 1.0}}, {0: {"x": 0.0}}, "x") is None
    assert ratio({0: {"x": 1.0}}, {1: {"x": 1.0}}, "x") is None


def points(figure: str, costs: dict[int, float]) -> list[dict]:
    return [{"value": n, "figures": {figure: summary([cost])}} for n, cost in costs.items()]


@pytest.mark.parametrize(
    ("vary", "costs", "verdict"),
    [
        ("env:N", {0: 100, 10: 105, 30: 110}, "flat"),
        ("env:N", {0: 100, 10: 200, 30: 400}, "as the work"),
        ("env:N", {0: 100, 10: 200, 30: 1000}, "faster than the work"),
        ("connections", {1: 120, 64: 100, 512: 110}, "flat"),
        ("connections", {1: 100, 64: 120, 512: 200}, "faster than the work"),
        ("processes", {1: 100, 2: 101, 4: 99}, "flat"),
    ],
)
def test_growth_is_judged_by_what_the_work_is(vary, costs, verdict):
    found = growth(vary, points("cpu_us", costs))
    assert found is not None
    assert found["verdict"] == verdict


def test_what_varies_by_more_than_it_grows_has_no_verdict():
    first, last = summary([80, 100, 400]), summary([150, 300, 900])
    found = growth(
        "env:N",
        [{"value": 0, "figures": {"cpu_us": first}}, {"value": 9, "figures": {"cpu_us": last}}],
    )
    assert found is not None
    assert found["verdict"] == "no conclusion"


def test_growth_in_proportion_has_the_exponent_one():
    found = growth("env:N", points("cpu_us", {0: 100, 10: 200, 30: 400}))
    assert found is not None
    assert found["exponent"] == pytest.approx(1)


def test_the_memory_of_a_few_streams_says_nothing():
    costs = {1: 900_000, 10: 90_000, 1000: 20_000, 10_000: 19_000}
    found = growth("streams", points("bytes_per_stream", costs))
    assert found is not None
    assert found["verdict"] == "flat"
    assert growth("streams", points("bytes_per_stream", {1: 900, 10: 90})) is None


def own(ratio: float) -> dict:
    return {"workload": "page", "topology": "split", "ratio": ratio, "low": ratio, "high": ratio}


@pytest.mark.parametrize(
    ("steal", "ratio", "unsteady"), [(0, 1.02, False), (5, 1, True), (0, 0.8, True)]
)
def test_a_machine_is_unsteady_if_others_take_its_time_or_it_differs_from_itself(
    steal, ratio, unsteady
):
    found = noise(steal, [own(ratio)])
    assert found["unsteady"] is unsteady
    assert bool(found["messages"]) is unsteady


def report(low: float, high: float) -> dict:
    figure = {"median": (low + high) / 2, "spread": 0, "low": low, "high": high}
    result = {"topology": "split", "figures": {"requests_per_second": figure}}
    return {"workloads": [{"name": "page", "results": [result]}]}


def test_two_reports_agree_where_their_ranges_overlap():
    (found,) = compare(report(90, 110), report(105, 120))
    assert found.agree
    (found,) = compare(report(90, 110), report(111, 120))
    assert not found.agree
    assert str(found) == "page, split, requests_per_second: 100 and 115.5 (+16%)"


def test_what_only_one_report_has_is_not_compared():
    assert list(compare(report(1, 2), {"workloads": []})) == []
