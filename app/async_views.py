"""The async views: ``async_urls.py`` names them, Uvicorn serves them. Nothing in here blocks.

But for ``burn_some_meats``, which shows what a single blocking call does to everybody else.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

import httpx
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import aget_object_or_404
from django.utils.html import format_html
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST, require_safe

from app import offloading, tutorial
from app.checks import check_all
from app.http_client import endpoint_client, watch_client
from app.models import WatchedURL
from split_deploy import (
    EventStreamResponse,
    ServerSentEvent,
    blocking_first,
    io,
    parallel_ops,
    read_uploaded_file,
    reverse,
)
from split_deploy.async_database import objects
from split_deploy.tasks import CapacityError, background, run_in_process, run_in_thread


@require_safe
async def hello(request: HttpRequest) -> HttpResponse:
    """Say hello and name the instance."""
    return HttpResponse("Hello from the async instance")


@require_safe
async def whoami(request: HttpRequest) -> HttpResponse:
    """Greet the user by name. The login is made on the sync instance, where others are sent.

    ``login_required`` would do the same, but take its test to a thread and back.
    """
    user = await request.auser()
    if not user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    return HttpResponse(
        format_html(
            'Hello {} from the async instance. <a href="{}">Back to the board</a>',
            user.get_username(),
            reverse("board"),
        )
    )


@require_GET
async def check_board(request: HttpRequest) -> HttpResponseBase:
    """Check every URL on the board at once and stream each result as it arrives.

    Server-sent events: ``start`` with the number of URLs, a ``result`` each (see ``CheckResult``),
    and ``done``, after which the browser closes the stream. The login is the one made on the sync
    instance; without it the answer is 401.
    """
    user = await request.auser()
    if not user.is_authenticated:
        return JsonResponse({"error": "Log in to check the board."}, status=401)
    # Fetched before the stream begins: an error can then still become a 500.
    targets = [row async for row in WatchedURL.objects.values_list("pk", "url")]
    return EventStreamResponse(_events(watch_client(), targets))


@require_safe
async def list_board(request: HttpRequest) -> HttpResponse:
    """List the URLs on the board.

    In a thread, as Django's ORM does it; on the event loop itself if the async instance has
    ``ASYNC_DATABASE_CONNECTIONS``.
    """
    rows = objects(WatchedURL).values_list("url", flat=True)
    return JsonResponse({"urls": [url async for url in rows]})


@require_POST
async def confirm_url(request: HttpRequest, pk: int) -> HttpResponse:
    """Say that a URL is still wanted. Who did is filled in where it is saved: see ``app.audit``."""
    user = await request.auser()
    if not user.is_authenticated:
        return JsonResponse({"error": "Log in to confirm a URL."}, status=401)
    watched = await aget_object_or_404(WatchedURL, pk=pk)
    await watched.asave()
    return JsonResponse({"url": watched.url, "changed_by": watched.changed_by.get_username()})


async def _events(
    client: httpx.AsyncClient, targets: list[tuple[int, str]]
) -> AsyncGenerator[ServerSentEvent, None]:
    yield ServerSentEvent(event="start", data=json.dumps({"total": len(targets)}))
    async with aclosing(check_all(client, targets)) as results:
        async for result in results:
            yield ServerSentEvent(event="result", data=json.dumps(result))
    yield ServerSentEvent(event="done", data=json.dumps({"total": len(targets)}))


@require_safe
async def non_blocking(request: HttpRequest) -> HttpResponse:
    """Answer at once; the work goes on in a background task."""
    background(tutorial.count_and_call_async(), name="tutorial: non_blocking")
    return HttpResponse("Non-blocking HTTP request")


@require_safe
async def smoke_some_meats(request: HttpRequest) -> HttpResponse:
    """Wait for two things at once: it takes as long as the longer one."""
    try:
        meats, flavor = await asyncio.gather(tutorial.get_smokables(), tutorial.get_flavor())
    except tutorial.ENDPOINT_ERRORS as error:
        return tutorial.no_answer(error)
    return HttpResponse(f"Smoked {len(meats)} meats with {flavor}!")


@require_safe
async def burn_some_meats(request: HttpRequest) -> HttpResponse:
    """Don't do this: nothing else of this process is served until it is over.

    The watchdog logs this line, and how long the loop was blocked.
    """
    time.sleep(tutorial.STEPS * settings.TUTORIAL_STEP_SECONDS)  # noqa: ASYNC251  # split-deploy: ok[blocking-call]
    return HttpResponse("Burned some meats.")


@require_safe
async def via_sync_to_async(request: HttpRequest) -> HttpResponse:
    """Answer at once; sync work that cannot be rewritten goes to a thread.

    ``thread_sensitive=False`` takes any thread of the event loop's pool. The default, ``True``,
    takes the one that belongs to this request, where its calls wait for each other and which is
    meant to end with it: right for the ORM, wrong for work that outlives the answer.
    """
    in_thread = sync_to_async(tutorial.count_and_call, thread_sensitive=False)
    background(in_thread(), name="tutorial: via_sync_to_async")
    return HttpResponse("Non-blocking HTTP request (via sync_to_async)")


@require_safe
async def offload_to_background(request: HttpRequest) -> HttpResponse:
    """Answer at once, and notify the endpoint afterwards, unless there is too much of that."""
    try:
        background(offloading.notify(), name="offloading: notify")
    except CapacityError as error:
        return offloading.too_busy(error)
    return HttpResponse("The notification is on its way.")


@require_safe
async def offload_to_thread(request: HttpRequest) -> HttpResponse:
    """Compute in C code, in a thread."""
    try:
        found = await run_in_thread(offloading.fingerprint, "hickory")
    except CapacityError as error:
        return offloading.too_busy(error)
    return HttpResponse(f"The fingerprint is {found}.")


@require_safe
async def offload_to_process(request: HttpRequest) -> HttpResponse:
    """Compute in Python, in a process: the event loop has this one's lock for itself."""
    try:
        found = await run_in_process(offloading.count_primes, offloading.LIMIT)
    except CapacityError as error:
        return offloading.too_busy(error)
    return HttpResponse(f"There are {found} primes below {offloading.LIMIT}.")


