"""Raises on a blocking call in the event loop: blockbuster, for the project's own code.

https://github.com/cbornet/blockbuster. It replaces functions of the standard library such as
``time.sleep`` for the whole process, so it is for tests and for ``DEBUG``, never for production:
there the watchdog says what blocks.
"""

import logging
import os
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Final

from django.apps import apps
from django.conf import settings

from split_deploy._project import folder, is_project
from split_deploy.conf import get_config

logger = logging.getLogger("split_deploy.blocking")

#: Where a blocking call is let through for everybody: a part of the file's path, from its end, and
#: the function. What Django and Python read once, and log lines, which block wherever they go.
ALLOWED: Final = (
    ("logging/__init__.py", "handle"),
    ("django/template/loaders/filesystem.py", "get_contents"),
    ("django/utils/translation/trans_real.py", "translation"),
)


@contextmanager
def guard(*, allowed: Iterable[tuple[str, str]] = ()) -> Iterator[None]:
    """Raise ``blockbuster.BlockingError`` on a blocking call in an event loop, inside the context.

    Only if code of the project (see ``project_code()``) is among its callers, and none of them is a
    function of ``allowed``, of ``SPLIT_DEPLOY["BLOCKING_ALLOWED"]`` or of ``ALLOWED``.

    Raises ``ImportError`` if blockbuster isn't installed.
    """
    from blockbuster import blockbuster_ctx

    code = project_code()
    with blockbuster_ctx(
        _as_modules(code),
        # A test awaits what it tests, so all of that would seem to be called by the project.
        excluded_modules=_as_modules(tests_in(code)),
    ) as blockbuster:
        for function in blockbuster.functions.values():
            for filename, name in (*ALLOWED, *get_config().blocking_allowed, *allowed):
                function.can_block_in(filename, name)
        yield


@asynccontextmanager
async def running() -> AsyncIterator[None]:
    """Guard the event loop inside the context: with ``DEBUG``, and if blockbuster is installed."""
    if not settings.DEBUG:
        yield
    elif find_spec("blockbuster") is None:
        logger.debug(
            "Blocking calls in the event loop are not caught: blockbuster is not installed. "
            'pip install "django-split-deploy[guard]" brings it.'
        )
        yield
    else:
        with guard():
            yield


def project_code() -> list[str]:
    """The files and folders of the project's code, but for what is installed as a library.

    They are those of the apps in ``INSTALLED_APPS`` and of the ``ROOT_URLCONF``: what a view calls
    elsewhere has the view among its callers.
    """
    paths = [Path(config.path) for config in apps.get_app_configs()]
    package = import_module(settings.ROOT_URLCONF.partition(".")[0])
    paths += map(Path, getattr(package, "__path__", [package.__file__]))
    code = [folder(path) if path.is_dir() else str(path) for path in paths]
    return [path for path in code if is_project(path)]


def tests_in(code: Iterable[str]) -> list[str]:
    """Where the tests of ``code`` are, by their usual names."""
    names = (folder("tests"), "tests.py", "test_", "conftest.py")
    return [path + name for path in code if path.endswith(os.sep) for name in names]


def _as_modules(paths: Iterable[str]) -> list[ModuleType]:
    """``paths`` as blockbuster takes them; it compares the starts of file names with theirs."""
    modules = []
    for path in paths:
        module = ModuleType(path)
        module.__file__ = path
        modules.append(module)
    return modules
