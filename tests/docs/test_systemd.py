"""deploy/systemd/: the units are valid, and what they start answers behind deploy/nginx.conf."""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import httpx
import pytest

from split_deploy.conf import Config
from split_deploy.nginx import mime_types
from split_deploy.run.options import find_nginx
from tests.docs.pages import block, matches
from tests.e2e.stack import ROOT, clean_environment

UNITS = ROOT / "deploy" / "systemd"
BIN = Path(sys.executable).parent
INSTANCES = ("sync", "async")


def unit(name: str) -> dict[str, list[str]]:
    """The settings of a unit file: each may be given more than once."""
    found = defaultdict(list)
    for line in (UNITS / name).read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            found[key].append(value)
    return found


def command(name: str) -> list[str]:
    """The service's ``ExecStart``, of the environment that runs this test."""
    (line,) = unit(f"split-deploy-{name}.service")["ExecStart"]
    return shlex.split(line.replace("/opt/split-deploy/.venv/bin", str(BIN)))


def environment(name: str) -> dict[str, str]:
    lines = unit(f"split-deploy-{name}.service")["Environment"]
    return dict(pair.split("=", 1) for line in lines for pair in line.split())


def test_systemd_finds_nothing_wrong(tmp_path):
    if not shutil.which("systemd-analyze"):
        assert "REQUIRE_SERVICES" not in os.environ, "systemd-analyze is not installed"
        pytest.skip("systemd-analyze is not installed here")
    for path in UNITS.iterdir():
        text = path.read_text().replace("/opt/split-deploy/.venv/bin", str(BIN))
        (tmp_path / path.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
    )
    about_these = [line for line in done.stderr.splitlines() if "split-deploy" in line]
    assert (done.returncode, about_these) == (0, [])


def test_only_nginx_may_connect():
    (user,) = re.findall(
        r"^user (\S+);", (ROOT / "deploy" / "nginx.conf").read_text(), re.MULTILINE
    )
    for name in (*INSTANCES, "mixed"):
        socket_ = unit(f"split-deploy-{name}.socket")
        assert socket_["SocketGroup"] == [user]
        assert socket_["SocketMode"] == ["0660"]


def test_nginx_connects_to_these_sockets():
    configuration = (ROOT / "deploy" / "nginx.conf").read_text()
    for name in INSTANCES:
        (path,) = unit(f"split-deploy-{name}.socket")["ListenStream"]
        assert f"server unix:{path} " in configuration


def test_the_migration_may_write_where_nginx_reads():
    (folder,) = unit("split-deploy-migrate.service")["ReadWritePaths"]
    assert f"alias {folder}/;" in (ROOT / "deploy" / "nginx.conf").read_text()


def test_systemd_waits_longer_than_the_instances_need():
    conf = (ROOT / "gunicorn.conf.py").read_text()
    gunicorn = int(re.search(r'"GUNICORN_GRACEFUL_TIMEOUT", default=(\d+)', conf)[1])
    uvicorn = int(environment("async")["UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN"])
    drain = Config.__dataclass_fields__["drain_timeout"].default
    (sync_stop,) = unit("split-deploy-sync.service")["TimeoutStopSec"]
    (async_stop,) = unit("split-deploy-async.service")["TimeoutStopSec"]
    (mixed_stop,) = unit("split-deploy-mixed.service")["TimeoutStopSec"]
    assert int(sync_stop) > gunicorn
    assert int(mixed_stop) > gunicorn
    assert int(async_stop) > uvicorn + drain


def test_the_instances_outlast_nginx_on_an_idle_connection():
    nginx = (ROOT / "deploy" / "nginx.conf").read_text()
    idle = {
        int(seconds)
        for seconds in re.findall(r"^ {8}keepalive_timeout (\d+)s;", nginx, re.MULTILINE)
    }
    conf = (ROOT / "gunicorn.conf.py").read_text()
    gunicorn = int(re.search(r'"GUNICORN_KEEPALIVE", default=(\d+)', conf)[1])
    uvicorn = int(environment("async")["UVICORN_TIMEOUT_KEEP_ALIVE"])
    assert idle == {60}
    assert min(gunicorn, uvicorn) > 60


def test_each_number_in_the_table_of_waits_is_a_setting_of_a_shipped_file():
    rows = re.findall(
        r"^\| [^|]+ \| ([\d.]+) s \| `([^`]+)` in `([^`]+)`",
        (ROOT / "docs/deploying.md").read_text(),
        re.MULTILINE,
    )
    assert len(rows) >= 15
    for seconds, setting, path in rows:
        text = (ROOT / path).read_text()
        pattern = rf"{re.escape(setting)}\b\W.*?(?<!\d){re.escape(seconds)}(?!\d)"
        assert re.search(pattern, text), f"{path} doesn't set {setting} to {seconds}"


