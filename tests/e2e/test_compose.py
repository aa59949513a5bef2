"""docker-compose.yml, run by a real engine. Skipped, visibly, where none answers."""

import ipaddress
import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from functools import cache

import httpx
import pytest

from tests.e2e.stack import ROOT, clean_environment

PASSWORD = "correct-horse-battery"


@cache
def why_no_engine() -> str:
    if shutil.which("docker") is None:
        return "there is no docker on PATH"
    done = docker("compose", "version", check=False)
    if done.returncode:
        return "docker has no compose plugin"
    done = docker("info", check=False)
    return f"docker info: {done.stderr.strip()}" if done.returncode else ""


def docker(*arguments: str, check: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        ["docker", *arguments],
        cwd=ROOT,
        env=clean_environment() | env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=1200,  # the first one downloads the images
        check=False,
    )
    if check:
        assert done.returncode == 0, f"{arguments}:\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    return done


class Composed:
    """A stack under a name, port and network that no other one has."""

    def __init__(self) -> None:
        self.project = f"split-deploy-test-{os.getpid()}"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.env = {"PORT": str(port), "HOST": "127.0.0.1", "EDGE_NETWORK": free_network()}
        # A free one each time: what has a profile is asked inside its network.
        self.env |= {"PORT_MIXED": "0", "PORT_UVICORN": "0"}
        # Empty is unset. The tests try the defaults, whatever the shell has.
        self.env |= {"POSTGRES_PASSWORD": "", "COMPOSE_FILE": "", "COMPOSE_PROFILES": ""}
        self.url = f"http://127.0.0.1:{port}"

    def compose(self, *arguments: str, check: bool = True, **env: str):
        # Nor does a .env beside the file count.
        given = ("-p", self.project, "-f", "docker-compose.yml", "--env-file", os.devnull)
        return docker("compose", *given, *arguments, check=check, **(self.env | env))

    def what_is_left(self) -> dict[str, list[str]]:
        mine = f"label=com.docker.compose.project={self.project}"
        listed = {
            "containers": ("ps", "--all", "--quiet", "--filter", mine),
            "volumes": ("volume", "ls", "--quiet", "--filter", mine),
            "networks": ("network", "ls", "--quiet", "--filter", mine),
        }
        return {what: docker(*command).stdout.split() for what, command in listed.items()}


def free_network() -> str:
    """The first three numbers of a /24 that no network of this engine overlaps."""
    ids = docker("network", "ls", "--quiet").stdout.split()
    pools = re.findall(r'"Subnet": "([\d./]+)"', docker("network", "inspect", *ids).stdout)
    taken = [ipaddress.ip_network(pool) for pool in pools]
    candidates = ipaddress.ip_network("172.16.0.0/16").subnets(new_prefix=24)
    free = (each for each in candidates if not any(each.overlaps(other) for other in taken))
    return str(next(free).network_address).removesuffix(".0")


@pytest.fixture(scope="module")
def composed() -> Iterator[Composed]:
    if reason := why_no_engine():
        pytest.skip(f"docker compose can't be tried here: {reason}")
    running = Composed()
    try:
        up = running.compose("up", "--detach", "--build", "--wait", check=False)
        if up.returncode:
            logs = running.compose("logs", "--no-color", "--tail=40", check=False).stdout
            pytest.fail(f"docker compose up:\n{up.stderr[-4000:]}\n{logs}")
        yield running
    finally:
        running.compose("down", "--volumes", "--timeout=20", "--rmi=local", check=False)
        docker("image", "rm", f"{running.project}-django", check=False)


@pytest.fixture
def browser(composed: Composed) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=composed.url, timeout=20) as client:
        yield client


def eventually(browser: httpx.Client, path: str, *, within: float = 20) -> httpx.Response:
    """The first good answer."""
    deadline = time.monotonic() + within
    while True:
        response = browser.get(path)
        if response.is_success or time.monotonic() > deadline:
            return response
        time.sleep(0.2)


def test_every_service_is_up_and_healthy(composed):
    lines = composed.compose("ps", "--all", "--format=json").stdout.splitlines()
    containers = {row["Service"]: row for row in map(json.loads, lines)}
    state = {name: (row["State"], row["Health"]) for name, row in containers.items()}
    healthy, done = ("running", "healthy"), ("exited", "")
    assert state == {
        **dict.fromkeys(("nginx", "sync", "async", "postgres", "redis"), healthy),
        **dict.fromkeys(("check", "migrate"), done),
    }


