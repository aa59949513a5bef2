"""An instance that is not pure does not start."""

import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from django.core.checks import ERROR, CheckMessage
from django.core.exceptions import ImproperlyConfigured

from split_deploy import _granian, checks
from split_deploy._gunicorn import what_is_wrong_with_gunicorn
from split_deploy.conf import get_config

logger = logging.getLogger("split_deploy.purity")

#: What Gunicorn runs workers with that are no place for a sync instance: the modules that it
# imports : for them, and the names by which it calls them. It imports none but the one in use.
_ASYNC_WORKERS: Final = {
    "gunicorn.workers.gasgi": "asgi",
    "gunicorn.workers.ggevent": "gevent",
    "gunicorn.workers.geventlet": "eventlet",
    "gunicorn.workers.gtornado": "tornado",
    "uvicorn_worker": "uvicorn_worker.UvicornWorker",
    "uvicorn.workers": "uvicorn.workers.UvicornWorker",
}


def refuse_async_worker() -> None:
    """Raise ``ImproperlyConfigured`` if Gunicorn runs this process with an async worker class."""
    for module, worker_class in _ASYNC_WORKERS.items():
        if module in sys.modules:
            raise ImproperlyConfigured(
                f"Gunicorn serves wsgi.py with the worker class {worker_class!r}, and the sync "
                'instance is made of threads. Either set worker_class = "gthread" in '
                "gunicorn.conf.py, or serve asgi.py with it, under the async instance's settings."
            )


#: The modules that Gunicorn imports for worker classes that call an application as WSGI has it.
_SYNC_WORKERS: Final = {"gunicorn.workers.sync": "sync", "gunicorn.workers.gthread": "gthread"}


def refuse_sync_worker() -> None:
    """Raise ``ImproperlyConfigured`` if Gunicorn runs this process with a sync worker class."""
    for module, worker_class in _SYNC_WORKERS.items():
        if module in sys.modules:
            raise ImproperlyConfigured(
                f"Gunicorn serves asgi.py with the worker class {worker_class!r}, which does not "
                'speak ASGI. Set worker_class = "uvicorn_worker.UvicornWorker" in '
                "gunicorn.conf.py, as it is there under settings.mixed, or serve wsgi.py with it, "
                "under the sync instance's settings."
            )


def refuse_old_gunicorn() -> None:
    """Raise ``ImproperlyConfigured`` if a Gunicorn runs this process that is too old for it."""
    if "gunicorn" in sys.modules and (wrong := what_is_wrong_with_gunicorn()):
        raise ImproperlyConfigured(wrong)


def refuse_interface(entry_point: str, right: str) -> None:
    """Raise ``ImproperlyConfigured`` if Granian speaks another interface than ``right``.

    It would start, and every request would fail: RSGI is what it speaks unless it is told. And
    ``asginl`` is ASGI without the lifespan, so that nothing of ``LIFESPAN`` would be opened.
    """
    spoken = _granian.interface()
    if spoken not in (None, right):
        raise ImproperlyConfigured(
            f"Granian serves {entry_point} with --interface {spoken}, and {entry_point} is for "
            f"--interface {right} (GRANIAN_INTERFACE={right})."
        )


def verify_purity() -> None:
    """Run the system checks of split_deploy for the role of the settings in use.

    Errors raise ``ImproperlyConfigured``, which lists all of them, or are logged if
    ``SPLIT_DEPLOY["REFUSE_IMPURE"]`` is off. ``SILENCED_SYSTEM_CHECKS`` counts, and warnings are
    for ``manage.py check``.
    """
    # Uvicorn may import the application inside its event loop, where Django refuses the queries
    # that a URLconf may make when it is imported. A thread has no loop, like ``manage.py check``.
    with ThreadPoolExecutor(max_workers=1) as thread:
        found = thread.submit(checks.run, at_start=True).result()
    errors = [message for message in found if message.level >= ERROR and not message.is_silenced()]
    if not errors:
        return
    config = get_config()
    report = "\n".join(map(_line, errors))
    if not config.refuse_impure:
        logger.error("The %s instance is not pure:\n%s", config.role, report)
        return
    raise ImproperlyConfigured(
        f"The {config.role} instance is not pure, so it does not start:\n{report}\n"
        'SPLIT_DEPLOY["REFUSE_IMPURE"] = False would make this a line in the log.'
    )


def _line(message: CheckMessage) -> str:
    return f"  {message}"
