"""The checks in the mixed role: what one instance with both kinds of views has to hold."""

import re
import subprocess
import sys

import pytest

from tests.checks.test_examples import BASE, EXAMPLES, write
from tests.e2e.stack import clean_environment

MIXED = """
from async_settings import *

ROOT_URLCONF = "mixed_urls"
SPLIT_DEPLOY = {**SPLIT_DEPLOY, "ROLE": "mixed"}
"""
MIXED_URLS = """
from django.urls import include, path

urlpatterns = [path("", include("async_urls")), path("", include("urls"))]
"""
#: As docs/topologies.md has it.
APPLY = ("W021", "E022", "W023", "W024", "W031", "E041", "W044", "E054", "W055", "W061")
DO_NOT = ("E001", "E002", "E011", "E012", "E013", "E051", "E052", "E053", "E056", "W057")


@pytest.fixture
def project(tmp_path):
    write(tmp_path, BASE)
    (tmp_path / "mixed_settings.py").write_text(MIXED)
    (tmp_path / "mixed_urls.py").write_text(MIXED_URLS)
    return tmp_path


def check(folder):
    command = ("check", "--fail-level", "WARNING", "--topology", "mixed")
    done = subprocess.run(
        [sys.executable, "-m", "split_deploy", *command, "--mixed-settings", "mixed_settings"],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def ids(output):
    return set(re.findall(r"split_deploy\.([EW]\d{3})", output))


def test_the_project_of_the_examples_is_well(project):
    status, output = check(project)
    assert status == 0, output
    assert output.startswith("mixed (mixed_settings):")
    assert output.count("no issues") == 1


@pytest.mark.parametrize("id_", APPLY)
def test_a_check_that_applies_says_so(project, id_):
    write(project, EXAMPLES[f"split_deploy.{id_}"])
    status, output = check(project)
    assert (status, ids(output)) == (1, {id_}), output
    assert "Traceback" not in output


@pytest.mark.parametrize("id_", DO_NOT)
def test_a_check_of_two_instances_is_silent(project, id_):
    write(project, EXAMPLES[f"split_deploy.{id_}"])
    status, output = check(project)
    assert (status, ids(output)) == (0, set()), output


def test_atomic_requests_are_right_where_no_view_is_async(project):
    write(project, EXAMPLES["split_deploy.E041"])
    (project / "mixed_urls.py").write_text("from urls import urlpatterns\n")
    status, output = check(project)
    assert (status, ids(output)) == (0, set()), output
