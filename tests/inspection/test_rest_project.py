"""django-modern-rest in two instances: as inspected, and as served behind nginx."""

import shutil
from pathlib import Path

import httpx
import pytest

from split_deploy.inspection import inspect_urlconf
from tests.e2e.stack import Stack

PROJECT = Path(__file__).parent / "rest_project"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rest")
    shutil.copytree(PROJECT, folder / "rest_project")
    with Stack(
        folder,
        cwd=folder,
        arguments=(
            *("--wsgi", "rest_project.wsgi:application"),
            *("--sync-settings", "rest_project.settings_sync"),
            *("--asgi", "rest_project.asgi:application"),
            *("--async-settings", "rest_project.settings_async"),
        ),
    ) as stack:
        yield stack


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_the_controllers_of_each_urlconf_are_of_its_mode(mode):
    (report,) = inspect_urlconf(f"tests.inspection.rest_project.{mode}_urls")

    assert (report.declared.mode, report.effective.mode) == (mode, mode)
    assert report.effective.certainty == "proven"
    assert report.view.endswith(f"controllers.{mode.title()}Greeting")
    assert report.problems == ()


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("path", "instance"), [("/api/greeting/", "sync"), ("/async/api/greeting/", "async")]
)
def test_each_instance_serves_its_controllers_in_its_own_mode(running, path, instance):
    on_the_loop = instance == "async"

    got = httpx.get(running.url + path)
    assert (got.status_code, got.headers["X-Served-By"]) == (200, instance)
    assert got.json() == {"greeting": "Hello, you", "on_the_loop": on_the_loop}

    posted = httpx.post(running.url + path, json={"name": "Ada"})
    assert (posted.status_code, posted.headers["X-Served-By"]) == (201, instance)
    assert posted.json() == {"greeting": "Hello, Ada", "on_the_loop": on_the_loop}


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("path", "instance"), [("/api/greeting/", "sync"), ("/async/api/greeting/", "async")]
)
def test_its_errors_come_from_the_same_instance(running, path, instance):
    invalid = httpx.post(running.url + path, json={"name": None})
    assert (invalid.status_code, invalid.headers["X-Served-By"]) == (400, instance)

    refused = httpx.delete(running.url + path)
    assert (refused.status_code, refused.headers["X-Served-By"]) == (405, instance)
