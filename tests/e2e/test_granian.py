"""Granian as the server of the sync instance: what it survives, and how it is started.

What it answers is tested where it is tested for Gunicorn: see ``any_stack``.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest
import yaml

from split_deploy.run import commands
from tests.e2e.stack import ROOT, Stack, clean_environment
from tests.e2e.test_refusal import start
from tests.e2e.test_run import (
    child_of,
    copy_of_the_project,
    gone,
    processes_of,
    refusal,
    wait_for_text,
)

GRANIAN = {"SYNC_SERVER": "granian", "WEB_CONCURRENCY": "2"}
DEPLOY = ROOT / "deploy" / "granian"
UNIT = DEPLOY / "split-deploy-granian.service"
BIN = Path(sys.executable).parent


def env_file():
    """The variables of deploy/granian/granian.env."""
    lines = (DEPLOY / "granian.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


#: Connections that a worker of Granian may close when it is replaced, as it has just accepted them:
#: docs/granian.md. One client has one at a time, and there are two workers.
DROPPED = 2


@pytest.fixture
def project(tmp_path):
    return copy_of_the_project(tmp_path / "project")


def workers(stack):
    return [int(pid) for pid in re.findall(r"Spawning worker-\d+ with PID: (\d+)", stack.log())]


def test_new_code_takes_over_meanwhile_and_a_mistake_waits_for_its_mending(project, tmp_path):
    views = project / "app" / "views.py"
    right = views.read_text()
    marked = right.replace(
        "def home(request: HttpRequest) -> HttpResponse:",
        "def home(request: HttpRequest) -> HttpResponse:\n"
        "    return HttpResponse('of the new code')",
    )
    assert marked != right
    with Stack(tmp_path, cwd=project, RELOAD="1", **GRANIAN) as stack:
        statuses, asked = Counter(), True

        def ask():
            while asked:
                statuses[httpx.get(f"{stack.url}/accounts/login/", timeout=20).status_code] += 1

        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(1)  # it must have looked since
        views.write_text(marked)
        wait_for_text(f"{stack.url}/", "of the new code")
        deadline = time.monotonic() + 20
        while stack.log().count("Stopped old worker-") < 2:
            assert time.monotonic() < deadline, stack.log()
            time.sleep(0.05)
        asked = False
        asking.join()
        assert statuses.keys() <= {200, 502}
        assert statuses[502] <= DROPPED
        assert "sync: the code has changed, restarting." in stack.log()
        assert "async: the code has changed" not in stack.log()

        time.sleep(1)
        views.write_text("this is not Python\n")
        stack.wait_for_log("sync is started again when a file changes.", timeout=30)
        assert httpx.get(f"{stack.url}/").status_code == 502
        assert httpx.get(f"{stack.url}/async/hello/").status_code == 200
        views.write_text(marked)
        wait_for_text(f"{stack.url}/", "of the new code")


def test_a_worker_that_dies_is_replaced_and_a_stop_lets_a_request_end(tmp_path, stack):
    other = {"TUTORIAL_ENDPOINT": f"{stack.url}/async/healthz/", "TUTORIAL_STEP_SECONDS": "0.2"}
    with Stack(tmp_path, **GRANIAN, **other) as stopping:
        stopping.wait_for_log("Started worker-1")
        os.kill(workers(stopping)[0], signal.SIGKILL)
        stopping.wait_for_log("Unexpected exit from worker-1")
        deadline = time.monotonic() + 20
        while stopping.log().count("Started worker-1") < 2:
            assert time.monotonic() < deadline, stopping.log()
            time.sleep(0.05)
        assert httpx.get(f"{stopping.url}/").headers["X-Served-By"] == "sync"

        slow = subprocess.Popen(
            ["curl", "-sS", "--max-time", "10", f"{stopping.url}/sync/"], stdout=subprocess.PIPE
        )
        stopping.wait_for_log("Blocking count: 1")
        pids = processes_of(stopping)
        assert stopping.stop() == 0
        body, _ = slow.communicate()
    assert body == b"Blocking HTTP request"
    assert gone(pids)
    assert "was killed" not in stopping.log()
    assert "Killing worker" not in stopping.log()


def test_when_granian_dies_the_others_are_stopped(tmp_path):
    stack = Stack(tmp_path, **GRANIAN).__enter__()
    pids = processes_of(stack)
    os.kill(child_of(stack, "granian"), signal.SIGKILL)
    assert stack.process.wait(20) == 1
    stack.stop()
    assert "sync has died (signal SIGKILL); its last lines were:" in stack.log()
    assert gone(pids)


def test_an_unknown_server_is_one_clear_message():
    for arguments, env in ([], {"SYNC_SERVER": "granit"}), (["--sync-server", "granit"], {}):
        status, output = refusal(*arguments, **env)
        assert status == 2
        assert output == (
            "split-deploy run: SYNC_SERVER is 'granit': choose one of gunicorn, granian. "
            "Did you mean granian?\n"
        )


@pytest.mark.parametrize(
    ("command", "settings", "message"),
    [
        (
            ("granian", "wsgi:application", "--port", "0"),
            "settings.sync_only",
            "Granian serves wsgi.py with --interface rsgi, and wsgi.py is for --interface wsgi",
        ),
        (
            ("granian", "asgi:application", "--interface", "wsgi", "--port", "0"),
            "settings.mixed",
            "Granian serves asgi.py with --interface wsgi, and asgi.py is for --interface asgi",
        ),
    ],
    ids=["wsgi.py", "asgi.py"],
)
def test_granian_refuses_an_interface_that_is_not_the_entry_point_s(command, settings, message):
    status, output = start(command, settings)
    assert status == 1
    assert message in output


def test_the_variables_of_a_deployment_are_those_of_a_run():
    """But for the times, which are longer on a server."""
    deployed = env_file()
    assert deployed.pop("GRANIAN_INTERFACE") == "wsgi"
    assert int(deployed.pop("GRANIAN_WORKERS_KILL_TIMEOUT")) > commands.GRACE["sync"]
    longer = deployed.pop("GRANIAN_RESPAWN_INTERVAL")
    assert float(longer) > float(commands.GRANIAN["GRANIAN_RESPAWN_INTERVAL"])
    assert deployed.items() == {
        item for item in commands.GRANIAN.items() if item[0] != "GRANIAN_RESPAWN_INTERVAL"
    }


def test_the_unit_starts_it_for_nginx_s_group_and_it_serves_while_it_reloads(tmp_path):
    """The command and the variables of the unit, with a socket of the test."""
    unit = UNIT.read_text()
    folder = tmp_path / "run"
    folder.mkdir()
    command = shlex.split(re.search(r"^ExecStart=(.+)", unit, re.MULTILINE)[1])
    command[0] = str(BIN / Path(command[0]).name)
    command[command.index("--uds") + 1] = str(folder / "sync.sock")
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=clean_environment()
            | env_file()
            | {"GRANIAN_RESPAWN_INTERVAL": "1", "PYTHONUNBUFFERED": "1"}
            | {"DJANGO_SETTINGS_MODULE": "settings.sync_only"}
            | {"DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )

    def said(text, times=1):
        deadline = time.monotonic() + 30
        while (tmp_path / "log").read_text().count(text) < times:
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.02)

    try:
        said("Started worker-", times=2)
        assert (folder / "sync.sock").stat().st_mode & 0o777 == 0o660
        statuses, dropped = set(), 0
        transport = httpx.HTTPTransport(uds=str(folder / "sync.sock"))
        with httpx.Client(transport=transport, base_url="http://localhost", timeout=20) as client:
            process.send_signal(signal.SIGHUP)
            said("Respawning worker-1")
            while (tmp_path / "log").read_text().count("Stopped old worker-") < 2:
                try:
                    answer = client.get("/healthz/", headers={"Connection": "close"})
                except (httpx.RemoteProtocolError, httpx.WriteError, httpx.ReadError):
                    dropped += 1
                    continue
                statuses.add((answer.status_code, answer.headers["X-Served-By"]))
        assert statuses == {(200, "sync")}
        assert dropped <= DROPPED
        # In the moment in which a process begins to wait for a signal it is deaf: docs/granian.md.
        said("Started worker-", times=4)
        time.sleep(0.5)
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
    assert not (folder / "sync.sock").exists()


def test_the_unit_has_what_that_of_gunicorn_has_to_protect_it():
    def protection(path):
        return path.read_text().split("# What it may touch", 1)[1]

    assert protection(UNIT) == protection(ROOT / "deploy" / "systemd" / "split-deploy-sync.service")
    (stop,) = re.findall(r"^TimeoutStopSec=(\d+)$", UNIT.read_text(), re.MULTILINE)
    assert int(stop) > int(env_file()["GRANIAN_WORKERS_KILL_TIMEOUT"])


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path):
    if not shutil.which("systemd-analyze"):
        assert "REQUIRE_SERVICES" not in os.environ, "systemd-analyze is not installed"
        pytest.skip("systemd-analyze is not installed here")
    path = tmp_path / UNIT.name
    path.write_text(UNIT.read_text().replace("/opt/split-deploy/.venv/bin", str(BIN)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    about_it = [line for line in done.stderr.splitlines() if "split-deploy" in line]
    assert (done.returncode, about_it) == (0, [])


def test_compose_replaces_the_command_of_the_sync_service_and_nothing_else():
    override = yaml.safe_load((DEPLOY / "compose.yml").read_text())
    shipped = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    assert override.keys() == {"services"}
    ((name, service),) = override["services"].items()
    assert service.keys() == {"command", "env_file"}
    assert name in shipped["services"]
    assert [ROOT / path for path in service["env_file"]] == [DEPLOY / "granian.env"]
    assert service["command"][:2] == ["granian", "wsgi:application"]
    assert (
        service["command"][-1]
        == shipped["services"]["sync"]["environment"]["GUNICORN_BIND"].rpartition(":")[2]
    )
