"""The code in docs/runtime-guards.md, run."""

import asyncio
import re
from pathlib import Path

import pytest
from django.http import HttpResponse

from split_deploy import hops, watchdog
from split_deploy.conf import get_config

PAGE = Path(__file__).parents[2] / "docs" / "runtime-guards.md"
FENCE = re.compile(r'^```python title="([^"]+)"\n(.*?)^```', re.MULTILINE | re.DOTALL)
CODE = dict(FENCE.findall(PAGE.read_text()))


def run(title):
    names = {"__name__": title.removesuffix(".py").replace("/", ".")}
    exec(compile(CODE[title], title, "exec"), names)
    return names


def test_no_code_is_left_out():
    assert set(CODE) == {"app/middleware.py", "app/metrics.py", "settings.py"}


@pytest.mark.asyncio
async def test_the_middleware_adds_up_the_hops_of_a_url_pattern():
    names = run("app/middleware.py")

    async def view(request):
        await asyncio.to_thread(int)
        return HttpResponse()

    middleware = names["ThreadHopMetrics"](view)
    async with hops.running():
        await middleware(None)
        assert not names["thread_hops"]  # outside a request
        with hops.counted_into(hops.Hops()):
            await middleware(None)
    assert names["thread_hops"] == {"(no URL pattern)": 1}


@pytest.mark.asyncio
async def test_the_lag_is_in_prometheus_text_format(settings):
    settings.SPLIT_DEPLOY = {"ROLE": "async", "LOOP_BLOCK_WARNING": 0.05}
    event_loop_lag = run("app/metrics.py")["event_loop_lag"]
    assert event_loop_lag() == ""
    async with watchdog.running():
        await asyncio.sleep(0.1)
        lines = event_loop_lag().splitlines()

    assert lines[0] == "# TYPE event_loop_lag_seconds histogram"
    count = int(lines[-1].split()[1])
    assert count > 0
    assert f'event_loop_lag_seconds_bucket{{le="+Inf"}} {count}' in lines
    assert len(lines) == len(watchdog.BUCKETS) + 4


def test_the_setting_is_valid(settings):
    settings.SPLIT_DEPLOY = run("settings.py")["SPLIT_DEPLOY"]
    assert get_config().blocking_allowed == (("app/async_views.py", "burn_some_meats"),)
