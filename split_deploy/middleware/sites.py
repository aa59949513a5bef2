from typing import Any

from django.contrib.sites.middleware import CurrentSiteMiddleware as DjangoCurrentSiteMiddleware
from django.http import HttpRequest

from split_deploy._loop import off_the_loop_if_it_must
from split_deploy.middleware._native import NativeMiddleware


class CurrentSiteMiddleware(NativeMiddleware, DjangoCurrentSiteMiddleware):
    """Django's ``CurrentSiteMiddleware``: in a thread until Django has the site in its cache."""

    def enter(self, request: HttpRequest) -> Any:
        """Return what ``process_request()`` does, or a coroutine that does."""
        return off_the_loop_if_it_must(self.process_request, request)
