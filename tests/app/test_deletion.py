"""The example can be deleted as the docstring of ``app`` says, and the project still starts."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def edit(path: Path, pattern: str, replacement: str = "") -> None:
    text, count = re.subn(pattern, replacement, path.read_text(), flags=re.MULTILINE)
    assert count, f"nothing to remove in {path.name}"
    path.write_text(text)


@pytest.mark.parametrize("role", ["sync_only", "async_only"])
def test_without_the_example_both_instances_pass_their_checks(tmp_path, role):
    for name in ("settings", "split_deploy"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("urls.py", "async_urls.py", "manage.py"):
        shutil.copy(ROOT / name, tmp_path)

    for urls in ("urls.py", "async_urls.py"):
        edit(tmp_path / urls, r'^from app import .*\n|^.*\b(async_)?views\..*\n|^.*"app\..*\n')
    edit(tmp_path / "settings/components/apps.py", r'^ *"app",\n')
    edit(tmp_path / "settings/components/split.py", r'"app\.http_client\.lifespan"')
    edit(tmp_path / "settings/shared.py", r'^ *"components/example\.py",\n')
    (tmp_path / "settings/components/example.py").unlink()

    done = subprocess.run(
        [sys.executable, "-W", "error", "manage.py", "check"],
        cwd=tmp_path,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": f"settings.{role}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_package_knows_nothing_of_the_example():
    importing = re.compile(r"^\s*(from app\b|import app\b)", re.MULTILINE)
    sources = list((ROOT / "split_deploy").rglob("*.py"))
    assert sources
    assert [path for path in sources if importing.search(path.read_text())] == []
