"""Who listens to the signals that Django sends while it serves a request."""

import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.auth import signals as auth_signals
from django.core import signals as core_signals
from django.db.backends import signals as connection_signals
from django.db.models import signals as model_signals
from django.dispatch import Signal

from split_deploy.inspection.location import location_of, name_of
from split_deploy.inspection.modes import Location, Mode

_REQUEST: Final = ("request_started", "request_finished", "got_request_exception")
_MODEL: Final = ("class_prepared", "pre_init", "post_init", "pre_save", "post_save", "pre_delete")
_MODEL_TOO: Final = ("post_delete", "m2m_changed", "pre_migrate", "post_migrate")
_AUTH: Final = ("user_logged_in", "user_logged_out", "user_login_failed")

_SIGNALS: Final[dict[str, Signal]] = {
    **{name: getattr(core_signals, name) for name in _REQUEST},
    **{name: getattr(model_signals, name) for name in (*_MODEL, *_MODEL_TOO)},
    **{name: getattr(auth_signals, name) for name in _AUTH},
    "connection_created": connection_signals.connection_created,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverReport:
    """A receiver and the signal that it is connected to."""

    #: The name of the signal, as in Django: ``request_started``.
    signal: str
    #: The dotted name of the receiver.
    receiver: str
    #: What Django found when it was connected, with ``iscoroutinefunction()``.
    mode: Mode
    location: Location | None
    #: The sender that it is restricted to, as a dotted name; ``None`` if it hears all of them.
    sender: str | None


def inspect_receivers() -> list[ReceiverReport]:
    """Return a report for each receiver of the request, model and login signals that is alive."""
    senders = _senders()
    return [
        ReceiverReport(
            signal=name,
            receiver=name_of(receiver),
            mode=mode,
            location=location_of(receiver),
            sender=None if sender == id(None) else senders.get(sender, "another sender"),
        )
        for name, signal in _SIGNALS.items()
        for receiver, sender, mode in _connected(signal)
    ]


def _connected(signal: Signal) -> Iterator[tuple[Any, int, Mode]]:
    # Signal has no public way to list its receivers. Django 5.2 keeps (key, receiver, is_async) for
    # each and 6.1 (key, receiver, sender, is_async); in both, what follows the key and the receiver
    # ends with the mode, and the key ends with the id of the sender.
    for (_, sender_id), receiver, *_, is_async in list(signal.receivers):
        alive = receiver() if isinstance(receiver, weakref.ReferenceType) else receiver
        if alive is not None:
            yield alive, sender_id, "async" if is_async else "sync"


def _senders() -> dict[int, str]:
    """What Django itself sends signals with, by id: models, applications, handlers, connections."""
    from django.apps import apps
    from django.core.handlers.asgi import ASGIHandler
    from django.core.handlers.wsgi import WSGIHandler
    from django.db import connections

    from split_deploy.handlers import NativeASGIHandler, NativeWSGIHandler
    from split_deploy.handlers.granian import GranianHandler

    senders: list[Any] = [
        *apps.get_models(include_auto_created=True),
        ASGIHandler,
        NativeASGIHandler,
        WSGIHandler,
        NativeWSGIHandler,
        GranianHandler,
        *{type(connection) for connection in connections.all(initialized_only=True)},
    ]
    known = {id(sender): name_of(sender) for sender in senders}
    return known | {id(config): config.name for config in apps.get_app_configs()}
