"""A response is sent in the messages that Django makes of it."""

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.http import (
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)

from split_deploy.handlers import NativeASGIHandler


class Signed(HttpResponse):
    """Adds a header where Django asks for them."""

    def items(self):
        return [*super().items(), ("X-Signed", "yes")]


def with_cookies():
    response = HttpResponse("a", headers={"X-A": "1"})
    response.set_cookie("one", "1", max_age=3)
    response.set_cookie("two", "zwei", secure=True)
    return response


def bare():
    response = HttpResponse(b"")
    del response.headers["Content-Type"]
    return response


async def parts():
    yield b"a"
    yield b"b"


RESPONSES = {
    "json": lambda: JsonResponse({"a": 1}, status=201),
    "empty": lambda: HttpResponse(status=204),
    "a redirect": lambda: HttpResponseRedirect("/a?b=c"),
    "headers of its own": lambda: HttpResponse("ü", headers={"X-Latin": "ä", "x-lower": "A"}),
    "words that are encoded": lambda: HttpResponse(headers={"X-Subject": "日本"}),
    "no header": bare,
    "cookies": with_cookies,
    "items of its own": lambda: Signed("a"),
    "more than a message takes": lambda: HttpResponse(b"x" * (ASGIHandler.chunk_size * 2 + 1)),
    "as much as a message takes": lambda: HttpResponse(b"x" * ASGIHandler.chunk_size),
    "a stream": lambda: StreamingHttpResponse(parts()),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("make", RESPONSES.values(), ids=RESPONSES)
async def test_the_messages_are_those_of_django(make):
    ours, django = [await messages(handler, make()) for handler in (NativeASGIHandler, ASGIHandler)]
    assert ours == django
    assert len(ours) >= 2


async def messages(handler, response):
    sent = []

    async def send(message):
        sent.append(message)

    await handler().send_response(response, send)
    return sent
