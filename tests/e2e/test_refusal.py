"""An instance that is not what it has to be does not start, and says which of the two to change."""

import subprocess
import sys

import httpx
import pytest

from tests.e2e.stack import ROOT, Stack, clean_environment
from tests.e2e.test_run import copy_of_the_project, refusal

pytestmark = pytest.mark.e2e

GUNICORN = ("gunicorn", "wsgi:application", "--bind", "127.0.0.1:0")
UVICORN = ("uvicorn", "asgi:application", "--port", "0")
SYNC_VIEW_IN_ASYNC_URLCONF = """
from app import views
urlpatterns.append(path("async/home/", views.home))
"""


@pytest.fixture
def project(tmp_path):
    return copy_of_the_project(tmp_path / "project")


def start(command, settings, cwd=ROOT):
    """The status and output of a server that must not serve."""
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=cwd,
        env=clean_environment() | {"DJANGO_SETTINGS_MODULE": settings, "WEB_CONCURRENCY": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_gunicorn_refuses_the_async_instance_s_settings():
    status, output = start(GUNICORN, "settings.async_only")
    assert status == 3
    assert "wsgi.py (Gunicorn) serves the sync role, but settings.async_only has" in output
    assert "DJANGO_SETTINGS_MODULE=settings.sync_only" in output


def test_uvicorn_refuses_the_sync_instance_s_settings():
    status, output = start(UVICORN, "settings.sync_only")
    assert status == 1
    assert "asgi.py (Uvicorn) serves the async or mixed role, but settings.sync_only has" in output
    assert "DJANGO_SETTINGS_MODULE=settings.async_only" in output


def test_gunicorn_refuses_an_async_worker_class_for_the_sync_instance():
    status, output = start((*GUNICORN, "--worker-class", "asgi"), "settings.sync_only")
    assert status == 3
    assert "Gunicorn serves wsgi.py with the worker class 'asgi'" in output
    assert 'worker_class = "gthread"' in output


@pytest.mark.parametrize("settings", ["settings.async_only", "settings.mixed"])
@pytest.mark.parametrize("worker_class", ["gthread", "sync"])
def test_gunicorn_refuses_a_sync_worker_class_for_what_speaks_asgi(worker_class, settings):
    command = ("gunicorn", "asgi:application", "--bind", "127.0.0.1:0", "--threads", "1")
    status, output = start((*command, "--worker-class", worker_class), settings)
    assert status == 3
    assert f"Gunicorn serves asgi.py with the worker class {worker_class!r}" in output
    assert 'worker_class = "uvicorn_worker.UvicornWorker"' in output


@pytest.mark.parametrize("worker_class", ["gthread", "sync"])
def test_worker_classes_made_of_threads_are_not_refused(worker_class):
    status, output = start(
        (*GUNICORN, "--worker-class", worker_class, "--check-config"), "settings.sync_only"
    )
    assert status == 0, output


def test_an_impure_instance_does_not_start_and_names_the_view_and_the_fix(project):
    urls = project / "async_urls.py"
    urls.write_text(urls.read_text() + SYNC_VIEW_IN_ASYNC_URLCONF)

    status, output = refusal(cwd=project)

    assert status == 2
    assert "did not start: asgi:application: ImproperlyConfigured: The async instance" in output
    assert "is not pure, so it does not start:" in output
    assert "(split_deploy.E001) /async/home/ is sync" in output
    assert "write the view as `async def`" in output
    assert " answers: " not in output


def test_a_setting_turns_the_refusal_into_a_line_in_the_log(project, tmp_path):
    urls = project / "async_urls.py"
    urls.write_text(urls.read_text() + SYNC_VIEW_IN_ASYNC_URLCONF)
    split = project / "settings" / "components" / "split.py"
    split.write_text(split.read_text() + '\nSPLIT_DEPLOY["REFUSE_IMPURE"] = False\n')

    with Stack(tmp_path, cwd=project) as stack:
        stack.wait_for_log("ERROR split_deploy.purity role=async")
        assert "(split_deploy.E001) /async/home/ is sync" in stack.log()
        assert httpx.get(f"{stack.url}/async/hello/").headers["X-Served-By"] == "async"


def test_settings_that_differ_between_the_instances_stop_both(project):
    module = project / "settings" / "async_only.py"
    module.write_text(module.read_text() + '\nSECRET_KEY = "another"\n')

    status, output = refusal(cwd=project)

    assert status == 2
    assert "(split_deploy.E051) The setting SECRET_KEY is not the same in" in output
    assert "'another'" not in output
