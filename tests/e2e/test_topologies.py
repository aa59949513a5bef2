"""One instance in place of two: what ``TOPOLOGY=mixed`` and ``uvicorn`` start, say and survive.

What they answer is tested where it is tested for two instances: see ``any_stack``.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress

import httpx
import pytest

from tests.e2e.conftest import create_admin
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

MIXED = {"TOPOLOGY": "mixed", "WEB_CONCURRENCY": "2"}
UVICORN = {"TOPOLOGY": "uvicorn"}
BOTH = pytest.mark.parametrize("options", [MIXED, UVICORN], ids=["mixed", "uvicorn"])
LIFESPAN_THAT_FAILS = """
from contextlib import asynccontextmanager

@asynccontextmanager
async def lifespan():
    raise RuntimeError("the client can't be opened")
    yield
"""


@pytest.fixture
def project(tmp_path):
    return copy_of_the_project(tmp_path / "project")


@contextmanager
def plainly(folder, *command, **env):
    """A server that is started by its own command: its address, and its lines so far."""
    env = clean_environment() | {
        "DJANGO_SETTINGS_MODULE": "settings.mixed",
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
        "PYTHONUNBUFFERED": "1",
        **env,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=env.pop("CWD", str(ROOT)),
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(process.stdout))
    reader.start()
    try:
        yield first_answer(process, lines), lines
    finally:
        process.terminate()
        process.wait(30)
        reader.join()
        process.stdout.close()
    assert "Traceback" not in "".join(lines), "".join(lines)


def first_answer(process, lines):
    """Where the server answers, as its lines say, once it does: one that reloads listens later."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"http://[\d.]+:\d+", "".join(lines)):
            with suppress(httpx.ConnectError):
                httpx.get(f"{found[0]}/healthz/", timeout=30)
                return found[0]
        time.sleep(0.05)
    raise AssertionError("".join(lines))


def served_by_mixed(url, path):
    response = httpx.get(url + path, timeout=30)
    assert response.status_code == 200, response.text
    assert response.headers["X-Served-By"] == "mixed"
    return response


def test_gunicorn_is_the_master_of_uvicorn_s_workers(tmp_path):
    with Stack(tmp_path, **MIXED) as stack:
        log = stack.log()
        assert "Using worker: uvicorn_worker.UvicornWorker" in log
        assert log.count("Booting worker with pid") == 2
        assert "answers: all of it under ASGI, on Gunicorn." in log
        names = {line.split("|")[0].strip() for line in log.splitlines()}
        assert {"mixed", "split"} <= names <= {"mixed", "nginx", "split"}


def test_a_worker_of_gunicorn_has_the_event_loop_of_the_async_instance(project, tmp_path):
    views = project / "app" / "async_views.py"
    views.write_text(
        views.read_text().replace(
            'HttpResponse("Hello from the async instance")',
            "HttpResponse(type(asyncio.get_running_loop()).__module__)",
        )
    )
    with Stack(tmp_path, cwd=project, **MIXED) as stack:
        assert served_by_mixed(stack.url, "/async/hello/").text == "split_deploy.event_loop"


def test_a_sync_view_is_a_hop_and_an_async_one_is_none(any_stack):
    if any_stack.served_by("sync") == "sync":
        pytest.skip("two instances: see test_guards.py")
    assert served_by_mixed(any_stack.url, "/").headers["X-Thread-Hops"] == "1"
    assert served_by_mixed(any_stack.url, "/async/hello/").headers["X-Thread-Hops"] == "0"
    assert "A thread hop in the" not in any_stack.log()


@pytest.mark.parametrize("path", ["/accounts/login/", "/async/"])
def test_the_limit_for_bodies_holds_for_both_kinds_of_paths(any_stack, path):
    response = httpx.post(any_stack.url + path, content=b"x" * (10 * 1024**2 + 1), timeout=20)
    assert response.status_code == 413
    assert "X-Served-By" not in response.headers, "nginx refuses it"


