"""``make run``'s runner: what it starts, says, survives and leaves behind."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.e2e.stack import ROOT, Stack, clean_environment


def processes_of(stack):
    """The process ids of the runner's descendants."""
    lines = subprocess.run(
        ["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    parents = {int(pid): int(parent) for pid, parent in (line.split() for line in lines)}
    found = {stack.process.pid}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {stack.process.pid}


def child_of(stack, program):
    """The process id of the runner's own child that runs ``program``."""
    for pid in processes_of(stack):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
            parent = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except (FileNotFoundError, ProcessLookupError):  # one that lived for a moment
            continue
        if parent == stack.process.pid and program in command:
            return pid
    raise AssertionError(f"no {program} among the runner's children")


def gone(pids):
    """Whether all of them have ended; an orphan that init has yet to reap has."""
    for pid in pids:
        try:
            status = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if status != "Z":
            return False
    return True


def refusal(*arguments, cwd=ROOT, **env):
    """The status and output of a run that must not start."""
    done = subprocess.run(
        [sys.executable, "-m", "split_deploy", "run", *arguments],
        cwd=cwd,
        env=clean_environment() | {"PORT": "0"} | env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """A folder for temporary files that can be checked for leftovers."""
    folder = tmp_path / "t"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def copy_of_the_project(folder):
    """Copy the project to ``folder``, to be edited there."""
    ignored = shutil.ignore_patterns(
        ".*", "tests", "docs", "site", "__pycache__", "var", "*.egg-info"
    )
    shutil.copytree(ROOT, folder, ignore=ignored)
    (folder / "var").mkdir()
    return folder


@pytest.fixture
def project(tmp_path):
    return copy_of_the_project(tmp_path / "project")


def test_each_path_is_answered_by_its_instance(any_stack):
    sync, async_ = httpx.get(f"{any_stack.url}/"), httpx.get(f"{any_stack.url}/async/hello/")

    for response, role in ((sync, "sync"), (async_, "async")):
        assert response.status_code == 200
        assert response.headers["X-Served-By"] == any_stack.served_by(role)


def test_health_is_answered_by_the_instances_themselves(any_stack):
    for path, role in {
        "/healthz/": "sync",
        "/readyz/": "sync",
        "/async/healthz/": "async",
        "/async/readyz/": "async",
    }.items():
        response = httpx.get(any_stack.url + path)
        assert response.status_code == 200, response.text
        served_by = any_stack.served_by(role)
        assert response.json()["role"] == response.headers["X-Served-By"] == served_by


def test_static_files_are_served_by_nginx(any_stack):
    response = httpx.get(f"{any_stack.url}/static/admin/css/base.css")

    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/css")
    assert "X-Served-By" not in response.headers


def test_a_request_id_is_found_in_the_response_and_in_the_access_log_of_its_instance(any_stack):
    for path, role in {"/": "sync", "/async/hello/": "async"}.items():
        id_, role = f"test-{role}-0123456789", any_stack.served_by(role)
        response = httpx.get(any_stack.url + path, headers={"X-Request-ID": id_})
        assert response.headers["X-Request-ID"] == id_
        line = any_stack.wait_for_log(f"request_id={id_}")
        assert re.match(rf"{role} +\| ", line)
        assert f"role={role} client=127.0.0.1 method=GET path=" in line
        assert re.search(r"status=200 bytes=\d+ duration_ms=\d+ ", line)


@pytest.mark.parametrize("path", ["/nowhere/", "/async/nowhere/"])
def test_a_path_cannot_forge_a_line_of_the_access_log(any_stack, path):
    id_ = f"forged-{path.count('/')}"
    httpx.get(f"{any_stack.url}{path}%0Arole=sync%22%20x?a=%0A", headers={"X-Request-ID": id_})
    line = any_stack.wait_for_log(f'path="{path}%0Arole=sync%22%20x?a=%0A" status=404')
    assert line.endswith(f"request_id={id_}")


def test_lines_are_prefixed_and_without_color_where_there_is_no_terminal(stack):
    names = {line.split("|")[0].strip() for line in stack.log().splitlines()}
    assert {"sync", "async", "split"} <= names <= {"sync", "async", "nginx", "split"}
    assert "\033[" not in stack.log()


@pytest.mark.parametrize(
    "stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT], ids=lambda it: it.name
)
def test_a_signal_ends_all_three_in_ten_seconds_and_leaves_nothing(tmp_path, temporary, stop):
    with Stack(tmp_path) as stack:
        pids = processes_of(stack)
        assert len(pids) >= 4
        assert list(temporary.iterdir())
        started = time.monotonic()
        assert stack.stop(stop) == 0
        assert time.monotonic() - started < 10
    assert gone(pids)
    assert list(temporary.iterdir()) == []


def test_a_stop_lets_a_request_that_is_under_way_end(stack, tmp_path):
    other = {"TUTORIAL_ENDPOINT": f"{stack.url}/async/healthz/", "TUTORIAL_STEP_SECONDS": "0.3"}
    with Stack(tmp_path, **other) as stopping:
        slow = subprocess.Popen(
            ["curl", "-sS", "--max-time", "10", f"{stopping.url}/sync/"], stdout=subprocess.PIPE
        )
        stopping.wait_for_log("Blocking count: 1")
        assert stopping.stop() == 0
        body, _ = slow.communicate()
    assert body == b"Blocking HTTP request"


def test_a_stop_during_the_start_leaves_nothing(tmp_path, temporary):
    for delay in (0.05, 0.3, 0.6, 0.9):
        stack = Stack(tmp_path)
        process = subprocess.Popen(
            [sys.executable, "-m", "split_deploy", "run"],
            env=stack.env,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        time.sleep(delay)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=20)
        # Before the first line of Python's own, a signal ends it as it ends any program.
        assert process.returncode in (0, -signal.SIGTERM), output
        assert "Warning" not in output
        assert "Traceback" not in output
        assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("program", "name"), [("gunicorn", "sync"), ("uvicorn", "async"), ("nginx", "nginx")]
)
def test_when_one_dies_the_others_are_stopped_and_its_last_lines_are_shown(
    tmp_path, temporary, program, name
):
    stack = Stack(tmp_path).__enter__()
    pids = processes_of(stack)
    os.kill(child_of(stack, program), signal.SIGKILL)

    assert stack.process.wait(20) == 1
    stack.stop()
    assert f"{name} has died (signal SIGKILL); its last lines were:" in stack.log()
    assert gone(pids)
    assert list(temporary.iterdir()) == []


def test_a_port_in_use_is_one_clear_message():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, output = refusal(PORT=str(port))
    assert status == 2
    assert output == (
        f"split-deploy run: 127.0.0.1:{port} can't be listened on: Address already in use. "
        "Stop what uses it, or take another port, like PORT=8001\n"
    )


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"PORT": "http"}, "PORT is 'http': write a number from 1 to 65535"),
        ({"PORT": "65536"}, "PORT is '65536': write a number from 1 to 65535"),
        ({"HOST": "no.such.host.invalid"}, "HOST is 'no.such.host.invalid', which is no address"),
        ({"NGINX": "/no/such/nginx"}, "NGINX is '/no/such/nginx': there is no such program."),
        ({"RELOAD": "maybe"}, "RELOAD is 'maybe': write 1 or 0."),
        ({"WEB_CONCURRENCY": "0"}, "WEB_CONCURRENCY is '0': write a number from 1 on."),
        ({"WEB_CONCURRENCY": "many"}, "WEB_CONCURRENCY is 'many': write a number from 1 on."),
        ({"HOST": "*"}, "HOST is '*': write an address or a name of this machine."),
        (
            {"HOST": "192.0.2.1"},
            "192.0.2.1:0 can't be listened on: Cannot assign requested address",
        ),
    ],
)
def test_a_wrong_option_is_one_clear_message(env, message):
    status, output = refusal(**env)
    assert status == 2
    assert output.startswith(f"split-deploy run: {message}")
    assert len(output.splitlines()) == 1


