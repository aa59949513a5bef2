"""Large files, in and out."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.views.decorators.csrf import csrf_exempt

#: Bytes of the file that ``prepare.py`` makes.
SIZE = 100_000_000
CHUNK = 1024 * 1024


def large_file() -> Path:
    """Where it is."""
    return settings.FOLDER / "100MB.bin"


def _size_of_upload(request: HttpRequest) -> int:
    """Parse the form, and read all of the file in it."""
    return sum(len(chunk) for chunk in request.FILES["file"].chunks())


@csrf_exempt
def upload_sync(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"size": _size_of_upload(request)})


@csrf_exempt
async def upload_async(request: HttpRequest) -> HttpResponse:
    """The same, in the event loop: what most async views do, since Django has no other way."""
    return JsonResponse({"size": _size_of_upload(request)})


def download_sync(request: HttpRequest) -> HttpResponse:
    return FileResponse(large_file().open("rb"))


async def download_async(request: HttpRequest) -> HttpResponse:
    """The same from threads: a ``FileResponse`` would be read into memory first, all of it."""
    path = large_file()
    return StreamingHttpResponse(
        _chunks(path),
        content_type="application/octet-stream",
        headers={"Content-Length": str(path.stat().st_size)},
    )


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    file = await asyncio.to_thread(path.open, "rb")
    try:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk
    finally:
        file.close()
