"""What ``wsgi.py`` calls."""

from split_deploy import _granian

# Now, since what follows takes its time.
_granian.stop_while_loading()

import django  # noqa: E402
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402

from split_deploy._garbage import freeze_what_is_loaded  # noqa: E402
from split_deploy.handlers.wsgi import NativeWSGIHandler  # noqa: E402
from split_deploy.purity import (  # noqa: E402
    refuse_async_worker,
    refuse_interface,
    refuse_old_gunicorn,
    verify_purity,
)
from split_deploy.roles import verify_role  # noqa: E402
from split_deploy.run.reload import watch_if_asked  # noqa: E402


def get_sync_application() -> WSGIHandler:
    """Return the WSGI application of the sync instance.

    Raises ``ImproperlyConfigured`` if the settings in use are not those of the sync role, if
    Gunicorn is too old or runs it in an async worker, if Granian speaks another interface to it, or
    if the system checks find that it is not pure.
    """
    role = verify_role("sync")
    refuse_old_gunicorn()
    refuse_async_worker()
    refuse_interface("wsgi.py", _granian.WSGI)
    # First of all, so that a mistake that is about to be found can be mended while it watches.
    watch_if_asked(role)
    # As get_wsgi_application() does, to which no other handler can be given.
    django.setup(set_prefix=False)
    application = _handler()
    verify_purity()
    freeze_what_is_loaded()
    return application


def _handler() -> WSGIHandler:
    if not _granian.is_the_server():
        return NativeWSGIHandler()
    from split_deploy.handlers.granian import GranianHandler

    return GranianHandler()
