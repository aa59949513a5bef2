from django.contrib.flatpages.middleware import (
    FlatpageFallbackMiddleware as DjangoFlatpageFallbackMiddleware,
)

from split_deploy.middleware._fallback import FallbackMiddleware


class FlatpageFallbackMiddleware(FallbackMiddleware, DjangoFlatpageFallbackMiddleware):
    """Django's ``FlatpageFallbackMiddleware``: in a thread when the response is a 404."""
