"""Inspected and called: each shape of a view under Django's two handlers."""

import gc
import logging
from collections import Counter

import pytest
from django.core.cache import cache

from split_deploy.inspection import inspect_operations, inspect_urlconf
from tests.inspection.observing import Observed, call_under_asgi, call_under_wsgi
from tests.inspection.shapes import SHAPES

# With one of these, no request is answered.
FATAL = {
    *("hidden-async", "not-awaitable", "coroutine-as-response", "drf-async-handler"),
    *("class-without-as-view", "not-a-response", "no-handlers"),
}
# The code of the view runs in these nevertheless; what comes of it can't be used.
RUNS_BEFORE_IT_FAILS = {"not-awaitable"}

every_shape = pytest.mark.parametrize("shape", SHAPES, ids=[each.name for each in SHAPES])
every_shape_to_be_called = pytest.mark.parametrize(
    "shape",
    [
        pytest.param(
            each,
            id=each.name,
            marks=pytest.mark.django_db(transaction=each.name.startswith("atomic")),
        )
        for each in SHAPES
    ],
)

pytestmark = [
    pytest.mark.urls("tests.inspection.shapes"),
    # That is how a view fails whose coroutine nobody awaits.
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    # Django 5.2 doesn't close the request's body when its handler fails.
    pytest.mark.filterwarnings("ignore:Unclosed file <tempfile:ResourceWarning"),
    # The connection of a request's thread, which ends with it.
    pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning"),
]


@pytest.fixture(autouse=True)
def middleware(settings, caplog):
    settings.MIDDLEWARE = ["tests.inspection.observing.logged_in"]
    cache.clear()
    # A logged exception would keep its coroutine, to complain in another test.
    caplog.set_level(logging.CRITICAL, "django")


@pytest.fixture(autouse=True, scope="module")
def fast_garbage_collection():
    gc.freeze()  # each call collects, and all that is there already needn't be looked at
    yield
    gc.unfreeze()


def report_of(shape):
    reports = inspect_operations(shape.callback)
    return next(
        (each for each in reports if each.effective.reason.startswith(f"{shape.method} ")),
        reports[0],
    )


def test_there_are_at_least_sixty_shapes_each_with_a_name_of_its_own():
    assert len(SHAPES) >= 60
    assert max(Counter(each.name for each in SHAPES).values()) == 1


@every_shape
def test_the_declared_mode_is_what_django_is_told(shape):
    declared = report_of(shape).declared
    assert (declared.mode, declared.certainty) == (shape.declared, "proven")


@every_shape
def test_the_effective_mode_and_the_problems_are_as_in_the_table(shape):
    report = report_of(shape)
    assert report.effective.mode == shape.effective, report.effective
    assert {each.kind for each in report.problems} == shape.problems, report.problems


@every_shape_to_be_called
@pytest.mark.parametrize("handler", ["wsgi", "asgi"])
def test_the_effective_mode_is_what_happens_under_each_handler(shape, handler):
    call = {"wsgi": call_under_wsgi, "asgi": call_under_asgi}[handler]
    assert call(f"/{shape.name}/", shape.method) == expected(report_of(shape), handler)


def expected(report, handler) -> Observed | None:
    """What a report says of a call, put as what is observed of one."""
    kinds = {each.kind for each in report.problems}
    if report.effective.mode is None or kinds & (FATAL - RUNS_BEFORE_IT_FAILS):
        return None
    on_the_loop = report.effective.mode == "async" or "blocking-view" in kinds
    if "not-awaitable" in kinds:
        # The handler calls it for something to await: on its loop, if it has one.
        on_the_loop = handler == "asgi"
    return Observed(report.effective.mode, "the loop" if on_the_loop else "a thread")


def test_the_urlconf_has_them_all():
    reports = inspect_urlconf("tests.inspection.shapes")
    assert {each.route for each in reports} == {f"{each.name}/" for each in SHAPES}
    assert len(reports) == len(SHAPES) + 2  # Django Ninja's second operation, at two patterns
