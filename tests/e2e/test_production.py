"""The production settings, and PostgreSQL and Redis behind both instances."""

import re
import socket
import threading
import time
from contextlib import suppress
from urllib.parse import urlsplit

import httpx
import pytest

from split_deploy.topology import TOPOLOGIES
from tests.e2e.conftest import create_admin
from tests.e2e.stack import Stack
from tests.services import require_postgres, require_redis

PROBES = {"/readyz/": "sync", "/async/readyz/": "async"}


class Relay:
    """A TCP relay to ``host:port``, that can be cut and mended like a network."""

    def __init__(self, host, port):
        self._target = (host, port)
        self._connections = []
        self.is_cut = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self):
        self.is_cut = True
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def mend(self):
        self.is_cut = False

    def close(self):
        self.cut()
        self._listener.close()
        for connection in self._connections:
            connection.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.is_cut:
                client.close()
                continue
            server = socket.create_connection(self._target)
            self._connections += [client, server]
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def relayed_database():
    url = urlsplit(require_postgres())
    relay = Relay(url.hostname, url.port or 5432)
    yield relay, url._replace(netloc=f"{url.netloc.rsplit(':', 1)[0]}:{relay.port}").geturl()
    relay.close()


@pytest.fixture(scope="module", params=TOPOLOGIES)
def production(request, tmp_path_factory):
    with Stack(
        tmp_path_factory.mktemp("production"),
        TOPOLOGY=request.param,
        RELOAD="0",
        DJANGO_ENV="production",
        DJANGO_SECRET_KEY="fq3DqyRk6mXv0L1cPz8sTnWb2JhYgUe7AiKoE5xM4rVdCwNpZtSuBQlO9G",
        DJANGO_ALLOWED_HOSTS="localhost,127.0.0.1",
        DATABASE_URL=require_postgres(),
        CACHE_URL=require_redis(),
        WEB_CONCURRENCY="2",
    ) as stack:
        yield stack


def test_both_instances_are_ready_with_postgresql_and_redis(production):
    for path, role in PROBES.items():
        response = httpx.get(production.url + path)
        assert response.json() == {
            "status": "ok",
            "role": production.served_by(role),
            "checks": {"database default": "ok", "cache default": "ok"},
        }


def test_every_page_is_redirected_to_https_and_probes_are_not(production):
    for path in ("/", "/async/hello/"):
        response = httpx.get(production.url + path)
        assert response.status_code == 301
        assert response.headers["Location"] == production.url.replace("http:", "https:") + path
    assert httpx.get(f"{production.url}/healthz/").status_code == 200
    assert httpx.get(f"{production.url}/async/healthz/").status_code == 200


def test_static_files_have_the_hash_of_their_content_and_may_be_kept(production):
    manifest = production.manage(
        *("shell", "-c"),
        "from django.templatetags.static import static; print(static('admin/css/base.css'))",
    )
    url = re.search(r"/static/admin/css/base\.[0-9a-f]{12}\.css", manifest)[0]
    response = httpx.get(production.url + url)

    assert response.status_code == 200
    assert "immutable" in response.headers["Cache-Control"]


def test_a_login_of_the_sync_instance_holds_on_the_async_one(tmp_path):
    services = {"DATABASE_URL": require_postgres(), "CACHE_URL": require_redis()}
    with Stack(tmp_path, **services) as stack, httpx.Client(base_url=stack.url) as browser:
        create_admin(stack)
        assert browser.get("/async/board/check/").status_code == 401

        form = browser.get("/accounts/login/").text
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form)[1]
        credentials = {"username": "admin", "password": "admin", "csrfmiddlewaretoken": token}
        assert browser.post("/accounts/login/", data=credentials).status_code == 302

        checked = browser.get("/async/board/check/")
        assert checked.status_code == 200
        assert checked.headers["Content-Type"].startswith("text/event-stream")
        assert "event: done" in checked.text


def test_readiness_follows_the_database_and_liveness_does_not_care(tmp_path, relayed_database):
    relay, url = relayed_database
    with Stack(tmp_path, DATABASE_URL=url) as stack:
        assert all(httpx.get(stack.url + path).status_code == 200 for path in PROBES)

        relay.cut()
        for path in PROBES:
            response = httpx.get(stack.url + path)
            assert response.status_code == 503
            assert response.json()["checks"] == {
                "database default": "failed",
                "cache default": "ok",
            }
        assert httpx.get(f"{stack.url}/healthz/").status_code == 200
        assert httpx.get(f"{stack.url}/async/healthz/").status_code == 200
        stack.wait_for_log("Not ready: database default does not answer.")

        relay.mend()
        deadline = time.monotonic() + 10
        while any(httpx.get(stack.url + path).status_code != 200 for path in PROBES):
            assert time.monotonic() < deadline, stack.log()


def test_readiness_names_a_cache_that_is_gone(tmp_path):
    with Stack(tmp_path, CACHE_URL="redis://127.0.0.1:1/0") as stack:
        for path in PROBES:
            response = httpx.get(stack.url + path)
            assert response.status_code == 503
            assert response.json()["checks"] == {
                "database default": "ok",
                "cache default": "failed",
            }


def test_liveness_of_the_async_instance_fails_after_the_loop_was_blocked_too_long(tmp_path):
    """The default limit is 5 s, and burn_some_meats takes five steps."""
    with Stack(tmp_path, TUTORIAL_STEP_SECONDS="1.1") as stack:
        assert httpx.get(f"{stack.url}/async/healthz/").status_code == 200
        assert httpx.get(f"{stack.url}/async/burn_some_meats/", timeout=20).status_code == 200
        response = httpx.get(f"{stack.url}/async/healthz/")
        assert response.status_code == 503
        assert response.json()["checks"] == {"event loop": "failed"}
        assert httpx.get(f"{stack.url}/healthz/").status_code == 200
