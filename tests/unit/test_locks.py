"""requirements/ against pyproject.toml: what `make lock` makes, and what it must have made."""

import re
import tomllib

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from split_deploy._gunicorn import OLDEST_GUNICORN
from tests.e2e.stack import ROOT

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def wanted(group):
    """The requirements of ``group`` and of the package itself."""
    found = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
    for item in PROJECT["dependency-groups"][group]:
        if isinstance(item, dict):
            found += wanted(item["include-group"])
        else:
            found.append(Requirement(item))
    return found


def linux(python):
    """What markers ask for, on Linux with ``python``."""
    return {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }


def locked(name, python):
    """``{package: version}`` that pip installs from a lock on Linux with ``python``."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    pins = {}
    for package, version, marker in re.findall(
        r"^([A-Za-z0-9_.-]+)==([^ ;\\]+)(?: ; ([^\\\n]+))?", text, re.MULTILINE
    ):
        if not marker or Marker(marker.strip()).evaluate(linux(python)):
            assert package not in pins, f"two versions of {package} for Python {python}"
            pins[package] = version
    return pins


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("group", ["server", "development"])
def test_what_pyproject_asks_for_is_locked_in_a_version_that_it_allows(group, python):
    pins = locked(group, python)
    for requirement in wanted(group):
        if requirement.marker and not requirement.marker.evaluate(linux(python)):
            continue
        name = canonicalize_name(requirement.name)
        assert name in pins, f"{requirement} is in no lock: run `make lock`"
        assert requirement.specifier.contains(pins[name]), f"{requirement}: run `make lock`"


@pytest.mark.parametrize("group", ["server", "development"])
def test_what_is_locked_as_asked_for_is_still_asked_for(group):
    """uv notes beside each pin who asked for it; a line that names this project is a direct one."""
    text = (ROOT / "requirements" / f"{group}.txt").read_text()
    direct = set()
    for block in re.split(r"\n(?=[A-Za-z0-9])", text):
        if "django-split-deploy" in block:
            direct.add(re.match(r"[A-Za-z0-9_.-]+", block)[0])
    asked_for = {canonicalize_name(requirement.name) for requirement in wanted(group)}
    assert direct == asked_for, "run `make lock`"


@pytest.mark.parametrize("python", PYTHONS)
def test_development_has_the_server_s_very_versions(python):
    server, development = locked("server", python), locked("development", python)
    assert server.items() <= development.items()


@pytest.mark.parametrize(
    ("python", "series"), [("3.11", "5.2."), ("3.12", "6.1."), ("3.14", "6.1.")]
)
def test_django_is_the_lts_on_the_oldest_python_and_the_newest_on_the_others(python, series):
    assert locked("server", python)["django"].startswith(series)


def test_gunicorn_is_asked_for_without_its_extra_fast():
    """Which makes pip take an older Gunicorn without a word: see split_deploy/_gunicorn.py."""
    lists = [
        PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"].values(),
        *PROJECT["dependency-groups"].values(),
    ]
    texts = [text for texts in lists for text in texts if isinstance(text, str)]
    asked_for = [r for r in map(Requirement, texts) if r.name == "gunicorn"]
    assert len(asked_for) == 2, "the extra servers, and the group server"
    for requirement in asked_for:
        assert not requirement.extras
        assert not requirement.specifier.contains(f"{OLDEST_GUNICORN - 1}.99")


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("group", ["server", "development"])
def test_the_gunicorn_that_is_locked_is_new_enough_and_has_no_extra(group, python):
    pins = locked(group, python)
    assert int(pins["gunicorn"].split(".")[0]) >= OLDEST_GUNICORN
    assert "gunicorn-h1c" not in pins


def test_what_bench_needs_is_locked_for_development_as_the_extra_asks_for_it():
    extra = {
        r.name: r for r in map(Requirement, PROJECT["project"]["optional-dependencies"]["bench"])
    }
    development = {r.name: r for r in wanted("development")}
    assert extra.items() <= development.items()


def test_a_rival_is_for_development_alone():
    assert "granian" in locked("development", "3.13")
    assert "granian" not in locked("server", "3.13")


@pytest.mark.parametrize("group", ["server", "development"])
def test_every_pin_has_hashes_and_none_names_an_index(group):
    text = (ROOT / "requirements" / f"{group}.txt").read_text()
    blocks = [block for block in re.split(r"\n(?=\S)", text) if "==" in block.splitlines()[0]]
    assert len(blocks) > 15
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text
