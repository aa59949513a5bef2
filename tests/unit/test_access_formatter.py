import logging
import random

import pytest

from split_deploy.logging import AccessFormatter

STOCK = logging.Formatter("{asctime} {message}", style="{")


def record(created, message="GET %s", *args):
    made = logging.LogRecord("split_deploy.access", logging.INFO, "", 0, message, args, None)
    made.created, made.msecs = created, (created % 1) * 1000
    return made


def test_a_line_is_what_logging_s_own_formatter_makes_of_it():
    ours = AccessFormatter()
    # From second to second, and back, as records of several threads may come.
    times = [1_789_000_000 + number / 7 for number in range(50)]
    random.Random(1).shuffle(times)
    for created in times:
        assert ours.format(record(created, "GET %s", "/")) == STOCK.format(
            record(created, "GET %s", "/")
        )


@pytest.mark.parametrize("fraction", [0.0, 0.0004, 0.9994, 0.9999999])
def test_its_milliseconds_are_those_of_logging(fraction):
    made = record(1_789_000_000 + fraction)
    assert AccessFormatter().formatTime(made) == STOCK.formatTime(made)


def test_a_real_record_is_written_alike():
    made = logging.makeLogRecord({"msg": "status=%d", "args": (200,)})
    assert AccessFormatter().format(made) == STOCK.format(made)