def test_uvicorn_is_one_process_and_its_code_is_watched(project, tmp_path):
    with Stack(tmp_path, cwd=project, **UVICORN) as stack:
        assert "answers: all of it under ASGI, on Uvicorn." in stack.log()
        served_by_mixed(stack.url, "/async/hello/")
        time.sleep(1)  # it must have looked since
        views = project / "app" / "async_views.py"
        views.write_text(views.read_text().replace("Hello from the async", "Hi from the async"))
        wait_for_text(f"{stack.url}/async/hello/", "Hi from the async")
        assert "mixed: the code has changed, restarting." in stack.log()


def test_with_reload_off_uvicorn_s_code_is_not_watched(project, tmp_path):
    with Stack(tmp_path, cwd=project, RELOAD="0", **UVICORN) as stack:
        served_by_mixed(stack.url, "/async/hello/")
        views = project / "app" / "async_views.py"
        views.write_text(views.read_text() + "\n# changed\n")
        time.sleep(1.5)
        assert "the code has changed" not in stack.log()


def test_with_reload_gunicorn_gets_new_workers(project, tmp_path):
    with Stack(tmp_path, cwd=project, RELOAD="1", **MIXED) as stack:
        for path in ("/", "/async/hello/"):
            served_by_mixed(stack.url, path)
        time.sleep(1)
        views = project / "app" / "async_views.py"
        views.write_text(views.read_text().replace("Hello from the async", "Hi from the async"))
        wait_for_text(f"{stack.url}/async/hello/", "Hi from the async")
        assert "mixed: the code has changed, restarting." in stack.log()
        assert "Hang up: Master" in stack.log()


@BOTH
def test_a_mistake_during_reload_waits_for_its_mending(project, tmp_path, options):
    with Stack(tmp_path, cwd=project, RELOAD="1", **options) as stack:
        time.sleep(1)
        asgi = project / "asgi.py"
        right = asgi.read_text()
        asgi.write_text(right + "\nthis is not Python\n")
        stack.wait_for_log("mixed is started again when a file changes.", timeout=20)
        assert httpx.get(f"{stack.url}/").status_code == 502
        asgi.write_text(right)
        wait_for_text(f"{stack.url}/async/hello/", "async")


@BOTH
def test_a_stop_lets_a_request_that_is_under_way_end(tmp_path, stack, options):
    other = {"TUTORIAL_ENDPOINT": f"{stack.url}/async/healthz/", "TUTORIAL_STEP_SECONDS": "0.2"}
    with Stack(tmp_path, **options, **other) as stopping:
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


def test_a_stop_lets_a_background_task_end(tmp_path):
    """A worker of Gunicorn is a whole async instance: it drains, and is not killed meanwhile."""
    with Stack(tmp_path, TUTORIAL_STEP_SECONDS="0.5", **MIXED) as stack:
        served_by_mixed(stack.url, "/async/sync_to_async/")
        stack.wait_for_log("Blocking count: 1")
        assert stack.stop() == 0
    assert "Waiting up to " in stack.log()
    assert "Blocking count: 5" in stack.log()
    assert "SIGKILL" not in stack.log()


@pytest.mark.parametrize(
    ("options", "program", "name"),
    [(MIXED, "gunicorn", "mixed"), (UVICORN, "uvicorn", "mixed"), (MIXED, "nginx", "nginx")],
    ids=["gunicorn", "uvicorn", "nginx"],
)
def test_when_one_dies_the_others_are_stopped(tmp_path, options, program, name):
    # Reloading, it would wait for a change of the code instead.
    stack = Stack(tmp_path, **options | {"RELOAD": "0"}).__enter__()
    pids = processes_of(stack)
    os.kill(child_of(stack, program), signal.SIGKILL)

    assert stack.process.wait(20) == 1
    stack.stop()
    assert f"{name} has died (signal SIGKILL); its last lines were:" in stack.log()
    assert gone(pids)


