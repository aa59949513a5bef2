"""Which records can be logged on the event loop."""

import io
import logging
import logging.handlers
import queue
import sys

import pytest
from django.utils.log import AdminEmailHandler, RequireDebugFalse, RequireDebugTrue

from split_deploy.handlers import log


class Derived(logging.StreamHandler):
    pass


def filtered(handler, *filters):
    for item in filters:
        handler.addFilter(item)
    return handler


@pytest.fixture
def logger(monkeypatch):
    parent = logging.getLogger("tests.handlers.log")
    child = parent.getChild("child")
    for item in (parent, child):
        monkeypatch.setattr(item, "propagate", False)
        monkeypatch.setattr(item, "handlers", [])
        item.setLevel(logging.INFO)
    return child


def stdout():
    return logging.StreamHandler(sys.stdout)


QUICK = {
    "nobody": lambda: logging.NullHandler(),
    "standard output": stdout,
    "standard error": logging.StreamHandler,
    "standard output as it was": lambda: logging.StreamHandler(sys.__stdout__),
    "a string": lambda: logging.StreamHandler(io.StringIO()),
    "a queue": lambda: logging.handlers.QueueHandler(queue.SimpleQueue()),
    "a buffer": lambda: logging.handlers.MemoryHandler(1),
    "a buffer before standard output": lambda: logging.handlers.MemoryHandler(1, target=stdout()),
    "mails without DEBUG": lambda: filtered(AdminEmailHandler(), RequireDebugTrue()),
}
SLOW = {
    "a file": lambda: logging.FileHandler("/dev/null", delay=True),
    "a stream of the project": lambda: logging.StreamHandler(io.TextIOWrapper(io.BytesIO())),
    "a handler of the project": lambda: Derived(sys.stdout),
    "syslog": lambda: logging.handlers.SysLogHandler(("127.0.0.1", 9)),
    "a buffer before a file": lambda: logging.handlers.MemoryHandler(1, target=SLOW["a file"]()),
    "mails": AdminEmailHandler,
    "mails without DEBUG too": lambda: filtered(AdminEmailHandler(), RequireDebugFalse()),
}


@pytest.fixture
def handler(request, logger):
    handler = request.param()
    logger.addHandler(handler)
    yield handler
    handler.close()


@pytest.mark.parametrize("handler", QUICK.values(), ids=QUICK, indirect=True)
def test_what_cannot_wait(handler, logger):
    assert not log.can_block(logger, logging.WARNING)


@pytest.mark.parametrize("handler", SLOW.values(), ids=SLOW, indirect=True)
def test_what_can(handler, logger):
    assert log.can_block(logger, logging.WARNING)
    handler.setLevel(logging.ERROR)
    assert not log.can_block(logger, logging.WARNING)
    assert log.can_block(logger, logging.ERROR)
    logger.setLevel(logging.CRITICAL)
    assert not log.can_block(logger, logging.ERROR)


def test_the_handlers_of_a_parent_count_if_it_is_propagated_to(logger):
    logger.addHandler(logging.NullHandler())
    logger.parent.addHandler(SLOW["a file"]())
    assert not log.can_block(logger, logging.WARNING)
    logger.propagate = True
    assert log.can_block(logger, logging.WARNING)


def test_with_debug_mails_are_not_sent(logger, settings):
    logger.addHandler(SLOW["mails without DEBUG too"]())
    settings.DEBUG = True
    assert not log.can_block(logger, logging.ERROR)


def test_without_a_handler_python_writes_to_standard_error(logger):
    assert not log.can_block(logger, logging.ERROR)
