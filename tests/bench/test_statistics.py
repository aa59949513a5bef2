"""What several rounds come to, whether they can be believed, and how a cost grows."""

import math
import random

import pytest

from split_deploy.bench.compare import compare, unlike
from split_deploy.bench.growth import growth
from split_deploy.bench.noise import noise
from split_deploy.bench.statistics import interval, ratio, summaries, summary


def test_a_summary_has_median_range_and_the_distance_of_the_quartiles():
    assert summary([8, 10, 9, 11, 50]) == {"median": 10, "spread": 0.2, "low": 8, "high": 50}
    assert summary([7.1234567]) == {"median": 7.1235, "spread": 0, "low": 7.1235, "high": 7.1235}
    assert summary([0, 0, 0])["spread"] == 0
    # Of no median it is no part.
    assert summary([0, 0, 5])["spread"] is None


def test_only_figures_of_every_round_are_summed_up():
    assert list(summaries([{"a": 1, "b": 1}, {"a": 2}])) == ["a"]
    assert summaries([]) == {}


def test_an_interval_is_students_on_logarithms():
    # Three logs of -0.1, 0 and 0.1: 4.303 * 0.1 / sqrt(3) on each side of 0.
    low, high = interval([math.exp(-0.1), 1, math.exp(0.1)])
    assert (math.log(low), math.log(high)) == pytest.approx((-0.24843, 0.24843), abs=1e-5)
    assert interval([3]) == (3, 3)
    # To the last bit, so that what is always the same agrees with itself.
    assert interval([7] * 3) == interval([7] * 5) == (7, 7)
    assert interval([0, 2, 1]) == (0, 2)


def test_of_many_runs_of_the_same_nearly_all_intervals_hold_the_truth():
    chance = random.Random(1)
    runs = [[chance.lognormvariate(0, 0.2) for _ in range(3)] for _ in range(2000)]
    held = sum(low <= 1 <= high for low, high in map(interval, runs))
    assert 0.93 < held / len(runs) < 0.97


def test_a_ratio_is_that_of_the_rounds_that_both_have():
    these = {0: {"x": 10.0}, 1: {"x": 20.0}, 2: {"x": 60.0}}
    those = {0: {"x": 5.0}, 2: {"x": 20.0}, 3: {"x": 1.0}}
    found = ratio(these, those, "x")
    assert found is not None
    assert (found["figure"], found["median"]) == ("x", 2.5)
    low, high = interval([2, 3])
    assert (found["low"], found["high"]) == pytest.approx((low, high), rel=1e-4)


@pytest.mark.parametrize(
    ("those", "conclusive"),
    [([5, 5.1, 5], True), ([20, 21, 20], True), ([9, 8, 4], False), ([9, 11], False), ([5], False)],
)
def test_a_ratio_is_conclusive_if_one_is_not_in_its_interval(those, conclusive):
    these = {number: {"x": 10.0} for number in range(len(those))}
    found = ratio(these, {n: {"x": float(value)} for n, value in enumerate(those)}, "x")
    assert found is not None
    assert found["conclusive"] is conclusive


def test_a_ratio_that_the_machine_has_to_itself_is_not_conclusive():
    these, those = ({n: {"x": value} for n in range(3)} for value in (10.0, 9.0))
    assert ratio(these, those, "x", noise=0.05)["conclusive"]
    assert not ratio(these, those, "x", noise=0.15)["conclusive"]
    assert ratio(those, these, "x", noise=0.05)["conclusive"]
    assert not ratio(those, these, "x", noise=0.15)["conclusive"]


def test_a_split_that_answered_nothing_in_a_round_counts_as_if_it_had_answered_once():
    these = {
        0: {"requests_per_second": 0.0, "max_ms": 2000.0},
        1: {"requests_per_second": 8.0, "max_ms": 900.0},
        2: {"requests_per_second": 0.0, "max_ms": 2000.0},
    }
    those = {number: {"requests_per_second": 100.0, "max_ms": 10.0} for number in range(3)}
    found = ratio(these, those, "requests_per_second")
    assert found is not None
    assert found["median"] == 0.005
    assert 0 < found["low"] < 0.005 < found["high"] < 1


def test_what_answered_nothing_has_no_ratio():
    assert ratio({0: {"x": 1.0}}, {0: {"x": 0.0}}, "x") is None
    assert ratio({0: {"x": 1.0}}, {1: {"x": 1.0}}, "x") is None


