from django.core.handlers.wsgi import WSGIHandler

from split_deploy.handlers.base import NativeHandler


class NativeWSGIHandler(NativeHandler, WSGIHandler):
    """Django's ``WSGIHandler``: native middleware are one call, and a path is resolved once."""
