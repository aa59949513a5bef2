"""The URLs of one role, and below them what is measured."""

import os

from django.http import FileResponse, JsonResponse
from django.urls import path


def json_sync(request):
    return JsonResponse({"message": "Hello, World!"})


async def json_async(request):
    return JsonResponse({"message": "Hello, World!"})


def file_sync(request):
    return FileResponse(open(os.environ["BENCHMARK_FILE"], "rb"))


if os.environ["BENCHMARK_ROLE"] == "sync":
    import urls

    urlpatterns = [
        *urls.urlpatterns,
        path("benchmark/json/", json_sync),
        path("benchmark/file/", file_sync),
    ]
else:
    import async_urls

    urlpatterns = [*async_urls.urlpatterns, path("async/benchmark/json/", json_async)]