@require_safe
async def offload_to_queue(request: HttpRequest) -> HttpResponse:
    """Hand a job to Django's tasks framework, which outlives this process if its backend does."""
    # Here, because Django 5.2 has no such framework. There async_urls.py leaves this view out.
    from app.jobs import summarize_board

    job = await summarize_board.aenqueue()
    return JsonResponse({"job": job.id, "status": job.status}, status=202)


@require_safe
async def adapt_thread_sensitive(request: HttpRequest) -> HttpResponse:
    """Query in one transaction, in the thread of this request: ``sync_to_async`` as it comes."""
    return JsonResponse(await sync_to_async(offloading.board_summary)())


@require_safe
async def adapt_any_thread(request: HttpRequest) -> HttpResponse:
    """Compute two things side by side, in two threads that belong to nobody.

    By default the second would wait for the first: a request has one thread.
    """
    fingerprint = sync_to_async(offloading.fingerprint, thread_sensitive=False)
    found = await asyncio.gather(fingerprint("hickory"), fingerprint("mesquite"))
    return HttpResponse(f"The fingerprints are {' and '.join(found)}.")


@require_safe
@blocking_first
async def summarize_board(request: HttpRequest) -> HttpResponse:
    """Query, ask the endpoint, and query twice at once: blocking code, but for the one section."""
    urls = len(WatchedURL.objects.all())
    try:
        async with io:
            response = await endpoint_client().get(settings.TUTORIAL_ENDPOINT)
    except tutorial.ENDPOINT_ERRORS as error:
        return tutorial.no_answer(error)
    async with parallel_ops() as ops:
        owners = ops.run(WatchedURL.objects.values("owner").distinct().count)
        latest = ops.run(
            WatchedURL.objects.order_by("-created").values_list("url", flat=True).first
        )
    return JsonResponse(
        {
            "urls": urls,
            "owners": owners.result(),
            "latest": str(latest.result() or "none"),
            "endpoint": response.status_code,
        }
    )


@csrf_exempt  # it changes nothing, and asks nobody for a login
@require_POST
@blocking_first
async def find_known_urls(request: HttpRequest) -> HttpResponse:
    """Say which of the URLs in an uploaded file, the first 1,000, are on the board."""
    try:
        content = await read_uploaded_file(request, "list")
    except KeyError:
        return JsonResponse({"error": 'Upload a file as "list".'}, status=400)
    urls = content.decode(errors="replace").split()[:1000]
    known = WatchedURL.objects.filter(url__in=urls).values_list("url", flat=True)
    return JsonResponse({"known": sorted(known)})
