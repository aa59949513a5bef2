"""The site builds strictly and loads nothing from elsewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from mkdocs.exceptions import PluginError

from docs.includes import part
from tests.e2e.stack import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_nothing_is_loaded_from_another_host(site):
    loading = re.compile(r'<(?:script|img|iframe|link)\b[^>]*?(?:src|href)="(?:https?:)?//[^"]+"')
    for page in site.rglob("*.html"):
        assert not loading.findall(page.read_text()), page
    for sheet in site.rglob("*.css"):
        assert not re.findall(r"url\(['\"]?(?:https?:)?//|@import", sheet.read_text()), sheet


def test_no_line_of_an_include_is_left(site):
    for page in site.rglob("*.html"):
        if page.parent.name != "contributing":  # which explains them
            assert "--8&lt;--" not in page.read_text(), page


def test_the_pages_are_not_served_with_code_of_the_build(site):
    assert not list(site.rglob("*.py"))


@pytest.mark.parametrize(
    ("path", "name"), [("no/such.conf", "x"), ("urls.py", "no_such"), ("Makefile", "no such")]
)
def test_a_part_that_is_gone_ends_the_build(path, name):
    with pytest.raises(PluginError, match=path):
        part(path, name)


def test_a_part_is_a_definition_a_section_or_a_paragraph():
    assert part("urls.py", "urlpatterns").startswith("urlpatterns = [\n")
    assert part("app/async_views.py", "hello").startswith("@require_safe\nasync def hello(")
    assert part(".env.example", "make run").endswith("NO_COLOR=")
    assert part("docker-compose.yml", "sync:").startswith("sync:\n  <<:")
    assert part("deploy/nginx.conf", "location = /async").splitlines()[-2:] == [
        "    return 308 /async/$is_args$args;",
        "}",
    ]
