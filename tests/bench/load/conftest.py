import os

import pytest

from tests.bench.load.server import Server

CORES = sorted(os.sched_getaffinity(0))[-1:]


@pytest.fixture
def server():
    with Server() as server:
        yield server


@pytest.fixture
def cores():
    """The one core that a load tool may have."""
    return CORES
