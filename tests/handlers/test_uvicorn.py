"""The handler under Uvicorn, over real sockets that a client may cut whenever it likes."""

import asyncio
import logging
import socket
import threading
from contextlib import suppress

import pytest
import pytest_asyncio
import uvicorn
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

from split_deploy.asgi import AsyncApplication
from split_deploy.handlers import NativeASGIHandler

pytestmark = [pytest.mark.asyncio, pytest.mark.urls(__name__)]


class Notes:
    def __init__(self):
        self.entered = asyncio.Event()
        self.ended = asyncio.Event()
        self.how = None


@pytest.fixture(autouse=True)
def instance(settings, monkeypatch):
    # Says how long a response is.
    settings.MIDDLEWARE = ["split_deploy.middleware.common.CommonMiddleware"]
    monkeypatch.setattr(logging.getLogger("split_deploy.access"), "disabled", True)


@pytest.fixture(autouse=True)
def notes():
    global noted
    noted = Notes()
    return noted


async def hello(request):
    return JsonResponse({"hello": request.path_info})


async def echo(request):
    return HttpResponse(request.read())


async def waiting(request):
    noted.entered.set()
    try:
        await asyncio.sleep(10)
    except BaseException as error:
        noted.how = type(error)
        raise
    finally:
        noted.ended.set()


async def stream(request):
    async def parts():
        try:
            for number in range(1_000_000):
                yield b"%07d\n" % number
                noted.entered.set()
                await asyncio.sleep(0.01 if "slow" in request.GET else 0)
        except BaseException as error:
            noted.how = type(error)
            raise
        finally:
            noted.ended.set()

    return StreamingHttpResponse(parts())


async def file(request):
    return FileResponse(open(__file__, "rb"))  # noqa: ASYNC230


async def failing_stream(request):
    async def parts():
        yield b"1"
        raise LookupError

    return StreamingHttpResponse(parts())


async def too_long(request):
    return HttpResponse("12345", headers={"Content-Length": "3"})


urlpatterns = [
    path("", hello),
    path("page/", hello),
    path("echo/", echo),
    path("waiting/", waiting),
    path("stream/", stream),
    path("file/", file),
    path("failing-stream/", failing_stream),
    path("too-long/", too_long),
]


@pytest_asyncio.fixture
async def server(request):
    """The port of a Uvicorn with these URLs."""
    application = AsyncApplication(http=NativeASGIHandler(), websocket=None)
    listening = socket.create_server(("127.0.0.1", 0))
    options = {"lifespan": "off", "log_config": None, "access_log": False} | getattr(
        request, "param", {}
    )
    running = uvicorn.Server(uvicorn.Config(application, **options))
    running.capture_signals = _no_signals
    task = asyncio.create_task(running.serve(sockets=[listening]))
    while not running.started:
        await asyncio.sleep(0.01)
    yield listening.getsockname()[1]
    running.should_exit = True
    await task


class _no_signals:  # noqa: N801 - in the place of a context manager
    def __enter__(self):
        pass

    def __exit__(self, *_):
        pass


class Connection:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    def send(self, method, target, body=b"", length=None):
        length = len(body) if length is None else length
        head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
        self.writer.write(head.encode() + body)

    async def head(self):
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        return int(head[0].split()[1]), headers

    async def ask(self, method, target, body=b""):
        self.send(method, target, body)
        status, headers = await self.head()
        length = 0 if method == "HEAD" else int(headers.get("content-length", 0))
        return status, headers, await self.reader.readexactly(length)

    def cut(self):
        """Close it without a farewell: the other side gets a reset."""
        self.writer.transport.abort()


@pytest_asyncio.fixture
async def connect(server):
    """Opens connections."""
    connections = []

    async def connect():
        connections.append(Connection(*await asyncio.open_connection("127.0.0.1", server)))
        return connections[-1]

    yield connect
    for connection in connections:
        connection.cut()
        with suppress(OSError):
            await connection.writer.wait_closed()


async def test_a_connection_is_kept_for_the_next_request(connect):
    connection = await connect()
    for target in ("/", "/page/"):
        status, _, body = await connection.ask("GET", target)
        assert (status, body) == (200, b'{"hello": "%s"}' % target.encode())


