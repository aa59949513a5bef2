"""What the tests have done in a process, which imports this module."""

import logging
import os
import signal
import sys
import time
from contextvars import ContextVar
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection

from split_deploy import request_id
from split_deploy.context import current_user_id, get_current_user

left: ContextVar[str] = ContextVar("left", default="")


def pid():
    return os.getpid()


def double(number, *, plus=0):
    return 2 * number + plus


def wait_for(path):
    """Wait until there is the file ``path``, and say who has waited."""
    Path(f"{path}.waiting").touch()
    while not Path(path).exists():
        time.sleep(0.005)
    return os.getpid()


def fail(text):
    raise ValueError(text)


class TwoArgumentsError(Exception):
    """Can be pickled, and not be read again."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def fail_unreadably():
    raise TwoArgumentsError(1, 2)


def stop():
    raise StopIteration


def leave():
    sys.exit("by mistake")


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def crash():
    os._exit(3)


def unpicklable():
    return lambda: None


def request_id_at_hand():
    logging.getLogger("app").info("said in a process")
    return request_id.current.get()


def user_at_hand():
    user = get_current_user()
    return current_user_id(), user and (user.pk, sorted(user.get_deferred_fields())[:1])


def leave_something(value):
    found = left.get()
    left.set(value)
    return found


def role_and_model():
    return settings.SPLIT_DEPLOY["ROLE"], get_user_model().__name__


def open_transaction():
    """Leave a transaction open, and say whether there was a connection before."""
    was_open = connection.connection is not None
    connection.set_autocommit(False)
    return was_open


def is_connected():
    return connection.connection is not None


class Lazy:
    """Queries when it is pickled, as a queryset does."""

    def __reduce__(self):
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            return int, cursor.fetchone()


def lazy():
    return Lazy()
