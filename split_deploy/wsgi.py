"""What ``wsgi.py`` calls."""

from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application

from split_deploy._garbage import freeze_what_is_loaded
from split_deploy.purity import refuse_async_worker, verify_purity
from split_deploy.roles import verify_role
from split_deploy.run.reload import watch_if_asked


def get_sync_application() -> WSGIHandler:
    """Return the WSGI application of the sync instance.

    Raises ``ImproperlyConfigured`` if the settings in use are not those of the sync role, if
    Gunicorn runs it in an async worker, or if the system checks find that it is not pure.
    """
    role = verify_role("sync")
    refuse_async_worker()
    # First of all, so that a mistake that is about to be found can be mended while it watches.
    watch_if_asked(role)
    application = get_wsgi_application()
    verify_purity()
    freeze_what_is_loaded()
    return application