class Host:
    """What the units start, with the sockets that systemd would hold, behind deploy/nginx.conf."""

    def __init__(
        self,
        folder: Path,
        instances: tuple[str, ...] = INSTANCES,
        configuration: str = "nginx.conf",
    ) -> None:
        self.folder = folder
        self._instances = instances
        self._configuration = ROOT / "deploy" / configuration
        self._listeners: dict[str, socket.socket] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = clean_environment() | {
            "DATABASE_URL": f"sqlite:///{folder}/db.sqlite3",
            "DJANGO_STATIC_ROOT": f"{folder}/static",
            "PYTHONUNBUFFERED": "1",
        }

    def prepare(self) -> None:
        lines = unit("split-deploy-migrate.service")["ExecStart"]
        for line in lines:
            subprocess.run(
                shlex.split(line.replace("/opt/split-deploy/.venv/bin", str(BIN))),
                cwd=ROOT,
                env=self._environment,
                check=True,
                capture_output=True,
            )

    def open_sockets(self) -> None:
        for name in self._instances:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(self.folder / f"{name}.sock"))
            listener.listen(128)
            self._listeners[name] = listener

    def start(self, name: str) -> None:
        # As systemd does: the socket is descriptor 3, and LISTEN_PID is the service's own.
        fd = self._listeners[name].fileno()
        script = f'exec 3<&{fd}; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"'
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                ["bash", "-c", script, "bash", *command(name)],
                cwd=ROOT,
                env=self._environment | environment(name),
                pass_fds=[fd],
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def start_nginx(self) -> None:
        text = self._configuration.read_text()
        user = "user root;" if os.geteuid() == 0 else ""
        for old, new in (
            ("/run/split-deploy", f"{self.folder}"),
            ("/run/nginx.pid", f"{self.folder}/nginx.pid"),
            ("/var/log/nginx", f"{self.folder}"),
            ("/etc/nginx/mime.types", f"{self.folder}/mime.types"),
            ("/srv/static", f"{self.folder}/static"),
            ("user www-data;", f"{user}\ndaemon off;"),
            ("listen [::]:80 default_server;", ""),
            ("listen [::]:80;", ""),
            ("listen 80 default_server;", f"listen 127.0.0.1:{self.port} default_server;"),
            ("listen 80;", f"listen 127.0.0.1:{self.port};"),
            ("server_name example.com localhost;", "server_name example.com localhost 127.0.0.1;"),
        ):
            assert old in text, f"{self._configuration} has no {old!r}"
            text = text.replace(old, new)
        (self.folder / "nginx.conf").write_text(text)
        (self.folder / "mime.types").write_text(mime_types())
        # The temporary folders that nginx was built with, below its prefix.
        program = str(find_nginx(os.environ.get("NGINX", "")))
        options = ("-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), "-e", "stderr")
        with (self.folder / "nginx.log").open("ab") as log:
            self.processes["nginx"] = subprocess.Popen([program, *options], stderr=log)

    def wait(self) -> None:
        deadline = time.monotonic() + 20
        for path in ("/healthz/", "/async/healthz/"):
            while True:
                try:
                    if httpx.get(self.url + path).status_code == 200:
                        break
                except httpx.TransportError:
                    pass
                assert time.monotonic() < deadline, self.logs()
                time.sleep(0.1)

    def stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait(30)
        for listener in self._listeners.values():
            listener.close()

    def logs(self) -> str:
        return "".join(path.read_text() for path in sorted(self.folder.glob("*.log")))

    @contextmanager
    def running(self) -> Iterator[Self]:
        self.prepare()
        self.open_sockets()
        try:
            for name in self._instances:
                self.start(name)
            self.start_nginx()
            self.wait()
            yield self
        finally:
            self.stop()


@pytest.fixture(scope="module")
def host(tmp_path_factory) -> Iterator[Host]:
    with Host(tmp_path_factory.mktemp("h")).running() as host:
        yield host


pytestmark = pytest.mark.e2e


def test_what_the_units_start_answers_behind_nginx(host):
    for path, role in (("/", "sync"), ("/async/hello/", "async")):
        response = httpx.get(host.url + path)
        assert (response.status_code, response.headers["X-Served-By"]) == (200, role)
    style = re.search(r'href="(/static/[^"]+\.css)"', httpx.get(host.url + "/").text)[1]
    assert httpx.get(host.url + style).headers["Content-Type"] == "text/css; charset=utf-8"


def test_the_mixed_unit_answers_for_both_behind_its_nginx(tmp_path_factory):
    """Gunicorn hands the socket of systemd on to workers that are Uvicorn's."""
    folder = tmp_path_factory.mktemp("m")
    with Host(folder, ("mixed",), "nginx.mixed.conf").running() as host:
        for path in ("/", "/async/hello/"):
            response = httpx.get(host.url + path)
            assert (response.status_code, response.headers["X-Served-By"]) == (200, "mixed")
    log = (folder / "mixed.log").read_text()
    assert "Using worker: uvicorn_worker.UvicornWorker" in log
    # Over a Unix socket there is no address of its own: without belief it would be "-".
    assert 'client=127.0.0.1 method=GET path="/async/hello/"' in log


def test_uvicorn_believes_what_nginx_says_of_the_client(host):
    # Over a Unix socket there is no address of its own: without belief it would be "-".
    httpx.get(f"{host.url}/async/hello/")
    assert "client=127.0.0.1" in (host.folder / "async.log").read_text()


@pytest.mark.parametrize("name", INSTANCES)
def test_a_request_during_a_restart_waits_and_is_answered(host, name):
    path = {"sync": "/healthz/", "async": "/async/hello/"}[name]
    host.processes[name].terminate()
    host.processes[name].wait(30)
    answers = []
    asking = threading.Thread(target=lambda: answers.append(httpx.get(host.url + path, timeout=30)))
    asking.start()
    time.sleep(0.5)
    assert asking.is_alive(), "it waits in the socket that nobody reads"
    host.start(name)
    asking.join()
    assert answers[0].status_code == 200
    assert answers[0].headers["X-Served-By"] == name


def test_a_reload_replaces_gunicorn_s_workers_and_loses_nothing(host):
    log = host.folder / "sync.log"
    seen = len(log.read_text())
    (line,) = unit("split-deploy-sync.service")["ExecReload"]
    assert line == "/bin/kill -HUP $MAINPID"
    host.processes["sync"].send_signal(signal.SIGHUP)
    statuses = set()
    deadline = time.monotonic() + 10
    while "Worker exiting" not in log.read_text()[seen:]:
        assert time.monotonic() < deadline
        statuses.add(httpx.get(f"{host.url}/healthz/").status_code)
        time.sleep(0.05)
    assert statuses == {200}


def test_a_reload_brings_new_code_of_the_settings_too(tmp_path):
    project = tmp_path / "project"
    ignored = shutil.ignore_patterns(".*", "tests", "docs", "site", "__pycache__", "var")
    shutil.copytree(ROOT, project, ignore=ignored)
    urls, env = project / "urls.py", project / "settings" / "env.py"
    probe = "HttpResponse(f\"code 1, {getattr(env, 'MARK', 'old')}\")"
    urls.write_text(
        f"{urls.read_text()}\nfrom django.http import HttpResponse\nfrom settings import env\n"
        f'urlpatterns.append(path("probe/", lambda request: {probe}))\n'
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        command("sync"),
        cwd=project,
        env=clean_environment() | {"GUNICORN_BIND": f"127.0.0.1:{port}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_text(f"http://127.0.0.1:{port}/probe/", "code 1, old")
        urls.write_text(urls.read_text().replace("code 1", "code 2"))
        env.write_text(f'{env.read_text()}\nMARK = "new"\n')
        process.send_signal(signal.SIGHUP)
        wait_for_text(f"http://127.0.0.1:{port}/probe/", "code 2, new")
    finally:
        process.terminate()
        process.wait(30)


def wait_for_text(url: str, text: str) -> None:
    deadline, seen = time.monotonic() + 15, ""
    while seen != text:
        assert time.monotonic() < deadline, f"{url} says {seen!r} and not {text!r}"
        time.sleep(0.1)
        try:
            seen = httpx.get(url).text
        except httpx.TransportError as error:
            seen = repr(error)


def test_too_many_requests_of_one_address_are_told_so(host):
    time.sleep(3)  # what the tests above have used up of the burst
    with httpx.Client() as client:
        answers = [client.get(f"{host.url}/healthz/") for _ in range(150)]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["Retry-After"] == "1"
    assert matches(block("docs/troubleshooting.md", "429"), refused.text)
    time.sleep(3)


def test_nginx_says_in_json_or_html_that_an_instance_is_down(tmp_path):
    host = Host(tmp_path)
    host.start_nginx()
    try:
        deadline = time.monotonic() + 10
        while True:
            try:
                answer = httpx.get(host.url)
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline, host.logs()
                time.sleep(0.05)
        assert answer.status_code == 502
        assert "X-Served-By" not in answer.headers
        assert matches(block("docs/troubleshooting.md", "502"), answer.text)
        page = httpx.get(host.url, headers={"Accept": "text/html"})
        assert "<h1>The application does not answer</h1>" in page.text
    finally:
        host.stop()
    logs = host.logs().replace(str(tmp_path), "/run/split-deploy")
    assert block("docs/troubleshooting.md", "nginx error.log") in logs
