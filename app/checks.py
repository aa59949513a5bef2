"""Fetches watched URLs. Whatever is wrong with a target is its result and never an exception."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Iterable
from typing import Final, TypedDict

import httpx

logger = logging.getLogger(__name__)

#: Seconds for one target, redirects and the body included.
DEADLINE: Final = 15.0
#: How many targets of one stream are fetched at the same time.
CONCURRENCY: Final = 20
MAX_REDIRECTS: Final = 5
#: Bytes read of a body. A short one is read to its end, so that its connection can be used again.
MAX_BODY: Final = 64 * 1024


class CheckResult(TypedDict):
    """How the check of one URL went.

    ``status`` is that of the answer after all redirects, and ``ok`` that it is below 400. Without
    an answer it is ``None`` and ``error`` says why. ``ms`` is the time it took, in milliseconds.
    """

    id: int
    url: str
    ok: bool
    status: int | None
    ms: int
    error: str | None


async def check_all(
    client: httpx.AsyncClient,
    targets: Iterable[tuple[int, str]],
    *,
    concurrency: int = CONCURRENCY,
    deadline: float = DEADLINE,
) -> AsyncGenerator[CheckResult, None]:
    """Check all ``targets``, pairs of id and URL, at once, and yield each result as it arrives.

    Closing the generator, as when the client of the stream goes away, cancels what is under way.
    """
    free = asyncio.Semaphore(concurrency)

    async def check_in_turn(target_id: int, url: str) -> CheckResult:
        async with free:
            return await check(client, target_id, url, deadline=deadline)

    tasks = [asyncio.create_task(check_in_turn(target_id, url)) for target_id, url in targets]
    try:
        for finished in asyncio.as_completed(tasks):
            yield await finished
    finally:
        # Not a TaskGroup, which has to be left in the task that entered it: a generator can be
        # closed from another one.
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def check(
    client: httpx.AsyncClient, target_id: int, url: str, *, deadline: float = DEADLINE
) -> CheckResult:
    """Fetch ``url`` and say how that went."""
    status, error = None, None
    started = time.perf_counter()
    try:
        async with asyncio.timeout(deadline):
            status = await _final_status(client, url)
    except TimeoutError:
        error = f"no complete answer within {deadline:g} s"
    except httpx.TimeoutException as exception:
        error = f"timed out ({type(exception).__name__})"
    except (httpx.HTTPError, httpx.InvalidURL) as exception:
        error = str(exception) or type(exception).__name__
    except Exception:  # the other results of the stream must still arrive
        logger.exception("The check of %s failed.", url)
        error = "the check itself failed; the server's log says how"
    return CheckResult(
        id=target_id,
        url=url,
        ok=status is not None and status < 400,
        status=status,
        ms=round((time.perf_counter() - started) * 1000),
        error=error,
    )


async def _final_status(client: httpx.AsyncClient, url: str) -> int:
    # Followed here and not by HTTPX, which reads the body of a redirect whole, however long it is.
    request = client.build_request("GET", url)
    for _ in range(MAX_REDIRECTS + 1):
        response = await client.send(request, stream=True, follow_redirects=False)
        try:
            if response.next_request is None:
                await _read_a_part(response)
                return response.status_code
            request = response.next_request
        finally:
            await response.aclose()
    raise httpx.TooManyRedirects(f"more than {MAX_REDIRECTS} redirects")


async def _read_a_part(response: httpx.Response) -> None:
    # Raw, because a few compressed bytes can become gigabytes.
    async for _ in response.aiter_raw():
        if response.num_bytes_downloaded > MAX_BODY:
            return