def test_a_worker_that_dies_is_replaced(tmp_path):
    with Stack(tmp_path, **MIXED) as stack:
        (pid, *_) = re.findall(r"Started server process \[(\d+)\]", stack.log())
        os.kill(int(pid), signal.SIGKILL)
        stack.wait_for_log(f"Worker (pid:{pid}) was sent SIGKILL!")
        served_by_mixed(stack.url, "/async/hello/")
        deadline = time.monotonic() + 15
        while stack.log().count("Booting worker with pid") < 3:
            assert time.monotonic() < deadline, stack.log()
            time.sleep(0.05)


def test_a_worker_that_cannot_start_is_not_restarted_for_ever(project):
    (project / "app" / "no_client.py").write_text(LIFESPAN_THAT_FAILS)
    split = project / "settings" / "components" / "split.py"
    split.write_text(
        split.read_text() + '\nSPLIT_DEPLOY["LIFESPAN"] = ["app.no_client.lifespan"]\n'
    )

    command = ("gunicorn", "asgi:application", "--bind", "127.0.0.1:0")
    status, output = start(command, "settings.mixed", cwd=project)

    assert status == 3
    assert "app.no_client.lifespan did not start: RuntimeError" in output
    assert "Worker failed to boot." in output
    assert output.count("Booting worker with pid") == 1


def test_an_instance_that_cannot_start_ends_the_run(project):
    (project / "app" / "no_client.py").write_text(LIFESPAN_THAT_FAILS)
    split = project / "settings" / "components" / "split.py"
    split.write_text(
        split.read_text() + '\nSPLIT_DEPLOY["LIFESPAN"] = ["app.no_client.lifespan"]\n'
    )

    status, output = refusal(cwd=project, **MIXED)

    assert status == 1
    # 3, or 1 if the worker is dead before Gunicorn's master has begun to watch.
    assert re.search(r"mixed has died \(exit status [13]\); its last lines were:", output)


@pytest.mark.parametrize(
    ("topology", "message"),
    [
        ("both", "TOPOLOGY is 'both': choose one of split, mixed, uvicorn."),
        ("mix", "TOPOLOGY is 'mix': choose one of split, mixed, uvicorn. Did you mean mixed?"),
    ],
)
def test_an_unknown_topology_is_one_clear_message(topology, message):
    for arguments, env in ([], {"TOPOLOGY": topology}), (["--topology", topology], {}):
        status, output = refusal(*arguments, **env)
        assert status == 2
        assert output == f"split-deploy run: {message}\n"


@BOTH
def test_settings_of_another_role_are_refused_with_the_fix(options):
    status, output = refusal("--mixed-settings", "settings.sync_only", **options)
    assert status == 2
    assert (
        "asgi:application: ImproperlyConfigured: asgi.py (Uvicorn) serves the async or mixed"
        in (output)
    )


def test_what_does_not_load_is_one_clear_message(project):
    urls = project / "mixed_urls.py"
    urls.write_text(urls.read_text() + "\nno_url\n")
    status, output = refusal(cwd=project, **MIXED)
    assert status == 2
    assert output.startswith("split | did not start: the URLs: NameError: name 'no_url' is not")
    assert len(output.splitlines()) == 1


def test_gunicorn_alone_serves_everything(tmp_path):
    """``gunicorn asgi:application -c gunicorn.conf.py`` under ``settings.mixed``."""
    command = ("gunicorn", "asgi:application", "-c", "gunicorn.conf.py")
    options = {"GUNICORN_BIND": "127.0.0.1:0", "WEB_CONCURRENCY": "2"}
    with plainly(tmp_path, *command, **options) as (url, lines):
        served_by_mixed(url, "/")
        served_by_mixed(url, "/async/hello/")
        assert "text/css" in served_by_mixed(url, "/static/app/app.css").headers["Content-Type"]
        # The address of a proxy on this machine, whose word counts (FORWARDED_ALLOW_IPS).
        httpx.get(f"{url}/async/hello/", headers={"X-Forwarded-For": "192.0.2.1"})
    log = "".join(lines)
    assert "Using worker: uvicorn_worker.UvicornWorker" in log
    assert 'role=mixed client=192.0.2.1 method=GET path="/async/hello/"' in log
    assert len(re.findall(r'"?GET.*?/async/hello/', log)) == 2, "an access log, and one alone"


