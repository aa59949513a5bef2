"""What ``wsgi.py`` calls."""

from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application

from split_deploy.roles import verify_role
from split_deploy.run.reload import watch_if_asked


def get_sync_application() -> WSGIHandler:
    """Return the WSGI application of the sync instance.

    Raises ``ImproperlyConfigured`` if the settings in use are not those of the sync role.
    """
    watch_if_asked(verify_role("sync"))
    return get_wsgi_application()
