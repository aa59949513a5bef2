from django.contrib.redirects.middleware import (
    RedirectFallbackMiddleware as DjangoRedirectFallbackMiddleware,
)

from split_deploy.middleware._fallback import FallbackMiddleware


class RedirectFallbackMiddleware(FallbackMiddleware, DjangoRedirectFallbackMiddleware):
    """Django's ``RedirectFallbackMiddleware``: in a thread when the response is a 404."""
