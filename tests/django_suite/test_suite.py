"""That ``make django-suite`` tests our classes, and finds what is broken."""

import os
import sys
from types import ModuleType

import pytest
from django.middleware.csrf import CsrfViewMiddleware

from tests.django_suite import __main__ as suite
from tests.django_suite import replacement, sdist, skips
from tests.django_suite.run import Report, run


@pytest.fixture(scope="module")
def tests_of_django():
    if not sdist.are_here():
        reason = "Django's tests are not here: `make django-suite` fetches them."
        (pytest.fail if os.environ.get("REQUIRE_SERVICES") == "1" else pytest.skip)(reason)
    return sdist.tests_of_django()


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_it_is_ours_that_is_tested(tests_of_django, mode):
    report = run(tests_of_django, mode, [suite.PROOF, "csrf_tests"])
    assert report.failed == {}
    proofs = [name for name in report.passed if suite.PROOF in name]
    assert len(proofs) == 7
    ours = "split_deploy.middleware.csrf.CsrfViewMiddleware"
    assert f"django.middleware.csrf.CsrfViewMiddleware -> {ours}" in report.replaced


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_middleware_that_does_nothing_is_noticed(tests_of_django, mode):
    report = run(tests_of_django, mode, ["middleware"], broken="XFrameOptionsMiddleware")
    assert report.code == 1
    assert "middleware.tests.XFrameOptionsMiddlewareTest.test_deny" in report.failed
    # And nothing but what tests it.
    assert {name.split(".")[2] for name in report.failed} == {"XFrameOptionsMiddlewareTest"}


def test_a_name_that_is_none_of_them_is_refused(tests_of_django):
    report = run(tests_of_django, "sync", ["signals"], broken="NoSuchMiddleware")
    assert "nothing that is replaced is named 'NoSuchMiddleware'" in report.output


def test_a_class_of_djangos_that_a_test_module_still_has_is_found(monkeypatch):
    kept = ModuleType("some_tests")
    kept.TheirName = CsrfViewMiddleware
    monkeypatch.setitem(sys.modules, "some_tests", kept)
    path = "django.middleware.csrf.CsrfViewMiddleware"
    monkeypatch.setattr(
        replacement, "done", [replacement.Replaced(path, CsrfViewMiddleware, object)]
    )
    assert f"some_tests.TheirName is Django's {path}" in replacement.left_over()


def a_report(**found):
    return Report(mode="sync", output="", code=1, passed=["some.test"], **found)


def judged(monkeypatch, report, *, with_djangos_own):
    monkeypatch.setattr(suite, "run", lambda *_, **__: a_report(failed=with_djangos_own))
    return suite._summary("sync", [report], sdist.ROOT)


def test_what_fails_with_djangos_own_classes_too_does_not_count(monkeypatch, capsys):
    report = a_report(failed={"a.test": "ours", "another.test": "ours"})
    assert judged(monkeypatch, report, with_djangos_own={"a.test": "theirs"}) == 1
    printed = capsys.readouterr().out
    assert "fails with Django's own, too: a.test" in printed
    assert "FAILED another.test\nours" in printed


def test_a_failure_of_the_proof_always_counts(monkeypatch):
    report = a_report(failed={f"{suite.PROOF}.Some.test": "ours"})
    with_djangos_own = {f"{suite.PROOF}.Some.test": "of course"}
    assert judged(monkeypatch, report, with_djangos_own=with_djangos_own) == 1


def test_a_skip_for_a_reason_that_nobody_has_judged_counts(monkeypatch, capsys):
    report = a_report(skipped={"a.test": "bcrypt not installed", "another.test": "no reason"})
    report.code = 0
    assert judged(monkeypatch, report, with_djangos_own={}) == 1
    assert "no reason: a NEW reason" in capsys.readouterr().out


def test_a_process_that_runs_nothing_counts(monkeypatch):
    report = Report(mode="sync", output="it crashed", code=1)
    assert judged(monkeypatch, report, with_djangos_own={}) == 1


def test_what_is_said_to_fail_with_djangos_own_async_chain_does(tests_of_django):
    names = [name for name, (modes, _) in skips.LEFT_OUT.items() if modes == ("async",)]
    report = run(tests_of_django, "django-async", names)
    assert report.failed.keys() == {*names}


def test_the_labels_are_those_that_matter():
    labels = {label for group in suite.GROUPS for label in group}
    assert labels >= {
        *("asgi", "async", "handlers", "middleware", "middleware_exceptions", "csrf_tests"),
        *("sessions_tests", "messages_tests", "auth_tests", "i18n", "cache", "signals"),
        *("view_tests", "test_client", "requests_tests", "responses", "httpwrappers"),
    }