@pytest.mark.parametrize(("path", "role"), [("/", "sync"), ("/async/hello/", "async")])
def test_both_instances_answer_through_nginx(browser, path, role):
    response = browser.get(path)
    assert (response.status_code, response.headers["X-Served-By"]) == (200, role)
    assert response.headers["Server"] == "nginx"


@pytest.mark.parametrize(("path", "role"), [("/readyz/", "sync"), ("/async/readyz/", "async")])
def test_both_instances_reach_postgresql_and_redis(composed, browser, path, role):
    response = browser.get(path)
    assert response.status_code == 200
    assert response.json()["checks"] == {"database default": "ok", "cache default": "ok"}
    shell = "from django.db import connection; print(connection.vendor)"
    asked = composed.compose("exec", "-T", role, "python", "manage.py", "shell", "-v0", "-c", shell)
    assert asked.stdout.split()[-1] == "postgresql"


def test_nginx_serves_the_collected_static_files(browser):
    response = browser.get("/static/app/app.css")
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/css")
    assert "max-age" in response.headers["Cache-Control"]
    assert "X-Served-By" not in response.headers


def test_a_login_on_the_sync_side_holds_on_the_async_side(composed, browser):
    created = composed.compose(
        *("exec", "-T", "-e", f"DJANGO_SUPERUSER_PASSWORD={PASSWORD}", "sync"),
        *("python", "manage.py", "createsuperuser", "--no-input"),
        *("--username=admin", "--email=admin@example.com"),
    )
    assert "created successfully" in created.stdout
    assert not browser.get("/async/board/check/").is_success

    page = browser.get("/accounts/login/").text
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]
    form = {"username": "admin", "password": PASSWORD, "csrfmiddlewaretoken": token}
    assert browser.post("/accounts/login/", data=form).status_code == 302

    response = browser.get("/async/board/check/")
    assert response.status_code == 200
    assert response.headers["X-Served-By"] == "async"


@pytest.mark.parametrize(("name", "path"), [("sync", "/"), ("async", "/async/hello/")])
def test_a_server_that_is_killed_comes_back(composed, browser, name, path):
    # Process 1 is the init; its child is the server.
    kill = "read server rest < /proc/1/task/1/children; kill -KILL $server"
    composed.compose("exec", "-T", name, "sh", "-c", kill, check=False)
    assert eventually(browser, path).status_code == 200
    container = composed.compose("ps", "--quiet", name).stdout.strip()
    restarts = docker("inspect", "--format={{.RestartCount}}", container).stdout.strip()
    assert int(restarts) >= 1


def test_a_cache_that_is_down_is_named_by_readyz(composed, browser):
    composed.compose("stop", "--timeout=5", "redis")
    try:
        for path in ("/readyz/", "/async/readyz/"):
            response = browser.get(path)
            assert response.status_code == 503
            assert response.json()["checks"] == {
                "database default": "ok",
                "cache default": "failed",
            }
    finally:
        composed.compose("start", "redis")
    assert eventually(browser, "/readyz/").status_code == 200


@pytest.mark.parametrize("name", ["check", "migrate", "sync", "async"])
def test_production_without_secrets_is_refused_by_each_container(composed, name):
    run = composed.compose(
        *("run", "--rm", "--no-deps", "-T", name), check=False, DJANGO_ENV="production"
    )
    assert run.returncode != 0
    output = run.stdout + run.stderr
    for variable in ("DJANGO_SECRET_KEY", "DJANGO_ALLOWED_HOSTS"):
        assert variable in output


@pytest.mark.parametrize("profile", ["mixed", "uvicorn"])
def test_a_profile_adds_its_topology_for_the_same_database(composed, profile):
    nginx = f"nginx-{profile}"
    composed.compose("--profile", profile, "up", "--detach", "--wait")
    try:
        for path in ("/", "/async/hello/", "/async/readyz/"):
            url = f"http://127.0.0.1:8080{path}"
            asked = (
                "curl",
                "--silent",
                "--fail",
                "--output",
                "/dev/null",
                "--dump-header",
                "-",
                url,
            )
            answer = composed.compose("exec", "-T", nginx, *asked).stdout
            assert "X-Served-By: mixed" in answer, answer
    finally:
        composed.compose("--profile", profile, "rm", "--stop", "--force", nginx, profile)


def test_down_leaves_no_container_volume_or_network(composed):
    assert all(composed.what_is_left().values())
    composed.compose("down", "--volumes", "--timeout=20")
    assert composed.what_is_left() == {"containers": [], "volumes": [], "networks": []}
