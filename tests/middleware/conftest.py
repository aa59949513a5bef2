from collections.abc import Callable
from typing import Any

import pytest
from django.test import AsyncClient
from django.test.client import AsyncClientHandler

from split_deploy.handlers import NativeHandler
from split_deploy.testing import counting


class Counting:
    """Give each response the ``hops`` of middleware and view."""

    #: Thread hops to log an error response.
    to_log = 0

    async def get_response_async(self, request):
        async with counting() as hops:
            response = await super().get_response_async(request)
        response.hops = hops.count - self.to_log * (response.status_code >= 400)
        response.sites = hops.sites
        return response


class StockHandler(Counting, AsyncClientHandler):
    """Django's."""

    to_log = 1


class OurHandler(Counting, NativeHandler, AsyncClientHandler):
    """This package's."""


class Client(AsyncClient):
    """Whose ``headers={"Host": ...}`` takes the place of Django's and isn't added to it."""

    def _base_scope(self, **request):
        scope = super()._base_scope(**request)
        hosts = [header for header in scope["headers"] if header[0] == b"host"]
        scope["headers"] = [header for header in scope["headers"] if header not in hosts[:-1]]
        return scope


Serve = Callable[..., Client]


@pytest.fixture(params=[StockHandler, OurHandler], ids=["Django's handler", "our handler"])
def serve(request, settings) -> Serve:
    """``serve(urlconf, middleware, **settings)`` gives a client of an async instance."""

    def serve(urlconf: str, middleware: list[str], *, csrf: bool = False, **values: Any):
        settings.SPLIT_DEPLOY = settings.SPLIT_DEPLOY | {"ROLE": "async"}
        settings.ROOT_URLCONF = urlconf
        settings.MIDDLEWARE = middleware
        for name, value in values.items():
            setattr(settings, name, value)
        client = Client()
        client.handler = request.param(enforce_csrf_checks=csrf)
        return client

    return serve
