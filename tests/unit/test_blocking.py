import asyncio
import logging
import sys
import time
import traceback
from pathlib import Path

import pytest
from blockbuster import BlockingError
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.template import engines
from django.test import RequestFactory

from app import async_views
from split_deploy import blocking
from split_deploy.conf import get_config

pytestmark = pytest.mark.asyncio

BURN = ("app/async_views.py", "burn_some_meats")


@pytest.fixture(autouse=True)
def async_role(settings):
    settings.ROOT_URLCONF = "async_urls"
    settings.SPLIT_DEPLOY = settings.SPLIT_DEPLOY | {"ROLE": "async", "BLOCKING_ALLOWED": []}


def burn():
    return async_views.burn_some_meats(RequestFactory().get("/async/burn_some_meats/"))


async def test_a_blocking_call_of_the_project_raises_at_its_line():
    with blocking.guard(), pytest.raises(BlockingError, match=r"time\.sleep") as raised:
        await burn()

    frames = [frame for frame in traceback.extract_tb(raised.tb) if frame.name == "burn_some_meats"]
    assert "time.sleep(" in frames[0].line


async def test_what_the_settings_allow_may_block(settings):
    settings.SPLIT_DEPLOY = settings.SPLIT_DEPLOY | {"BLOCKING_ALLOWED": [BURN]}
    with blocking.guard():
        assert (await burn()).status_code == 200


async def test_what_the_caller_allows_may_block():
    with blocking.guard(allowed=[BURN]):
        assert (await burn()).status_code == 200


async def test_the_example_s_settings_allow_its_anti_pattern():
    from settings.components.split import SPLIT_DEPLOY

    assert SPLIT_DEPLOY["BLOCKING_ALLOWED"] == [BURN]
    assert callable(getattr(async_views, BURN[1]))
    assert async_views.__file__.endswith(BURN[0])


async def test_outside_the_guard_nothing_raises():
    assert time.sleep.__module__ == "time"
    with blocking.guard():
        assert time.sleep.__module__ != "time"
    assert time.sleep.__module__ == "time"


async def test_in_a_thread_a_call_may_block():
    with blocking.guard():
        await asyncio.to_thread(time.sleep, 0.001)


async def test_code_outside_the_project_may_block():
    # As this test is: it belongs to no app and is not the URLconf.
    with blocking.guard():
        time.sleep(0.001)  # noqa: ASYNC251


async def test_the_project_s_code_is_its_apps_and_its_urlconf():
    root = Path(async_views.__file__).parents[1]
    assert blocking.project_code() == [f"{root}/app/", f"{root}/async_urls.py"]


async def test_its_tests_are_no_code_of_the_project():
    assert "/srv/app/tests/" in blocking.tests_in(["/srv/app/", "/srv/urls.py"])
    assert not any("urls.py/" in path for path in blocking.tests_in(["/srv/urls.py"]))


@pytest.fixture
def view_with(monkeypatch):
    """Make a view of the project out of a function, as far as the guard can see."""

    def make(body):
        source = "async def view(function):\n    return function()\n"
        scope = {}
        filename = str(Path(async_views.__file__).with_name("made_up.py"))
        exec(compile(source, filename, "exec"), scope)
        return scope["view"](body)

    return make


async def test_a_made_up_view_is_guarded(view_with):
    with blocking.guard(), pytest.raises(BlockingError):
        await view_with(lambda: time.sleep(0))


async def test_a_view_may_render_a_template_that_is_not_loaded_yet(view_with, tmp_path):
    (tmp_path / "page.html").write_text("a page")
    engine = engines["django"].engine
    template = type(engine)(dirs=[str(tmp_path)])
    with blocking.guard():
        page = await view_with(lambda: template.render_to_string("page.html"))
    assert page == "a page"


async def test_a_view_may_log_to_a_file(view_with, tmp_path):
    logger = logging.getLogger("tests.blocking")
    handler = logging.FileHandler(tmp_path / "log")
    logger.addHandler(handler)
    try:
        with blocking.guard():
            await view_with(lambda: logger.warning("written"))
    finally:
        logger.removeHandler(handler)
        handler.close()
    assert (tmp_path / "log").read_text() == "written\n"


# In the lifespan


async def test_with_debug_the_lifespan_guards_the_loop(settings):
    settings.DEBUG = True
    async with blocking.running():
        with pytest.raises(BlockingError):
            await burn()


async def test_without_debug_the_standard_library_is_left_alone():
    assert not django_settings.DEBUG
    async with blocking.running():
        assert time.sleep.__module__ == "time"


async def test_without_blockbuster_there_is_a_debug_line_and_no_guard(
    settings, monkeypatch, caplog
):
    settings.DEBUG = True
    monkeypatch.setitem(sys.modules, "blockbuster", None)  # what find_spec() takes for missing
    caplog.set_level(logging.DEBUG, logger="split_deploy.blocking")
    async with blocking.running():
        assert time.sleep.__module__ == "time"
    assert "django-split-deploy[guard]" in caplog.text
    assert [record.levelname for record in caplog.records] == ["DEBUG"]


# The setting


@pytest.mark.parametrize(
    "value",
    ["app/views.py", [("app/views.py",)], [("app", "view")], [("app.py", 1)], [("a.py", "b c")]],
)
async def test_a_malformed_allow_list_is_an_error_that_names_the_entry(settings, value):
    settings.SPLIT_DEPLOY = {"ROLE": "async", "BLOCKING_ALLOWED": value}
    with pytest.raises(ImproperlyConfigured, match="BLOCKING_ALLOWED"):
        get_config()


async def test_an_allow_list_is_pairs_of_file_and_function(settings):
    settings.SPLIT_DEPLOY = {"ROLE": "async", "BLOCKING_ALLOWED": [["app/views.py", "view"]]}
    assert get_config().blocking_allowed == (("app/views.py", "view"),)
