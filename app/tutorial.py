"""The work that the tutorial's views do, in a blocking and in an awaiting spelling.

``TUTORIAL_STEP_SECONDS`` is the length of a step, ``TUTORIAL_ENDPOINT`` what they call. The theory:
https://docs.djangoproject.com/en/stable/topics/async/
"""

import asyncio
import logging
import random
import time
from typing import Final

import httpx
from django.conf import settings
from django.http import HttpResponse

from app.http_client import TIMEOUT, endpoint_client

logger = logging.getLogger(__name__)

#: What the call to the endpoint can fail with. An answer is an answer, whatever its status.
ENDPOINT_ERRORS: Final = (httpx.HTTPError, httpx.InvalidURL)

STEPS: Final = 5
MEATS: Final = ("brisket", "ribs", "pulled pork", "turkey", "salmon", "sausage")
FLAVORS: Final = ("hickory", "apple wood", "cherry wood", "mesquite")


def count_and_call() -> None:
    """Count to five, then call the endpoint, holding on to the thread all the while.

    Raises one of ``ENDPOINT_ERRORS``.
    """
    for number in range(1, STEPS + 1):
        time.sleep(settings.TUTORIAL_STEP_SECONDS)
        logger.info("Blocking count: %d", number)
    # trust_env=False: see app.http_client.
    response = httpx.get(settings.TUTORIAL_ENDPOINT, timeout=TIMEOUT, trust_env=False)
    logger.info("Blocking call: %s answered %d", settings.TUTORIAL_ENDPOINT, response.status_code)


async def count_and_call_async() -> None:
    """Count to five, then call the endpoint, giving the event loop back at every wait.

    Raises one of ``ENDPOINT_ERRORS``.
    """
    for number in range(1, STEPS + 1):
        await asyncio.sleep(settings.TUTORIAL_STEP_SECONDS)
        logger.info("Non-blocking count: %d", number)
    await _call_endpoint("Non-blocking call")


async def get_smokables() -> tuple[str, ...]:
    """Fetch the meats: two steps and a call to the endpoint. Raises one of ``ENDPOINT_ERRORS``."""
    logger.info("Smokables: started")
    await asyncio.sleep(2 * settings.TUTORIAL_STEP_SECONDS)
    await _call_endpoint("Smokables")
    logger.info("Smokables: finished")
    return MEATS


async def get_flavor() -> str:
    """Fetch a flavor: one step and a call to the endpoint. Raises one of ``ENDPOINT_ERRORS``."""
    logger.info("Flavor: started")
    await asyncio.sleep(settings.TUTORIAL_STEP_SECONDS)
    await _call_endpoint("Flavor")
    logger.info("Flavor: finished")
    return random.choice(FLAVORS)  # noqa: S311 - nothing to guess


async def _call_endpoint(who: str) -> None:
    response = await endpoint_client().get(settings.TUTORIAL_ENDPOINT)
    logger.info("%s: %s answered %d", who, settings.TUTORIAL_ENDPOINT, response.status_code)


def no_answer(error: Exception) -> HttpResponse:
    """Log that the endpoint failed, with one of ``ENDPOINT_ERRORS``, and return a 502."""
    message = (
        f"TUTORIAL_ENDPOINT {settings.TUTORIAL_ENDPOINT} did not answer "
        f"({type(error).__name__}: {error}). Is that address up?"
    )
    logger.error(message)
    return HttpResponse(message, status=502, content_type="text/plain; charset=utf-8")
