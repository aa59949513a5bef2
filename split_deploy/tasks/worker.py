"""What a process of ``run_in_process()`` runs. It ends when the other end of its pipe does."""

import os
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Callable
from contextvars import copy_context
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, Final
from urllib.parse import unquote

import django
from django.contrib.auth import get_user_model
from django.db import router

from split_deploy import connections, request_id
from split_deploy.call_sites import dotted_name
from split_deploy.context import NOBODY, set_current_user
from split_deploy.tasks.errors import ProcessError

# Seconds to end in by itself, once nobody is there to take a result.
_ENDING: Final = 1.0


def main(descriptor: int) -> None:
    """Make the calls that come through the pipe ``descriptor``, one after the other."""
    # A service manager tells all processes of a service to stop. This one stops after the server,
    # which may still wait for a result.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.set_inheritable(descriptor, False)
    pipe: Connection[bytes, bytes] = Connection(descriptor)
    calls: SimpleQueue[bytes | None] = SimpleQueue()
    # In a thread, so that the end of the server ends what is being computed for it, too.
    threading.Thread(target=_receive, args=(pipe, calls), daemon=True).start()
    try:
        django.setup()
    except BaseException:  # noqa: BLE001 - whatever it is, the server says it
        pipe.send_bytes(pickle.dumps(traceback.format_exc()))
        raise SystemExit(1) from None
    pipe.send_bytes(pickle.dumps(None))
    while (payload := calls.get()) is not None:
        # In a context of its own: what one call leaves in a ContextVar is not the next one's.
        pipe.send_bytes(copy_context().run(_reply, payload))


def _receive(pipe: "Connection[bytes, bytes]", calls: "SimpleQueue[bytes | None]") -> None:
    try:
        while True:
            calls.put(pipe.recv_bytes())
    except (EOFError, OSError):
        calls.put(None)
        time.sleep(_ENDING)
        os._exit(1)


def _reply(payload: bytes) -> bytes:
    try:
        fn, args, kwargs, context = pickle.loads(payload)  # noqa: S301 - from our own server
    except Exception as error:  # noqa: BLE001 - importing the function may raise anything
        return _failure(
            ProcessError(
                f"A call could not be read in a process of run_in_process(): {error!r}. It has to "
                "be of a function that can be imported there, not of one in __main__."
            )
        )
    name = dotted_name(fn)
    try:
        _enter(context)
        value = fn(*args, **kwargs)
        # Before the connections are closed: what is lazy queries only now.
        return _pickled(
            (True, value), lambda error: f"What {name} returned can't be sent: {error!r}"
        )
    except Exception as error:  # noqa: BLE001 - it is raised in the server
        return _failure(error)
    except BaseException as error:  # noqa: BLE001 - sys.exit() is not for the server to raise
        return _failure(ProcessError(f"{name} ended with {error!r}"))
    finally:
        who = f"a call of {name}"
        connections.roll_back(who)
        connections.close_all()


def _enter(context: dict[str, Any]) -> None:
    request_id.current.set(context["request_id"])
    if context["user_id"] == NOBODY:
        return
    # The id is known; whoever wants to know more has it loaded, as Django does deferred fields.
    model = get_user_model()
    pk = model._meta.pk
    value = pk.to_python(unquote(context["user_id"]))
    set_current_user(model.from_db(router.db_for_read(model), [pk.attname], [value]))


def _failure(error: Exception) -> bytes:
    # From where the call began, as its place in this file says nothing.
    frames = error.__traceback__.tb_next if error.__traceback__ else None
    trace = "".join(traceback.format_exception(type(error), error, frames)).rstrip()
    error.add_note(f"In the process it was:\n{trace}")
    return _pickled((False, error), lambda _: f"{dotted_name(type(error))}: {error}")


def _pickled(reply: tuple[bool, Any], otherwise: Callable[[Exception], str]) -> bytes:
    try:
        data = pickle.dumps(reply, pickle.HIGHEST_PROTOCOL)
        if not reply[0]:
            pickle.loads(data)  # noqa: S301 - many an error can be written and not be read
    except Exception as error:  # noqa: BLE001 - pickling runs the code of what is pickled
        instead = ProcessError(otherwise(error))
        for note in getattr(reply[1], "__notes__", ()):
            instead.add_note(note)
        return pickle.dumps((False, instead))
    return data