def test_a_broken_settings_file_is_a_clear_message_with_file_and_line(project):
    path = project / "settings" / "components" / "i18n.py"
    path.write_text(path.read_text() + "\nTIME_ZONE = no_such_name\n")

    status, output = refusal(cwd=project)

    assert status == 2
    line = len(path.read_text().splitlines())
    assert (
        f"NameError: name 'no_such_name' is not defined (settings/components/i18n.py:{line})"
        in output
    )
    assert output.startswith("split | did not start: the settings: NameError")
    assert len(output.splitlines()) == 1


def test_a_syntax_error_is_a_clear_message_with_file_and_line(project):
    (project / "app" / "models.py").write_text("def broken(:\n")

    status, output = refusal(cwd=project)

    assert status == 2
    assert output == (
        "split | did not start: the settings: SyntaxError: invalid syntax (app/models.py:1)\n"
    )


@pytest.mark.parametrize(
    ("file", "code", "message"),
    [
        (
            "asgi.py",
            "no_loop",
            "asgi:application: NameError: name 'no_loop' is not defined (asgi.py:",
        ),
        (
            "async_urls.py",
            "no_url",
            "the URLs: NameError: name 'no_url' is not defined (async_urls",
        ),
        ("urls.py", "no_url", "the URLs: NameError: name 'no_url' is not defined (urls.py:"),
        (
            "settings/async_only.py",
            "import sys; sys.exit('no')",
            "the settings: SystemExit: no (sett",
        ),
        (
            "gunicorn.conf.py",
            "bind = no_port",
            "gunicorn.conf.py: NameError: name 'no_port' is not",
        ),
    ],
)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_whatever_does_not_load_is_one_clear_message(
    project, temporary, file, code, message, workers
):
    path = project / file
    path.write_text(f"{path.read_text()}\n{code}\n")

    status, output = refusal(cwd=project, WEB_CONCURRENCY=workers)

    assert status == 2
    assert output.startswith(f"split | did not start: {message}")
    assert len(output.splitlines()) == 1
    assert list(temporary.iterdir()) == []