async def test_head_has_the_headers_of_get_and_no_body(connect):
    connection = await connect()
    _, of_get, _ = await connection.ask("GET", "/")
    status, of_head, _ = await connection.ask("HEAD", "/")
    assert status == 200
    assert of_head["content-length"] == of_get["content-length"]
    assert (await connection.ask("GET", "/"))[0] == 200  # nothing was left over


@pytest.mark.parametrize("server", [{"root_path": "/site"}], indirect=True)
async def test_the_script_name_is_not_part_of_the_path_info(connect):
    connection = await connect()
    status, _, body = await connection.ask("GET", "/page/")
    assert (status, body) == (200, b'{"hello": "/page/"}')


async def test_a_client_that_cuts_the_connection_cancels_the_view(connect, notes):
    connection = await connect()
    connection.send("GET", "/waiting/")
    await notes.entered.wait()
    connection.cut()
    await asyncio.wait_for(notes.ended.wait(), 2)
    assert notes.how is asyncio.CancelledError


@pytest.mark.parametrize("query", ["?slow", ""])
async def test_a_client_that_cuts_the_connection_ends_the_stream(connect, notes, query):
    connection = await connect()
    connection.send("GET", f"/stream/{query}")
    status, _ = await connection.head()
    await connection.reader.read(10)
    connection.cut()

    await asyncio.wait_for(notes.ended.wait(), 5)
    assert status == 200
    assert notes.how in (asyncio.CancelledError, GeneratorExit)


async def test_a_client_that_reads_nothing_holds_the_stream_up_until_it_leaves(connect, notes):
    connection = await connect()
    connection.writer.transport.pause_reading()
    connection.send("GET", "/stream/")
    await notes.entered.wait()
    await asyncio.sleep(0.2)
    connection.cut()
    await asyncio.wait_for(notes.ended.wait(), 5)


async def test_an_aborted_upload_reaches_no_view(connect, notes, settings, caplog):
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 1000
    connection = await connect()
    connection.send("POST", "/waiting/", b"x" * 100_000, length=1_000_000)
    await connection.writer.drain()
    await asyncio.sleep(0.1)
    connection.cut()
    await asyncio.sleep(0.1)

    assert not notes.entered.is_set()
    assert [record for record in caplog.records if record.exc_info] == []


async def test_a_body_in_memory_and_one_on_disk_arrive_whole(connect, settings):
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 100_000
    connection = await connect()
    for size in (1, 99_999, 100_001, 3_000_000):
        body = bytes(number % 251 for number in range(size))
        status, _, answer = await connection.ask("POST", "/echo/", body)
        assert status == 200
        assert answer == body


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
async def test_a_file_is_sent(connect):
    connection = await connect()
    status, _, body = await connection.ask("GET", "/file/")
    assert status == 200
    with open(__file__, "rb") as this:  # noqa: ASYNC230
        assert body == this.read()


async def test_a_stream_that_fails_breaks_the_response_off(connect, caplog):
    connection = await connect()
    connection.send("GET", "/failing-stream/")
    await connection.head()
    assert await connection.reader.read() == b"1\r\n1\r\n"  # and no end of the last chunk
    (record,) = [record for record in caplog.records if record.exc_info]
    assert record.exc_info[0] is LookupError


async def test_what_the_server_refuses_to_send_is_its_error(connect, caplog):
    connection = await connect()
    connection.send("GET", "/too-long/")
    assert (await connection.head())[0] == 200
    assert await connection.reader.read() == b""
    (record,) = [record for record in caplog.records if record.exc_info]
    assert "Response content longer than Content-Length" in record.exc_text or str(
        record.exc_info[1]
    )


async def test_a_thousand_requests_start_no_thread_and_leave_no_task(connect):
    before = set(threading.enumerate())
    connections = [await connect() for _ in range(20)]
    for _ in range(50):
        for connection in connections:
            connection.send("GET", "/")
        for connection in connections:
            status, headers = await connection.head()
            await connection.reader.readexactly(int(headers["content-length"]))
            assert status == 200
    tasks = {task.get_coro().__qualname__ for task in asyncio.all_tasks()}

    assert set(threading.enumerate()) == before
    assert {name for name in tasks if "handler" in name.lower() or "asgi" in name.lower()} == set()
