import asyncio
import re

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.db import connections
from django.db.utils import OperationalError
from django.http import HttpResponse
from django.test import AsyncClient, Client, RequestFactory

from split_deploy import request_id
from split_deploy.logging import RequestContextFilter
from split_deploy.middleware import HealthMiddleware, InstanceMiddleware

pytestmark = pytest.mark.django_db


@pytest.fixture
def async_role(settings):
    settings.SPLIT_DEPLOY = settings.SPLIT_DEPLOY | {"ROLE": "async"}
    settings.ROOT_URLCONF = "async_urls"


@pytest.fixture
def unreachable_database(monkeypatch):
    def refuse(*args, **kwargs):
        raise OperationalError("connection refused: 10.1.2.3")

    monkeypatch.setattr(connections["default"], "cursor", refuse)


# InstanceMiddleware


def test_the_sync_instance_names_itself(client):
    assert client.get("/").headers["X-Served-By"] == "sync"
    assert client.get("/no/such/page/").headers["X-Served-By"] == "sync"


@pytest.mark.asyncio
async def test_the_async_instance_names_itself(async_role):
    response = await AsyncClient().get("/async/hello/")
    assert response.headers["X-Served-By"] == "async"


def test_a_valid_request_id_is_kept(client):
    response = client.get("/", headers={"X-Request-ID": "abc-DEF_1.2"})
    assert response.headers["X-Request-ID"] == "abc-DEF_1.2"


@pytest.mark.parametrize(
    "value", ["", "short", "x" * 65, "with space", "semi;colon", "new\nline", "ünïcödé-id"]
)
def test_any_other_request_id_is_replaced(client, value):
    made = client.get("/", headers={"X-Request-ID": value}).headers["X-Request-ID"]
    assert re.fullmatch(r"[0-9a-f]{32}", made)


def test_views_and_log_lines_see_the_request_id():
    seen = []

    def view(request):
        seen.extend([request.request_id, request_id.current.get()])
        return HttpResponse()

    response = InstanceMiddleware(view)(RequestFactory().get("/"))

    assert seen == [response.headers["X-Request-ID"]] * 2


@pytest.mark.parametrize("path", ["/", "/no/such/page/"])
def test_the_thread_forgets_the_request_id_when_the_response_is_closed(client, path):
    client.get(path).close()
    assert request_id.current.get() == "-"


def test_django_s_own_log_line_of_a_response_has_the_request_id(client, caplog):
    caplog.handler.addFilter(RequestContextFilter())
    client.get("/no/such/page/", headers={"X-Request-ID": "0123456789"})
    (record,) = caplog.records
    assert (record.name, record.request_id) == ("django.request", "0123456789")


@pytest.mark.asyncio
async def test_concurrent_requests_keep_their_ids_apart(async_role):
    async def view(request):
        before = request_id.current.get()
        await asyncio.sleep(0.01)
        assert request_id.current.get() == before == request.request_id
        return HttpResponse(before)

    middleware = InstanceMiddleware(view)
    requests = [RequestFactory().get("/") for _ in range(50)]
    responses = await asyncio.gather(
        *(asyncio.create_task(middleware(request)) for request in requests)
    )

    assert len({response.content for response in responses}) == 50


@pytest.mark.parametrize("middleware", [InstanceMiddleware, HealthMiddleware])
def test_neither_is_adapted_under_asgi(middleware, settings, caplog):
    settings.MIDDLEWARE = [f"split_deploy.middleware.{middleware.__name__}"]
    caplog.set_level("DEBUG", logger="django.request")
    ASGIHandler()
    assert "adapted" not in caplog.text


# HealthMiddleware


@pytest.mark.parametrize("path", ["/healthz/", "/readyz/"])
def test_the_sync_instance_is_well(client, path):
    response = client.get(path)

    assert response.status_code == 200
    assert response.json()["role"] == "sync"
    assert response.json()["status"] == "ok"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Served-By"] == "sync"


@pytest.mark.parametrize("path", ["/async/healthz/", "/async/readyz/"])
@pytest.mark.asyncio
@pytest.mark.django_db(transaction=True)
async def test_the_async_instance_is_well(async_role, path):
    response = await AsyncClient().get(path)

    assert response.status_code == 200
    assert response.json()["role"] == "async"


def test_probes_need_neither_a_known_host_nor_https(client, settings):
    settings.SECURE_SSL_REDIRECT = True
    settings.ALLOWED_HOSTS = ["example.com"]

    assert client.get("/healthz/", headers={"Host": "10.0.0.7:8000"}).status_code == 200
    assert client.get("/readyz/", headers={"Host": "10.0.0.7:8000"}).status_code == 200
    assert client.get("/", headers={"Host": "10.0.0.7:8000"}).status_code == 400
    assert client.get("/", headers={"Host": "example.com"}).status_code == 301


@pytest.mark.parametrize("role", ["sync", "async"])
def test_a_probe_of_the_other_instance_is_not_answered(settings, role):
    settings.SPLIT_DEPLOY = settings.SPLIT_DEPLOY | {"ROLE": role}
    other = {"sync": "/async/healthz/", "async": "/healthz/"}[role]
    assert Client().get(other).status_code == 404


def test_the_async_probe_follows_the_prefix(settings):
    settings.SPLIT_DEPLOY = {"ROLE": "async", "ASYNC_PREFIX": "api/live/"}
    response = HealthMiddleware(lambda request: HttpResponse(status=404))(
        RequestFactory().get("/api/live/healthz/")
    )
    assert response.status_code == 200


@pytest.mark.parametrize("path", ["/healthz/", "/readyz/"])
def test_only_safe_methods_are_allowed(client, path):
    assert client.head(path).status_code == 200
    response = client.post(path)
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, HEAD"


def test_liveness_never_touches_the_database(
    client, unreachable_database, django_assert_num_queries
):
    assert client.get("/healthz/").status_code == 200
    with django_assert_num_queries(0):
        client.get("/healthz/")


def test_readiness_names_the_database_that_fails_and_tells_strangers_no_more(
    client, unreachable_database, caplog
):
    response = client.get("/readyz/")

    assert response.status_code == 503
    assert response.json()["checks"] == {"database default": "failed", "cache default": "ok"}
    assert "10.1.2.3" not in response.text
    assert "10.1.2.3" in caplog.text


def test_readiness_names_the_cache_that_fails(client, settings):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1/0",
        }
    }
    response = client.get("/readyz/")

    assert response.status_code == 503
    assert response.json()["checks"] == {"database default": "ok", "cache default": "failed"}


def test_a_cache_that_forgets_at_once_is_not_ready(client, settings):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    assert client.get("/readyz/").json()["checks"]["cache default"] == "failed"


@pytest.mark.parametrize(("blocked", "status"), [(4.9, 200), (5.1, 503)])
@pytest.mark.asyncio
async def test_async_liveness_fails_when_the_loop_was_blocked_too_long(
    async_role, monkeypatch, blocked, status
):
    monkeypatch.setattr("split_deploy.health.loop_blocked_for", lambda: blocked)
    response = await AsyncClient().get("/async/healthz/")
    assert response.status_code == status
    assert response.json()["checks"] == {"event loop": "ok" if status == 200 else "failed"}