def test_a_database_that_does_not_answer_is_one_clear_message():
    status, output = refusal(DATABASE_URL="postgres://app:pw@127.0.0.1:1/app")
    assert status == 2
    assert "split | did not start: the migrations: OperationalError: " in output


def test_what_a_project_prints_at_its_exit_does_no_harm(project, tmp_path):
    path = project / "settings" / "components" / "i18n.py"
    path.write_text(f"{path.read_text()}\nimport atexit\n\natexit.register(print, 'bye')\n")
    with Stack(tmp_path, cwd=project) as stack:
        assert httpx.get(f"{stack.url}/").status_code == 200


def test_wrong_settings_for_the_server_stop_it_with_the_fix(project):
    status, output = refusal("--async-settings", "settings.sync_only", cwd=project)

    assert status == 2
    assert "DJANGO_SETTINGS_MODULE=settings.async_only" in output
    assert len(output.splitlines()) == 1


def test_workers_and_host_are_the_user_s_choice(tmp_path):
    with Stack(tmp_path, WEB_CONCURRENCY="2", HOST="::1") as stack:
        assert stack.url.startswith("http://[::1]:")
        assert httpx.get(f"{stack.url}/").headers["X-Served-By"] == "sync"
        assert httpx.get(f"{stack.url}/async/hello/").headers["X-Served-By"] == "async"
        assert len(re.findall("Booting worker", stack.log())) == 2
        deadline = time.monotonic() + 15
        while stack.log().count("Started server process") < 2:  # the first one has answered
            assert time.monotonic() < deadline, stack.log()
            time.sleep(0.05)


def wait_for_text(url, text):
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        try:
            if text in httpx.get(url).text:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"{url} never showed {text!r}")


def test_a_change_restarts_the_instance_that_has_loaded_it_and_no_other(project, tmp_path):
    with Stack(tmp_path, cwd=project, RELOAD="1") as stack:
        httpx.get(f"{stack.url}/async/hello/")  # with the first request the URLconf is loaded
        httpx.get(f"{stack.url}/accounts/login/")
        time.sleep(1)  # both must have looked since
        views = project / "app" / "async_views.py"
        views.write_text(views.read_text().replace("Hello from the async", "Hi from the async"))
        wait_for_text(f"{stack.url}/async/hello/", "Hi from the async")
        assert "async: the code has changed, restarting." in stack.log()
        assert " sync: the code has changed" not in stack.log()

        seen = len(stack.log())
        views = project / "app" / "views.py"
        views.write_text(views.read_text() + "\n# changed\n")
        stack.wait_for_log("split | sync: the code has changed, restarting.")
        time.sleep(3)  # until the old worker has gone
        assert "async: the code" not in stack.log()[seen:]

        components = project / "settings" / "components" / "i18n.py"
        components.write_text(components.read_text() + "\n# changed\n")
        deadline = time.monotonic() + 10
        while stack.log()[seen:].count("restarting.") < 3 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert stack.log()[seen:].count(" sync: the code") == 2
        assert stack.log()[seen:].count(" async: the code") == 1
        wait_for_text(f"{stack.url}/", "sync")


