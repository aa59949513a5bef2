"""Who runs on which cores, and in which order things are measured."""

import os
import threading

import pytest

from split_deploy.bench.load.figures import LoadError
from split_deploy.bench.load.process import on
from split_deploy.bench.run import _in_turn
from split_deploy.bench.servers import Cores


@pytest.mark.parametrize(
    ("cores", "servers", "load", "roomy"),
    [
        ({0, 1}, (0,), (1,), (0, 1)),
        ({2, 5, 7}, (2,), (5, 7), (2, 5, 7)),
        ({0, 1, 2, 3}, (0, 1), (2, 3), (0, 1)),
        ({0, 1, 2, 3, 4}, (0, 1), (2, 3, 4), (0, 1)),
    ],
)
def test_the_servers_have_one_half_of_the_cores(monkeypatch, cores, servers, load, roomy):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: cores)
    assert Cores.found() == Cores(servers, load, roomy, is_pinned=True)
    every = tuple(sorted(cores))
    assert Cores.found(pin=False) == Cores(every, every, every, is_pinned=False)


def test_on_a_single_core_nothing_is_kept_apart(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {3})
    assert Cores.found() == Cores((3,), (3,), (3,), is_pinned=False)


def test_a_thread_and_what_it_starts_is_kept_on_cores_for_a_while():
    before = os.sched_getaffinity(0)
    core = max(before)
    seen = []
    with on([core]):
        seen.append(os.sched_getaffinity(0))
        thread = threading.Thread(target=lambda: seen.append(os.sched_getaffinity(0)))
        thread.start()
        thread.join()
    assert seen == [{core}, {core}]
    assert os.sched_getaffinity(0) == before
    with on([]):
        assert os.sched_getaffinity(0) == before


def test_cores_that_are_not_there_are_named():
    with pytest.raises(LoadError, match=r"may not run on the cores \[9999\]"), on([9999]):
        pass


def test_no_topology_is_always_the_first_or_always_after_the_same_one():
    names = list("abcdefghi")
    orders = [_in_turn(names, number) for number in range(6)]
    assert all(sorted(order) == names for order in orders)
    assert len({order[0] for order in orders}) == 6
    before_c = {order[order.index("c") - 1] for order in orders if order[0] != "c"}
    assert len(before_c) > 1
    assert _in_turn([], 3) == []
