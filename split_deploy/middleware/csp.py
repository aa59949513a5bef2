"""Needs Django 6."""

from django.middleware.csp import (  # type: ignore[import-not-found,unused-ignore]
    ContentSecurityPolicyMiddleware as DjangoContentSecurityPolicyMiddleware,
)

from split_deploy.middleware._native import NativeMiddleware


class ContentSecurityPolicyMiddleware(NativeMiddleware, DjangoContentSecurityPolicyMiddleware):
    """Django's ``ContentSecurityPolicyMiddleware``, on the event loop: it sets headers."""