def test_a_mistake_during_reload_waits_for_its_mending(project, tmp_path):
    with Stack(tmp_path, cwd=project, RELOAD="1") as stack:
        time.sleep(1)
        asgi = project / "asgi.py"
        right = asgi.read_text()
        asgi.write_text(right + "\nthis is not Python\n")
        stack.wait_for_log("async is started again when a file changes.")
        assert httpx.get(f"{stack.url}/async/hello/").status_code == 502
        assert httpx.get(f"{stack.url}/").status_code == 200
        asgi.write_text(right)
        wait_for_text(f"{stack.url}/async/hello/", "async")


def test_a_request_during_a_restart_of_the_async_instance_is_answered(project, tmp_path):
    with Stack(tmp_path, cwd=project, RELOAD="1") as stack:
        time.sleep(1)
        asgi = project / "asgi.py"
        asgi.write_text(asgi.read_text() + "\n# changed\n")
        statuses = set()
        deadline = time.monotonic() + 4
        while time.monotonic() < deadline:
            statuses.add(httpx.get(f"{stack.url}/async/hello/", timeout=10).status_code)
        assert "async: the code has changed, restarting." in stack.log()
        assert statuses == {200}


def test_allowed_hosts_decide_which_hosts_nginx_lets_through(tmp_path):
    def status(stack, host):
        return httpx.get(f"{stack.url}/", headers={"Host": host}).status_code

    with Stack(tmp_path, DJANGO_ALLOWED_HOSTS="site.example,.sub.example") as named:
        assert status(named, "site.example") == status(named, "a.sub.example") == 200
        assert status(named, "other.example") == 421  # nginx
    with Stack(tmp_path, DJANGO_ALLOWED_HOSTS="*") as any_host:
        assert status(any_host, "other.example") == 200


def test_when_the_runner_is_killed_nothing_goes_on_without_it(tmp_path):
    stack = Stack(tmp_path).__enter__()
    pids = processes_of(stack)
    stack.process.kill()
    stack.process.wait(5)
    deadline = time.monotonic() + 15
    while not gone(pids):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_an_nginx_of_the_user_s_choice_is_run_as_any_other(tmp_path):
    with Stack(tmp_path) as stack:
        command = Path(f"/proc/{child_of(stack, 'nginx')}/cmdline").read_bytes()
        own = command.split(b"\0")[0].decode().removeprefix("nginx: master process ").split()[0]
    with Stack(tmp_path, NGINX=own) as stack:
        assert httpx.get(f"{stack.url}/").status_code == 200
        assert "nginx |" not in stack.log()


def test_the_host_that_is_served_is_answered(tmp_path):
    """127.0.0.2 is an address of this machine that no setting names."""
    with Stack(tmp_path, HOST="127.0.0.2") as stack:
        assert stack.url.startswith("http://127.0.0.2:")
        assert httpx.get(f"{stack.url}/").status_code == 200
        assert httpx.get(f"{stack.url}/async/hello/").status_code == 200


def test_all_addresses_can_be_served(tmp_path):
    with Stack(tmp_path, HOST="0.0.0.0") as stack:
        assert stack.url.startswith("http://127.0.0.1:")
        stack.wait_for_log("Other machines reach it by the names in ALLOWED_HOSTS: 127.0.0.1")


def test_a_reload_reads_what_gunicorn_conf_py_imports_again(project, tmp_path):
    env = project / "settings" / "env.py"
    view = project / "app" / "views.py"
    view.write_text(
        view.read_text().replace(
            "def home(request: HttpRequest) -> HttpResponse:",
            "def home(request: HttpRequest) -> HttpResponse:\n"
            "    from settings import env\n"
            "    return HttpResponse(getattr(env, 'MARK', 'old'))",
        )
    )
    with Stack(tmp_path, cwd=project, RELOAD="1") as stack:
        assert httpx.get(f"{stack.url}/").text == "old"
        time.sleep(1)
        env.write_text(env.read_text() + "\nMARK = 'new'\n")
        wait_for_text(f"{stack.url}/", "new")
