"""Django's ASGI handler without its thread hops: see docs/async-instance.md."""

from split_deploy.handlers.asgi import NativeASGIHandler
from split_deploy.handlers.base import NativeHandler

__all__ = ["NativeASGIHandler", "NativeHandler"]
