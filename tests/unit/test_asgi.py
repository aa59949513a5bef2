import logging

import pytest
import uvicorn
from django.core.signals import request_finished
from django.http import HttpResponse
from django.urls import path

from split_deploy.access_log import AccessLog
from split_deploy.asgi import AsyncApplication, get_async_application

SCOPE = {
    "type": "http",
    "method": "GET",
    "path": "/a b",
    "raw_path": b'/a%20b"',
    "query_string": b"q=%0A",
    "client": ("203.0.113.9", 1234),
}


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, logger="split_deploy.access")
    logger = logging.getLogger("split_deploy.access")
    logger.addHandler(caplog.handler)  # it does not propagate
    yield caplog
    logger.removeHandler(caplog.handler)


async def ignore(message):
    pass


def responding(*bodies, error=None):
    async def app(scope, receive, send):
        headers = [(b"X-Served-By", b"async"), (b"x-request-id", b"abcdefgh")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for body in bodies:
            await send({"type": "http.response.body", "body": body, "more_body": True})
        if error:
            raise error
        await send({"type": "http.response.body", "body": b""})

    return app


@pytest.mark.asyncio
async def test_a_response_is_logged_once_with_role_id_size_and_duration(lines):
    await AccessLog(responding(b"12", b"345"))(SCOPE, None, ignore)

    (line,) = lines.messages
    start, duration = line.split(" duration_ms=")
    assert start == (
        'role=async client=203.0.113.9 method=GET path="/a%20b%22?q=%0A" status=200 bytes=5'
    )
    assert duration.split(" ")[1] == "hops=-"


@pytest.mark.asyncio
async def test_a_response_that_breaks_off_is_logged_and_the_error_goes_on(lines):
    with pytest.raises(LookupError):
        await AccessLog(responding(b"12", error=LookupError()))(SCOPE, None, ignore)
    assert "status=200 bytes=2" in lines.messages[0]


@pytest.mark.asyncio
async def test_an_error_before_the_response_is_logged_as_a_500(lines):
    async def app(scope, receive, send):
        raise LookupError

    without_raw_path = {key: value for key, value in SCOPE.items() if key != "raw_path"}
    with pytest.raises(LookupError):
        await AccessLog(app)(without_raw_path, None, ignore)
    assert 'path="/a%20b?q=%0A" status=500' in lines.messages[0]


@pytest.mark.asyncio
async def test_a_client_that_leaves_unanswered_is_logged_as_499(lines):
    async def app(scope, receive, send):
        return

    await AccessLog(app)(SCOPE | {"client": None}, None, ignore)
    assert "client=- " in lines.messages[0]
    assert "status=499" in lines.messages[0]


@pytest.mark.asyncio
async def test_with_the_log_off_the_application_is_called_as_it_is(lines):
    seen = []

    async def app(scope, receive, send):
        seen.append(send)

    logging.getLogger("split_deploy.access").setLevel(logging.WARNING)
    try:
        await AccessLog(app)(SCOPE, None, ignore)
    finally:
        logging.getLogger("split_deploy.access").setLevel(logging.INFO)

    assert seen == [ignore]
    assert lines.messages == []


@pytest.mark.asyncio
async def test_a_websocket_is_refused_with_a_hint_where_nobody_serves_it(settings, caplog):
    settings.SPLIT_DEPLOY = {"ROLE": "async", "REFUSE_IMPURE": False}
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    application = get_async_application()
    logging.getLogger("split_deploy").addHandler(caplog.handler)  # that has set up logging anew
    await application({"type": "websocket", "path": "/async/ws\n"}, receive, send)
    logging.getLogger("split_deploy").removeHandler(caplog.handler)

    assert sent == [{"type": "websocket.close", "code": 1008}]
    assert "Refused a WebSocket connection to /async/ws%0A: " in caplog.text
    assert "get_async_application(websocket=...)" in caplog.text


@pytest.mark.asyncio
async def test_a_websocket_goes_to_the_application_given_for_it():
    seen = []

    async def websocket(scope, receive, send):
        seen.append(scope["path"])

    application = AsyncApplication(http=responding(), websocket=websocket)
    await application({"type": "websocket", "path": "/async/ws/"}, None, None)

    assert seen == ["/async/ws/"]


@pytest.mark.asyncio
@pytest.mark.urls("tests.unit.test_asgi")
async def test_http_is_served_without_a_thread_hop(settings, lines):
    settings.SPLIT_DEPLOY = {"ROLE": "async", "REFUSE_IMPURE": False}
    settings.MIDDLEWARE = []
    settings.LOGGING_CONFIG = None
    # A test of the sync instance that ran before has connected it, for as long as the process runs.
    request_finished.disconnect(dispatch_uid="split_deploy.request_id")
    sent = []

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        sent.append(message)

    await get_async_application()(SCOPE | {"path": "/", "headers": []}, receive, send)

    assert [message.get("status") for message in sent] == [200, None]
    assert " hops=0 " in lines.messages[-1]


async def view(request):
    return HttpResponse()


urlpatterns = [path("", view)]


def test_servers_take_it_for_asgi_3():
    """It is no coroutine function: it returns one's coroutine, and is marked."""
    config = uvicorn.Config(AsyncApplication(http=responding(), websocket=responding()))
    config.load()
    assert config.interface == "asgi3"