def test_a_rival_that_answered_nothing_in_a_round_counts_as_if_it_had_answered_once():
    these = {number: {"requests_per_second": 100.0, "max_ms": 10.0} for number in range(3)}
    those = {
        0: {"requests_per_second": 10.0, "max_ms": 90.0},
        1: {"requests_per_second": 0.0, "max_ms": 2000.0},
        2: {"requests_per_second": 0.0, "max_ms": 2000.0},
    }
    found = ratio(these, those, "requests_per_second")
    assert found is not None
    assert found["median"] == 200


def points(figure: str, costs: dict[int, float]) -> list[dict]:
    return [{"value": n, "figures": {figure: summary([cost])}} for n, cost in costs.items()]


@pytest.mark.parametrize(
    ("vary", "costs", "verdict"),
    [
        ("env:N", {0: 100, 10: 105, 30: 110}, "flat"),
        ("env:N", {0: 100, 10: 200, 30: 400}, "as the work"),
        ("env:N", {0: 100, 10: 200, 30: 1000}, "faster than the work"),
        ("env:N", {0: 100, 10: 100, 100: 100, 1000: 110, 5000: 2000}, "faster than the work"),
        ("env:N", {0: 100, 10: 110, 30: 190}, "faster than the work"),
        ("env:N", {0: 100, 10: 115, 30: 140}, "as the work"),
        ("env:N", {0: 382, 10: 408, 100: 423, 1000: 897, 5000: 3320}, "as the work"),
        ("connections", {1: 120, 64: 100, 512: 110}, "flat"),
        ("connections", {1: 100, 64: 120, 512: 200}, "faster than the work"),
        ("connections", {1: 100, 64: 400, 512: 110}, "a step, then flat"),
        ("connections", {1: 100, 8: 110, 64: 400, 512: 110}, "faster than the work"),
        ("connections", {1: 100, 8: 115, 64: 130, 512: 143}, "faster than the work"),
        ("processes", {1: 156, 2: 212, 3: 198, 4: 196}, "a step, then flat"),
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
    # What the first few cost is noise, of which nothing follows.
    found = growth("env:N", points("cpu_us", {0: 100, 10: 101, 30: 140}))
    assert found is not None
    assert (found["verdict"], found["exponent"] < 1) == ("as the work", True)


def test_a_cost_of_nothing_has_no_power():
    costs = {100: 0, 1000: 20_000, 10_000: 20_000}
    found = growth("streams", points("bytes_per_stream", costs))
    assert found is not None
    assert (found["verdict"], found["exponent"]) == ("a step, then flat", 0)


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


def report(*values: float) -> dict:
    rounds = [{"requests_per_second": value} for value in values]
    result = {"topology": "split", "rounds": rounds}
    return {"workloads": [{"name": "page", "results": [result]}]}


def test_two_reports_agree_where_their_intervals_overlap():
    # Their ranges don't.
    (found,) = compare(report(95, 100, 105), report(106, 110, 115))
    assert found.agree
    (found,) = compare(report(99, 100, 101), report(115, 116, 117))
    assert not found.agree
    assert str(found) == (
        "page, split, requests_per_second: 100 (97.5 to 103) and 116 (114 to 119), +16%"
    )


def test_reports_of_different_things_say_what_differs():
    first, second = report(1, 2), report(1, 2)
    assert unlike(first, second) == []
    first |= {"machine": {"cores": 2}, "parameters": {"connections": 64}, "quick": False}
    second |= {"machine": {"cores": 8}, "parameters": {"connections": 64}, "quick": True}
    second["workloads"][0]["beside"] = {"path": "/burn/"}
    assert unlike(first, second) == [
        "machine.cores is 2 and 8",
        "quick is False and True",
        "page.beside is None and {'path': '/burn/'}",
    ]


def test_a_round_that_is_missing_is_not_compared():
    first = report(1, 2)
    first["workloads"][0]["results"][0]["rounds"].insert(0, None)
    (found,) = compare(first, report(1, 2))
    assert found.first == (1, 2)


def test_what_servers_keep_is_compared_only_if_they_have_served_the_same():
    def holding(**figures: float) -> dict:
        found = report()
        found["workloads"][0]["results"][0]["rounds"] = [figures, figures]
        return found

    first, second = holding(memory_bytes=1, cpu_us=1), holding(memory_bytes=2, cpu_us=1)
    assert [each.figure for each in compare(first, second)] == ["cpu_us", "memory_bytes"]
    second["workloads"].append({"name": "other", "results": [{"topology": "split"}]})
    assert [each.figure for each in compare(first, second)] == ["cpu_us"]
    # Streams have servers of their own.
    first = holding(memory_bytes=1, bytes_per_stream=1)
    assert [each.figure for each in compare(first, second)] == ["memory_bytes"]


def test_what_only_one_report_has_is_not_compared():
    assert list(compare(report(1, 2), {"workloads": []})) == []
