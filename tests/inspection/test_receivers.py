import gc

import pytest
from django.contrib.auth.models import Group, User
from django.contrib.auth.signals import user_logged_in
from django.core.signals import request_finished, request_started
from django.db.models.signals import post_save, pre_save

from split_deploy.inspection import inspect_receivers


def sync_receiver(**kwargs):
    pass


async def async_receiver(**kwargs):
    pass


class Listener:
    def heard(self, **kwargs):
        pass

    async def __call__(self, **kwargs):
        pass


@pytest.fixture
def connect():
    """Connect a receiver for the time of the test."""
    connected = []

    def connect(signal, receiver, **kwargs):
        signal.connect(receiver, **kwargs)
        connected.append((signal, receiver, kwargs))

    yield connect
    for signal, receiver, kwargs in connected:
        signal.disconnect(receiver, sender=kwargs.get("sender"))


def mine():
    return [each for each in inspect_receivers() if each.receiver.startswith(__name__)]


@pytest.mark.parametrize(
    ("signal", "name"),
    [
        (request_started, "request_started"),
        (request_finished, "request_finished"),
        (post_save, "post_save"),
        (user_logged_in, "user_logged_in"),
    ],
)
@pytest.mark.parametrize(("receiver", "mode"), [(sync_receiver, "sync"), (async_receiver, "async")])
def test_each_signal_s_receivers_have_the_mode_that_django_calls_them_in(
    connect, signal, name, receiver, mode
):
    connect(signal, receiver)

    (report,) = mine()
    assert (report.signal, report.mode, report.sender) == (name, mode, None)
    assert report.receiver == f"{__name__}.{receiver.__name__}"
    assert report.location.line == receiver.__code__.co_firstlineno


def test_a_receiver_for_one_sender_names_it(connect):
    connect(pre_save, sync_receiver, sender=User)
    connect(pre_save, sync_receiver, sender=Group)

    assert [each.sender for each in mine()] == [
        "django.contrib.auth.models.User",
        "django.contrib.auth.models.Group",
    ]


def test_a_sender_that_is_no_model_is_not_mistaken_for_one(connect):
    sender = object()
    connect(pre_save, sync_receiver, sender=sender)

    assert [each.sender for each in mine()] == ["another sender"]


def test_bound_methods_lambdas_and_callable_objects_are_reported(connect):
    listener = Listener()
    connect(post_save, listener.heard)
    connect(post_save, lambda **kwargs: None, weak=False)
    connect(post_save, listener)

    here = test_bound_methods_lambdas_and_callable_objects_are_reported.__name__
    assert [(each.receiver.removeprefix(f"{__name__}."), each.mode) for each in mine()] == [
        ("Listener.heard", "sync"),
        (f"{here}.<locals>.<lambda>", "sync"),
        # Django doesn't ask about __call__ either: it would be called and not awaited.
        ("Listener", "sync"),
    ]


def test_a_receiver_that_is_gone_is_not_reported(connect):
    listener = Listener()
    post_save.connect(listener.heard)
    assert mine()

    del listener
    gc.collect()
    assert not mine()


def test_django_s_own_are_reported_with_their_place():
    # A native handler that another test has made has connected its own.
    own = [
        each
        for each in inspect_receivers()
        if each.signal == "request_started" and each.receiver.startswith("django.")
    ]

    assert {each.receiver for each in own} >= {
        "django.db.reset_queries",
        "django.db.close_old_connections",
    }
    assert all(each.mode == "sync" and each.location.line > 1 for each in own)
