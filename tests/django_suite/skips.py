"""Which of Django's tests are left out, and why. Each entry is one test."""

import unittest
from collections.abc import Iterator
from typing import Any, Final
from unittest import mock

#: Left out of a run with our classes: the test, the modes, the reason.
LEFT_OUT: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "asgi.tests.ASGITest.test_read_body_thread": (
        ("sync", "async"),
        (
            "About the temporary file in which Django's handler keeps each body: ours has one only "
            "for a body too large for the memory. tests/handlers/test_bodies.py has the same."
        ),
    ),
    "middleware_exceptions.tests.MiddlewareNotUsedTests.test_log": (
        ("async",),
        (
            "Wants no other message in the log, and an async chain adapts the test's middleware. "
            "Fails with Django's own async chain, too."
        ),
    ),
    "middleware_exceptions.tests.MiddlewareNotUsedTests.test_log_custom_message": (
        ("async",),
        "As above.",
    ),
    "middleware_exceptions.tests.MiddlewareSyncAsyncTests.test_async_middleware": (
        ("async",),
        (
            "Wants a message that an async middleware is adapted, and in an async chain it isn't. "
            "Fails with Django's own async chain, too."
        ),
    ),
}

#: Run with ``disconnect_delay = 0``: the client has gone when the request begins, and without the
#: 20 ms for which ours does not listen there is no answer, as these demand.
LISTENS_AT_ONCE: Final = frozenset(
    {
        "asgi.tests.ASGITest.test_assert_in_listen_for_disconnect",
        "asgi.tests.ASGITest.test_disconnect_with_body",
    }
)

_PREFIX: Final = "left out here: "


def apply(suite: unittest.TestSuite, mode: str) -> None:
    """Skip what is ``LEFT_OUT`` of ``suite``, and prepare what is in ``LISTENS_AT_ONCE``."""
    for test in _tests(suite):
        decorators: list[Any] = []
        if test.id() in LISTENS_AT_ONCE:
            handler = "split_deploy.handlers.NativeASGIHandler"
            decorators.append(mock.patch(f"{handler}.disconnect_delay", 0))
        modes, reason = LEFT_OUT.get(test.id(), ((), ""))
        if mode in modes:
            decorators.append(unittest.skip(_PREFIX + reason))
        for decorate in decorators:
            name = test._testMethodName
            setattr(test, name, decorate(getattr(test, name)))


def _tests(suite: Any) -> Iterator[Any]:
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from _tests(item)
        else:
            yield item


#: What Django's tests skip by themselves, and why that is as well here.
THEIRS: Final[dict[str, str]] = {
    "PyLibMCCache backend not configured": "a cache backend, not a middleware",
    "PyMemcacheCache backend not configured": "a cache backend, not a middleware",
    "Redis backend not configured": "a cache backend, not a middleware",
    "argon2-cffi not installed": "a password hasher, not a middleware",
    "no docutils installed.": "the pages of admindocs, not its middleware",
    "bcrypt not installed": "a password hasher, not a middleware",
    "No browsers specified.": "needs Selenium; there are such tests of ours in tests/e2e",
    "Database has feature(s) supports_update_conflicts_with_target": "not for SQLite",
    "Deferred annotations are Python 3.14+ only": "depends on the Python",
    "This test covers async-only functionality": "Django's own choice",
    "Cookie backend doesn't have an external store to create records in.": "Django's own choice",
    "CookieSession is stored in the client and there is no way to query it.": "Django's own choice",
}


def why(reason: str) -> str | None:
    """Why a skip for ``reason`` is all right, or ``None`` if nobody has said so."""
    if reason.startswith(_PREFIX):
        return "see skips.py"
    return THEIRS.get(reason)
