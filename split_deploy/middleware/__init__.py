"""Middleware for both roles: each runs in the mode of its instance and costs no thread hop."""

from split_deploy.middleware.health import HealthMiddleware
from split_deploy.middleware.instance import InstanceMiddleware

__all__ = ["HealthMiddleware", "InstanceMiddleware"]
