"""Django's handlers without their thread hops, and with fewer calls: docs/async-instance.md."""

from split_deploy.handlers.asgi import NativeASGIHandler
from split_deploy.handlers.base import NativeHandler
from split_deploy.handlers.wsgi import NativeWSGIHandler

__all__ = ["NativeASGIHandler", "NativeHandler", "NativeWSGIHandler"]
