"""Work that the event loop should not do itself, and what the views about it have done.

Which of these is for a thread, which for a process and which for a queue: docs/offloading.md.
"""

import asyncio
import hashlib
import logging
from typing import Final

import httpx
from django.conf import settings
from django.db import transaction
from django.http import HttpResponse

from app.http_client import TIMEOUT, endpoint_client
from app.models import WatchedURL

logger = logging.getLogger(__name__)

#: The primes below it are counted.
LIMIT: Final = 1_000_000


def fingerprint(text: str) -> str:
    """Return a slow hash of ``text``: 16 MB and some 50 ms of C code, which lets others run."""
    return hashlib.scrypt(text.encode(), salt=b"offloading", n=2**14, r=8, p=1, dklen=8).hex()


def count_primes(limit: int) -> int:
    """Return how many primes there are below ``limit``: a computation in Python, and nothing else.

    In a thread it would leave the event loop free in name alone: one of the two runs at a time.
    """
    is_prime = bytearray([1]) * limit
    is_prime[:2] = bytes(2)
    for number in range(2, int(limit**0.5) + 1):
        if is_prime[number]:
            for multiple in range(number * number, limit, number):
                is_prime[multiple] = 0
    logger.info("Counted the primes below %d", limit)
    return sum(is_prime)


def board_summary() -> dict[str, int]:
    """Return how many URLs are on the board, and of how many owners: two queries, one moment."""
    with transaction.atomic():
        return {
            "urls": WatchedURL.objects.count(),
            "owners": WatchedURL.objects.values("owner").distinct().count(),
        }


async def notify() -> None:
    """Tell the endpoint that something has happened. Raises ``httpx.HTTPError``."""
    response = await endpoint_client().get(settings.TUTORIAL_ENDPOINT)
    logger.info("Notified %s: it answered %d", settings.TUTORIAL_ENDPOINT, response.status_code)


async def ask_twice() -> list[int]:
    """Ask the endpoint twice at once, and return the two statuses. Raises ``httpx.HTTPError``.

    For a sync view: with a client of its own, as the shared ones are the async instance's.
    """
    # trust_env=False: see app.http_client.
    async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as client:
        asked = (client.get(settings.TUTORIAL_ENDPOINT) for _ in range(2))
        return [response.status_code for response in await asyncio.gather(*asked)]


def too_busy(error: Exception) -> HttpResponse:
    """Log what there was no room for, and return a 503."""
    logger.warning("Refused: %s", error)
    return HttpResponse("Too busy. Try again in a moment.", status=503, headers={"Retry-After": 5})
