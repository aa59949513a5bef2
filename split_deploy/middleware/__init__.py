"""Middleware for both roles: each runs in the mode of its instance.

``ContextMiddleware``, ``HealthMiddleware`` and ``InstanceMiddleware`` are this package's own. The
modules that are named like Django's have Django's middleware without their thread hops;
``native()`` puts them in place.
"""

from split_deploy.middleware._names import MiddlewareList, native
from split_deploy.middleware.context import ContextMiddleware
from split_deploy.middleware.health import HealthMiddleware
from split_deploy.middleware.instance import InstanceMiddleware

__all__ = [
    "ContextMiddleware",
    "HealthMiddleware",
    "InstanceMiddleware",
    "MiddlewareList",
    "native",
]
