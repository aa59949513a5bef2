"""Django's database connections of the thread at hand.

Django opens one for each thread and alias, and does the rest when a request starts and finishes, in
the thread that does. Here that is the event loop's, so the pool's threads do it for themselves.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import inf
from typing import Final, NamedTuple

from django.db import close_old_connections, connections, reset_queries
from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger("split_deploy.pool")


class State(NamedTuple):
    """What a thread's connections need."""

    #: Whether one of them is in a transaction.
    in_transaction: bool
    #: Whether an error occurred after which one of them may not be usable.
    errors: bool
    #: The ``time.monotonic()`` at which the first of them has reached its ``CONN_MAX_AGE``.
    close_at: float


#: That of a thread without connections.
NONE: Final = State(in_transaction=False, errors=False, close_at=inf)


def state() -> State:
    """Return what this thread's connections need."""
    in_transaction = errors = False
    close_at = inf
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block:
            in_transaction = True
        if connection.connection is None:
            continue
        # Not get_autocommit(), which would open a connection that has been lost.
        if not connection.autocommit:
            in_transaction = True
        if connection.errors_occurred:
            errors = True
        if connection.close_at is not None and connection.close_at < close_at:
            close_at = connection.close_at
    return State(in_transaction, errors, close_at)


def begin(*, alone: bool) -> None:
    """Do what Django does when a request starts. ``alone``: no other request has this thread."""
    with _given_up_on_error():
        if alone:
            reset_queries()
        close_old_connections()


def end() -> None:
    """Do what Django does when a request has finished."""
    with _given_up_on_error():
        close_old_connections()


def close_broken() -> None:
    """Close those that an error has made unusable, and leave the others alone."""
    with _given_up_on_error():
        for connection in connections.all(initialized_only=True):
            if connection.connection is None or not connection.errors_occurred:
                continue
            if connection.is_usable():
                connection.errors_occurred = False
            else:
                _drop(connection)


def roll_back(who: str) -> None:
    """Roll back, close and forget those that ``who`` has left in a transaction."""
    for connection in connections.all(initialized_only=True):
        is_open = connection.connection is not None and not connection.autocommit
        if not (connection.in_atomic_block or is_open):
            continue
        # With AUTOCOMMIT off there is a transaction after every query, and nothing to complain of.
        if connection.in_atomic_block or connection.settings_dict["AUTOCOMMIT"]:
            logger.error(
                'A transaction on the database "%s" was never ended by %s: it is rolled back. End '
                "it in the call that began it, with transaction.atomic() in one sync function.",
                connection.alias,
                who,
            )
        _drop(connection)


def close_all() -> None:
    """Close and forget all of them, whatever state they are in."""
    for connection in connections.all(initialized_only=True):
        _drop(connection)


@contextmanager
def _given_up_on_error() -> Iterator[None]:
    try:
        yield
    except Exception:
        logger.exception("A database connection could not be looked after, and is given up.")
        close_all()


def _drop(connection: BaseDatabaseWrapper) -> None:
    # Not close() alone: in an atomic block that leaves an object that never connects again.
    raw = connection.connection
    # What is given up may well be broken.
    if raw is not None and (connection.in_atomic_block or not connection.autocommit):
        with suppress(Exception):
            raw.rollback()  # a pooler would do it, but with a complaint
    with suppress(Exception):
        connection.close()
    if connection.connection is not None and not connection.closed_in_transaction:
        with suppress(Exception):
            connection.connection.close()  # Django leaves a SQLite database in memory open
    with suppress(AttributeError):
        del connections[connection.alias]
