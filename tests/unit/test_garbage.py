"""What is loaded when an instance starts is not looked at again by the garbage collector."""

import gc
import subprocess
import sys
import weakref

import pytest

from split_deploy._garbage import freeze_what_is_loaded
from tests.e2e.stack import ROOT, clean_environment


@pytest.mark.parametrize(
    ("module", "settings"),
    [
        ("wsgi", "settings.sync_only"),
        ("asgi", "settings.async_only"),
        ("asgi", "settings.mixed"),
    ],
)
def test_an_instance_has_frozen_what_it_loaded(module, settings):
    show = f"""
import gc
from {module} import application
from django.urls import get_resolver
patterns = get_resolver().url_patterns
print(gc.get_freeze_count(), any(item is patterns for item in gc.get_objects()))
"""
    done = subprocess.run(
        [sys.executable, "-c", show],
        cwd=ROOT,
        env=clean_environment() | {"DJANGO_SETTINGS_MODULE": settings, "DJANGO_ENV": "test"},
        capture_output=True,
        text=True,
        check=True,
    )
    number, is_looked_at = done.stdout.split()
    assert int(number) > 10_000
    assert is_looked_at == "False"


class Thing:
    pass


@pytest.fixture
def unfrozen():
    yield
    gc.unfreeze()


def test_what_is_garbage_by_then_is_collected(unfrozen):
    thing = Thing()
    thing.itself = thing
    reference = weakref.ref(thing)
    del thing
    freeze_what_is_loaded()
    assert reference() is None


def test_what_is_frozen_is_freed_when_nobody_refers_to_it(unfrozen):
    thing = Thing()
    reference = weakref.ref(thing)
    freeze_what_is_loaded()
    del thing
    assert reference() is None
