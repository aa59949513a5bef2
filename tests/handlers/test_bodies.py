"""Where a body is: in memory if it fits, else on disk, without a write on the event loop."""

import asyncio
import threading
from io import BytesIO

import pytest
from django.core.exceptions import RequestAborted
from django.http import HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from split_deploy import hops
from split_deploy.handlers import body
from tests.handlers.client import GONE, Exchange, ask

pytestmark = [pytest.mark.asyncio, pytest.mark.urls(__name__)]

BOUNDARY = [(b"content-type", b"multipart/form-data; boundary=x")]


def a_form(*files: bytes) -> bytes:
    parts = [
        b'--x\r\nContent-Disposition: form-data; name="f%d"; filename="f"\r\n\r\n%b\r\n' % item
        for item in enumerate(files)
    ]
    return b"".join(parts) + b"--x--\r\n"


async def size(request):
    return JsonResponse({"size": len(request.read())})


async def upload(request):
    return JsonResponse({"names": sorted(request.FILES), "sizes": sizes_of(request)})


def sizes_of(request):
    return [file.size for file in request.FILES.values()]


async def raw(request):
    return HttpResponse(request.body)


urlpatterns = [
    path("size/", size),
    path("upload/", csrf_exempt(upload)),
    path("raw/", raw),
]


class Chunks:
    """What a server receives, one chunk after the other."""

    def __init__(self, *chunks, then=None):
        self.messages = [{"type": "http.request", "body": c, "more_body": True} for c in chunks]
        if then is None:
            self.messages[-1]["more_body"] = False
        else:
            self.messages.append(then)

    async def receive(self):
        message = self.messages.pop(0)
        if isinstance(message, BaseException):
            raise message
        return message


@pytest.fixture
def writes(monkeypatch):
    """The sizes of what is written to a disk, and whether any was by the event loop's thread."""
    made = []

    class File(body.SpooledTemporaryFile):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            made.append(self)
            self.written = []

        def write(self, data):
            assert threading.current_thread() is not threading.main_thread()
            self.written.append(len(data))
            return super().write(data)

        def close(self):
            self.closed_by = threading.current_thread()
            super().close()

    monkeypatch.setattr(body, "SpooledTemporaryFile", File)
    return made


@pytest.mark.parametrize(
    "chunks", [(b"",), (b"12345",), (b"123", b"45"), (b"1", b"", b"2345", b"")]
)
async def test_a_body_that_fits_is_in_memory(chunks, settings, writes):
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 5
    file = await body.read_body(Chunks(*chunks).receive)

    assert type(file) is BytesIO
    assert file.read() == b"".join(chunks)
    assert writes == []


@pytest.mark.parametrize("chunks", [(b"123456",), (b"123", b"456"), (b"1", b"2345", b"6", b"")])
async def test_a_body_that_does_not_is_on_disk(chunks, settings, writes):
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 5
    file = await body.read_body(Chunks(*chunks).receive)

    assert file._rolled  # as Django's handler has it
    assert file.read() == b"123456"
    await body.close_body(file)
    assert file.closed


async def test_without_a_limit_it_is_in_memory_as_in_django(settings, writes):
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 0
    file = await body.read_body(Chunks(b"1" * 3_000_000, b"2").receive)
    assert type(file) is BytesIO


async def test_it_is_written_in_batches_of_one_hop_each(settings, writes):
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 1000
    chunks = [bytes([n % 256]) * 65536 for n in range(40)]
    hops.count_default_executor()
    with hops.counted_into(counted := hops.Hops()):
        file = await body.read_body(Chunks(*chunks).receive)

    assert file.read() == b"".join(chunks)
    assert writes[0].written == [8 * 65536] * 5
    assert counted.count == 5
    file.close()


@pytest.mark.parametrize("already", [b"1", b"1" * 100, b"1" * (body.BATCH + 1)])
async def test_an_aborted_upload_leaves_no_file(settings, writes, already):
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 10
    with pytest.raises(RequestAborted):
        await body.read_body(Chunks(already, b"2" * 100, then=GONE).receive)
    assert [file.closed for file in writes] == [True]


async def test_nor_does_a_server_that_stops(settings, writes):
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 10
    exchange = Exchange("/size/", "POST")
    exchange.messages.get_nowait()
    exchange.messages.put_nowait({"type": "http.request", "body": b"1" * 100, "more_body": True})
    exchange.begin()
    await asyncio.sleep(0.01)
    exchange.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await exchange.end()
    assert [file.closed for file in writes] == [True]


async def test_nor_does_one_that_stops_in_the_middle_of_a_write(settings, monkeypatch):
    begun, go_on = threading.Event(), threading.Event()
    made = []

    class Slow(body.SpooledTemporaryFile):
        def rollover(self):
            made.append(self)
            begun.set()
            go_on.wait(10)
            super().rollover()

    monkeypatch.setattr(body, "SpooledTemporaryFile", Slow)
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 10
    reading = asyncio.create_task(body.read_body(Chunks(b"1" * 100).receive))
    await asyncio.to_thread(begun.wait, 10)
    reading.cancel()
    await asyncio.sleep(0.05)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await reading

    assert [(file._rolled, file.closed) for file in made] == [(True, True)]


async def test_a_large_body_reaches_the_view_and_is_closed_in_a_thread(settings, writes):
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 10
    exchange = await ask("/size/", "POST", body=[b"1" * 100, b"2" * 23])

    assert exchange.content == b'{"size": 123}'
    assert writes[0].closed
    assert writes[0].closed_by is not threading.main_thread()
    assert exchange.hops.count == 2  # written, closed


async def test_an_upload_in_memory_needs_no_thread():
    exchange = await ask("/upload/", "POST", body=a_form(b"1", b"22"), scope={"headers": BOUNDARY})
    assert exchange.content == b'{"names": ["f0", "f1"], "sizes": [1, 2]}'
    assert exchange.hops.count == 0


async def test_an_upload_on_disk_is_closed_in_a_thread(settings):
    settings.FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]
    exchange = await ask("/upload/", "POST", body=a_form(b"1"), scope={"headers": BOUNDARY})
    assert exchange.content == b'{"names": ["f0"], "sizes": [1]}'
    assert exchange.hops.count == 1


async def test_a_body_above_django_s_limit_is_refused(settings):
    settings.TEMPLATES = []
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 4
    small = await ask("/raw/", "POST", body=b"1234")
    large = await ask("/raw/", "POST", body=b"12345")
    assert (small.status, large.status) == (200, 400)
