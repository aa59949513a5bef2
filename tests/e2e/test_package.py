"""The wheel: what is in it, and where docs/existing-project.md leads a new project with it."""

import re
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import httpx
import pytest

from tests.e2e.stack import ROOT, Stack, clean_environment


def run(*command, cwd):
    done = subprocess.run(
        command, cwd=cwd, env=clean_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


def test_it_holds_split_deploy_alone_and_typed(wheel):
    names = zipfile.ZipFile(wheel).namelist()

    assert {name.split("/")[0].split("-")[0] for name in names} == {
        "split_deploy",
        "django_split_deploy",
    }
    assert "split_deploy/py.typed" in names
    assert "split_deploy/nginx/nginx.conf.template" in names
    assert "split_deploy/nginx/mime.types" in names
    assert wheel.name.endswith("-py3-none-any.whl")


def test_its_metadata_is_fit_for_an_index(wheel):
    archive = zipfile.ZipFile(wheel)
    (path,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = Parser().parsestr(archive.read(path).decode())

    assert metadata["Name"] == "django-split-deploy"
    assert metadata["License-Expression"] == "MIT"
    assert metadata["License-File"] == "LICENSE"
    assert metadata["Requires-Python"] == ">=3.11"
    extras = {"servers", "nginx", "bench", "guard", "async-db"}
    assert set(metadata.get_all("Provides-Extra")) == extras
    assert "Framework :: Django :: 6.1" in metadata.get_all("Classifier")
    assert metadata["Description-Content-Type"] == "text/markdown"
    entry_points = archive.read(path.replace("METADATA", "entry_points.txt")).decode()
    assert "split-deploy = split_deploy.cli:main" in entry_points


def test_the_sdist_builds_the_same_wheel(wheel, tmp_path):
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path), cwd=ROOT)
    (sdist,) = tmp_path.glob("*.tar.gz")
    run("tar", "-xzf", str(sdist), cwd=tmp_path)
    (source,) = (path for path in tmp_path.iterdir() if path.is_dir())
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path), cwd=source)
    (rebuilt,) = tmp_path.glob("*.whl")
    assert zipfile.ZipFile(rebuilt).namelist() == zipfile.ZipFile(wheel).namelist()


# docs/existing-project.md

PAGE = (ROOT / "docs" / "existing-project.md").read_text()
FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```', re.MULTILINE | re.DOTALL)


def commands():
    """The page's shell commands, in order."""
    return [code.strip() for language, _, code in FENCE.findall(PAGE) if language == "sh"]


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """An empty environment with the wheel installed as the page's first command says."""
    folder = tmp_path_factory.mktemp("empty")
    install = commands()[0]
    assert install.startswith('pip install "django-split-deploy[')
    extras = re.search(r"\[.*\]", install)[0]
    # The versions that the locks have been tested with, for a test that gives the same every day.
    pins = re.findall(
        r"^\S+==\S+(?: ; [^\\\n]+)?",
        (ROOT / "requirements" / "development.txt").read_text(),
        re.MULTILINE,
    )
    (folder / "constraints.txt").write_text("\n".join(pins))
    run(sys.executable, "-m", "venv", "--without-pip", "venv", cwd=folder)
    run(
        *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", "venv/bin/python"),
        # As pip does: a machine behind a proxy may have certificates of its own.
        "--system-certs",
        *("--constraints", "constraints.txt", f"django-split-deploy{extras} @ {wheel.as_uri()}"),
        cwd=folder,
    )
    return folder / "venv" / "bin"


@pytest.fixture(scope="module")
def mysite(environment, tmp_path_factory):
    """What startproject makes, changed as the page says."""
    folder = tmp_path_factory.mktemp("mysite")
    run(str(environment / "django-admin"), "startproject", "mysite", ".", cwd=folder)
    for language, title, code in FENCE.findall(PAGE):
        if language == "python":
            name, _, where = title.partition(" ")
            path = folder / name
            path.write_text((path.read_text() if where == "(at its end)" else "") + "\n" + code)
    manage = folder / "manage.py"
    manage.write_text(manage.read_text().replace("mysite.settings", "mysite.settings_sync"))
    return folder


@pytest.fixture(scope="module")
def running(environment, mysite, tmp_path_factory):
    _, command, _ = commands()
    program, subcommand, *arguments = command.replace("\\\n", "").split()
    assert (program, subcommand) == ("split-deploy", "run")
    with Stack(
        tmp_path_factory.mktemp("stack"),
        cwd=mysite,
        program=(str(environment / program),),
        arguments=tuple(arguments),
    ) as stack:
        yield stack


def test_both_instances_of_a_new_project_answer_behind_nginx(running):
    home, hello = httpx.get(f"{running.url}/"), httpx.get(f"{running.url}/async/hello/")

    assert (home.status_code, home.headers["X-Served-By"]) == (200, "sync")
    assert (hello.status_code, hello.headers["X-Served-By"]) == (200, "async")
    assert hello.text == "Hello from the async instance"


def test_its_admin_has_its_static_files_and_its_probes_answer(running):
    assert httpx.get(f"{running.url}/admin/login/").headers["X-Served-By"] == "sync"
    assert httpx.get(f"{running.url}/static/admin/css/base.css").status_code == 200
    assert httpx.get(f"{running.url}/readyz/").json()["role"] == "sync"
    assert httpx.get(f"{running.url}/async/readyz/").json()["role"] == "async"


@pytest.mark.parametrize("settings", ["mysite.settings_sync", "mysite.settings_async"])
def test_django_finds_nothing_wrong_with_it(environment, mysite, settings):
    output = run(
        *(str(environment / "python"), "manage.py", "check", f"--settings={settings}"), cwd=mysite
    )
    assert "no issues" in output


def test_its_nginx_configuration_is_rendered_by_the_page_s_command(environment, mysite):
    command, _, target = commands()[2].partition(" > ")
    program, *arguments = command.split()
    assert target == "nginx.conf"
    rendered = run(str(environment / program), *arguments, cwd=mysite)
    assert "server_name example.com;" in rendered
    same = run(str(environment / "python"), "manage.py", "split", *arguments, cwd=mysite)
    assert same == rendered


def test_the_package_needs_nothing_of_this_repository(environment, tmp_path):
    """Imported far away, every module of the package is found, and from the wheel."""
    script = """
import django, pkgutil, split_deploy, sys
from django.conf import settings
contrib = ("auth", "contenttypes", "flatpages", "redirects", "sessions", "sites")
settings.configure(INSTALLED_APPS=[f"django.contrib.{name}" for name in contrib])
django.setup()
names = [module.name for module in pkgutil.walk_packages(split_deploy.__path__, "split_deploy.")]
for name in names:
    # The plugin is loaded by pytest, which is not here, and neither is what the engine is for.
    if name.endswith(("__main__", "pytest_plugin")) or ".management.commands." in name:
        continue
    if name.startswith("split_deploy.async_database.postgresql"):
        continue
    # What the extra is for; the command is there without it.
    if name.startswith("split_deploy.bench.") and name != "split_deploy.bench.cli":
        continue
    if not name.endswith(".csp") or django.VERSION >= (6,):
        __import__(name)
foreign = {"app", "settings", "environ", "split_settings", "httpx"} & set(sys.modules)
print(len(names) > 20, sorted(foreign), split_deploy.__file__)
"""
    output = run(str(environment / "python"), "-c", script, cwd=tmp_path).split(maxsplit=2)
    assert output[:2] == ["True", "[]"]
    assert Path(output[2].strip()).is_relative_to(environment.parent)
