"""Pages that call another server, which takes its time: ``split_deploy.bench.slow``.

All topologies have the same clients, with room for 1,000 connections. With HTTPX's own pool and its
limit of 100 it would be the client that is measured: see docs/outbound.md.
"""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

from django.http import HttpRequest, HttpResponse, JsonResponse

from benchmarks._site import clients
from benchmarks._site.models import Entry
from split_deploy import blocking_first, io

CALLS = 20
# What a sync view makes its calls with at once, for all requests of the process.
_threads = ThreadPoolExecutor(CALLS, thread_name_prefix="calls")


def _url(request: HttpRequest) -> str:
    """Where an answer takes ``?ms=``, 100 ms by default."""
    return f"{os.environ['SPLIT_DEPLOY_BENCH_SLOW_URL']}/delay/{request.GET.get('ms', '100')}"


def outbound_sync(request: HttpRequest) -> HttpResponse:
    clients.call_sync(_url(request))
    return JsonResponse({"calls": 1})


async def outbound_async(request: HttpRequest) -> HttpResponse:
    await clients.call("this project", _url(request))
    return JsonResponse({"calls": 1})


def fan_out_sync(request: HttpRequest) -> HttpResponse:
    """20 calls at once, in threads."""
    made = list(_threads.map(clients.call_sync, [_url(request)] * CALLS))
    return JsonResponse({"calls": len(made)})


async def fan_out_async(request: HttpRequest) -> HttpResponse:
    """20 calls at once."""
    url = _url(request)
    made = await asyncio.gather(*(clients.call("this project", url) for _ in range(CALLS)))
    return JsonResponse({"calls": len(made)})


def call_sync(request: HttpRequest) -> HttpResponse:
    """A query, a call, and a query."""
    pk = Entry.objects.get(pk=1).pk
    clients.call_sync(_url(request))
    return JsonResponse({"text": Entry.objects.get(pk=pk).text})


async def call_async(request: HttpRequest) -> HttpResponse:
    """The same with ``await``."""
    pk = (await Entry.objects.aget(pk=1)).pk
    await clients.call("this project", _url(request))
    return JsonResponse({"text": (await Entry.objects.aget(pk=pk)).text})


@blocking_first
async def call_blocking_first(request: HttpRequest) -> HttpResponse:
    """The same in a thread but for the call."""
    pk = Entry.objects.get(pk=1).pk
    async with io:
        await clients.call("this project", _url(request))
    return JsonResponse({"text": Entry.objects.get(pk=pk).text})


async def fetch(request: HttpRequest, kind: str) -> HttpResponse:
    """Call another server with a client of ``kind``, for ``outbound.py``."""
    await clients.call(kind.replace("_", " "), os.environ["BENCHMARK_TARGET"])
    return JsonResponse({"message": "fetched"})
