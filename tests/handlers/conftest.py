import asyncio
import gc

import pytest
import pytest_asyncio
from django.core.signals import request_finished

from split_deploy import pool


@pytest.fixture(autouse=True)
def async_role(settings):
    settings.SPLIT_DEPLOY = {"ROLE": "async"}
    settings.MIDDLEWARE = []
    # A test of the sync instance that ran before has connected it, for as long as the process runs.
    request_finished.disconnect(dispatch_uid="split_deploy.request_id")
    yield
    pool.retire(5)


@pytest_asyncio.fixture(autouse=True)
async def no_task_is_left():
    yield
    await asyncio.sleep(0)
    gc.collect()
    await asyncio.sleep(0)
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert left == []
