import pytest

from split_deploy.bench.report.words import (
    duration,
    in_order,
    measured,
    number,
    primary,
    said,
    times,
    word,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),  # noqa: RUF001
        (0, "0"),
        (0.98765, "0.988"),
        (5.0, "5"),
        (99.96, "100"),
        (999.4, "999"),
        (999.6, "1,000"),
        (1234.5, "1,230"),
        (12_345.0, "12,300"),
        (1_234_567, "1,230,000"),
        (-1234.5, "-1,230"),
    ],
)
def test_a_number_has_three_figures(value, text):
    assert number(value) == text


def test_bytes_are_shown_in_the_unit_of_their_column():
    assert measured("memory_bytes", 5 * 1024**2) == "5"
    assert word("memory_bytes").title == "memory, MB"
    assert said("bytes_per_stream", 20 * 1024) == "memory a stream 20 KB"
    assert said("errors", None) == "errors –"  # noqa: RUF001


def test_a_figure_that_is_not_known_has_its_name():
    assert word("new_figure_ms").title == "new figure ms"
    assert in_order({"new_figure_ms", "p99_ms", "requests_per_second"}) == [
        "requests_per_second",
        "p99_ms",
        "new_figure_ms",
    ]


def test_requests_decide_and_of_streams_the_ticks():
    assert primary({"p99_ms", "requests_per_second"}) == "requests_per_second"
    assert primary({"bytes_per_stream", "tick_p99_ms"}) == "tick_p99_ms"
    assert primary({"errors"}) is None


def test_a_ratio_does_not_break_at_its_sign():
    assert times(5.25) == "5.25\N{NO-BREAK SPACE}\N{MULTIPLICATION SIGN}"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (89.4, "89 s"), (420, "7 min"), (5340, "89 min"), (6000, "1 h 40 min")],
)
def test_a_time_is_said_as_people_say_it(seconds, text):
    assert duration(seconds) == text
