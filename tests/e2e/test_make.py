"""``make`` in a fresh clone, as an ordinary user."""

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import pytest

from tests.e2e.stack import ROOT, clean_environment

#: What `make test` hands down and a user's shell does not have.
_FROM_MAKE = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES", "VENV", "PYTHON", "VIRTUAL_ENV"}


def environment(**env):
    kept = {name: value for name, value in clean_environment().items() if name not in _FROM_MAKE}
    return kept | env


@pytest.fixture(scope="module")
def clone():
    """The files that git tracks or would track, as a clone has them."""
    # Not pytest's temporary folder, which it keeps from all other users.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        Path(temporary).chmod(0o755)
        yield copied_to(Path(temporary, "django-split-deploy"))


def copied_to(folder):
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def ordinary_user(clone):
    """Arguments for Popen that make it the process of an ordinary user, who owns the clone."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    subprocess.run(["chown", "-R", f"{nobody.pw_uid}:{nobody.pw_gid}", str(clone)], check=True)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


@pytest.fixture(scope="module")
def python(ordinary_user):
    """An interpreter that this user can run and that can make environments."""
    for candidate in (Path(sys.executable).resolve(), Path("/usr/bin/python3")):
        check = "import sys, ensurepip; sys.exit(sys.version_info < (3, 11))"
        try:
            done = subprocess.run([candidate, "-c", check], check=False, **ordinary_user)
        except OSError:
            continue
        if done.returncode == 0:
            return str(candidate)
    pytest.fail("No Python that an ordinary user of this machine can run.")


def lines_until(process, text, *, timeout):
    lines, deadline = [], time.monotonic() + timeout
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return lines
        assert time.monotonic() < deadline, "".join(lines)
    raise AssertionError(f"ended with {process.wait()}:\n{''.join(lines)}")


def test_make_run_in_a_fresh_clone_serves_both_instances_and_stops(clone, ordinary_user, python):
    start = [shutil.which("make"), "run", "PORT=0", f"PYTHON={python}"]
    options = {
        "cwd": clone,
        "env": environment(HOME=str(clone)),
        "stdout": subprocess.PIPE,
        "stderr": subprocess.STDOUT,
        "text": True,
        "start_new_session": True,
        **ordinary_user,
    }
    with subprocess.Popen(start, **options) as process:
        lines = lines_until(process, " answers: ", timeout=600)
        url = re.search(r"(http://\S+)/ answers", lines[-1])[1]
        assert any("from requirements/development.txt (once" in line for line in lines)
        for path, role in {"/": "sync", "/async/hello/": "async"}.items():
            response = httpx.get(url + path)
            assert (response.status_code, response.headers["X-Served-By"]) == (200, role)
        # As a terminal does: Ctrl-C goes to all of the foreground processes, make among them.
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=10)
        # The runner ends with 0; make, which was interrupted as well, says so.
        assert process.returncode == -signal.SIGINT
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)

    # The environment is kept: a second start takes no time for it.
    with subprocess.Popen(start, **options) as process:
        lines = lines_until(process, " answers: ", timeout=60)
        assert not any("Making" in line for line in lines)
        runner = int(
            subprocess.run(
                ["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True
            ).stdout
        )
        os.kill(runner, signal.SIGTERM)
        process.communicate(timeout=10)
        assert process.returncode == 0


def test_make_without_a_target_lists_them():
    done = subprocess.run(
        ["make"], cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
    )
    listed = {line.split()[0] for line in done.stdout.splitlines()}
    assert {"run", "test", "lint", "check", "docs", "lock", "up", "down", "clean"} <= listed


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (None, "Python 3.11 or later is needed, and {python} is none."),
        ('case "$2" in *print*) echo 3.9;; *) exit 1;; esac', "is needed; {python} is 3.9."),
    ],
    ids=["missing", "old"],
)
def test_a_missing_or_old_python_is_one_clear_message(tmp_path, script, message):
    python = tmp_path / "python"
    if script:
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)
    venv = tmp_path / "venv"
    done = subprocess.run(
        ["make", "run", f"PYTHON={python}", f"VENV={venv}"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    said, *rest = done.stderr.splitlines()
    assert message.format(python=python) in said
    assert [line for line in rest if not line.startswith("make: ***")] == []
    assert done.returncode == 2
    assert not venv.exists()