def test_an_empty_number_of_workers_in_env_is_none(tmp_path):
    (tmp_path / "env").write_text("WEB_CONCURRENCY=\n")
    command = ("gunicorn", "asgi:application", "-c", "gunicorn.conf.py")
    options = {"GUNICORN_BIND": "127.0.0.1:0", "DJANGO_DOTENV": str(tmp_path / "env")}
    with plainly(tmp_path, *command, **options) as (url, _):
        served_by_mixed(url, "/async/hello/")


def test_the_workers_of_a_master_that_is_killed_end_too(tmp_path):
    """They would go on to serve, and keep the address from the next master."""
    command = ("gunicorn", "asgi:application", "-c", "gunicorn.conf.py")
    options = {"GUNICORN_BIND": "127.0.0.1:0", "WEB_CONCURRENCY": "2"}
    with plainly(tmp_path, *command, **options) as (_, lines):
        said = "".join(lines)
        os.kill(int(re.search(r"Listening at: \S+ \((\d+)\)", said)[1]), signal.SIGKILL)
        workers = [int(pid) for pid in re.findall(r"Booting worker with pid: (\d+)", said)]
        assert len(workers) == 2
        deadline = time.monotonic() + 20
        while not gone(workers):
            assert time.monotonic() < deadline, "".join(lines)
            time.sleep(0.1)


def test_sigint_stops_the_workers_too_and_none_is_killed(tmp_path):
    """Gunicorn hands it on as SIGQUIT, of which UvicornWorker only makes a note."""
    command = ("gunicorn", "asgi:application", "-c", "gunicorn.conf.py")
    options = {"GUNICORN_BIND": "127.0.0.1:0", "WEB_CONCURRENCY": "1"}
    options["GUNICORN_GRACEFUL_TIMEOUT"] = "8"
    with plainly(tmp_path, *command, **options) as (_, lines):
        master = int(re.search(r"Listening at: \S+ \((\d+)\)", "".join(lines))[1])
        os.kill(master, signal.SIGINT)
        (worker,) = re.findall(r"Booting worker with pid: (\d+)", "".join(lines))
        deadline = time.monotonic() + 20
        while not gone([int(worker)]):
            assert time.monotonic() < deadline, "".join(lines)
            time.sleep(0.1)
    log = "".join(lines)
    assert f"Finished server process [{worker}]" in log
    assert "SIGKILL" not in log


def test_uvicorn_alone_serves_everything_and_reloads(project, tmp_path):
    """``uvicorn asgi:application --reload`` under ``settings.mixed``."""
    command = ("uvicorn", "asgi:application", "--reload", "--port", "0")
    with plainly(tmp_path, *command, CWD=str(project)) as (url, _):
        served_by_mixed(url, "/")
        assert "Hello from the async" in served_by_mixed(url, "/async/hello/").text
        views = project / "app" / "async_views.py"
        views.write_text(views.read_text().replace("Hello from the async", "Hi from the async"))
        wait_for_text(f"{url}/async/hello/", "Hi from the async")


def test_one_word_goes_from_mixed_to_split_and_back(tmp_path):
    """The same database, and so the same session: nobody is logged out."""
    seen = []
    with httpx.Client(timeout=20) as browser:
        for topology in ("mixed", "split", "mixed"):
            with Stack(tmp_path, TOPOLOGY=topology, WEB_CONCURRENCY="1") as stack:
                if not seen:
                    log_in(stack, browser)
                response = browser.get(f"{stack.url}/async/whoami/")
                assert response.text.startswith("Hello admin"), response.text
                seen.append(response.headers["X-Served-By"])
    assert seen == ["mixed", "async", "mixed"]


def log_in(stack, browser):
    create_admin(stack)
    login = f"{stack.url}/accounts/login/"
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get(login).text)[1]
    form = {"username": "admin", "password": "admin", "csrfmiddlewaretoken": token}
    assert browser.post(login, data=form).status_code == 302
