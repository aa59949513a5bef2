import pytest

from split_deploy import tasks


@pytest.fixture
def limits(settings):
    """Set limits for this test: ``limits(TASK_THREADS=1)``. Its threads and processes end."""

    def set_to(**limits):
        settings.SPLIT_DEPLOY = {"ROLE": "async", **limits}

    tasks.retire(10)
    yield set_to
    tasks.retire(10)
