"""A Gunicorn that is too old for this package, as ``gunicorn[fast]`` can bring it."""

import argparse
import sys
import types

import pytest
from django.core.exceptions import ImproperlyConfigured

from split_deploy import _gunicorn, asgi, wsgi
from split_deploy.purity import refuse_old_gunicorn
from split_deploy.run.options import Options, OptionsError, add_arguments


@pytest.fixture
def old(monkeypatch):
    monkeypatch.setattr(_gunicorn, "version", lambda name: "26.2.0")


def test_the_one_that_is_installed_is_new_enough():
    assert _gunicorn.what_is_wrong_with_gunicorn() is None


@pytest.mark.parametrize("version", ["27.0.0", "28", "100.1", "27.0.0rc1", "unknown"])
def test_a_newer_one_is_nothing_to_talk_of(monkeypatch, version):
    monkeypatch.setattr(_gunicorn, "version", lambda name: version)
    assert _gunicorn.what_is_wrong_with_gunicorn() is None


def test_none_at_all_is_nothing_to_talk_of(monkeypatch):
    def missing(name):
        raise _gunicorn.PackageNotFoundError(name)

    monkeypatch.setattr(_gunicorn, "version", missing)
    assert _gunicorn.what_is_wrong_with_gunicorn() is None


@pytest.mark.usefixtures("old")
def test_an_older_one_is_named_with_the_cause_and_the_remedy():
    wrong = _gunicorn.what_is_wrong_with_gunicorn()
    assert wrong.startswith("Gunicorn 26.2.0 is installed, and 27 or later is needed.")
    assert 'pip install "gunicorn>=27"' in wrong
    assert "gunicorn[fast]" in wrong


@pytest.mark.usefixtures("old")
def test_an_instance_that_an_older_one_runs_does_not_start(monkeypatch):
    monkeypatch.setitem(sys.modules, "gunicorn", types.ModuleType("gunicorn"))
    with pytest.raises(ImproperlyConfigured, match=r"Gunicorn 26\.2\.0 is installed"):
        refuse_old_gunicorn()


@pytest.mark.usefixtures("old")
def test_another_server_does_not_mind_what_gunicorn_lies_beside_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "gunicorn", raising=False)
    refuse_old_gunicorn()


@pytest.mark.parametrize(
    ("module", "start"), [(wsgi, "get_sync_application"), (asgi, "get_async_application")]
)
def test_both_entry_points_ask(monkeypatch, module, start):
    def refuse():
        raise ImproperlyConfigured("too old")

    monkeypatch.setattr(module, "verify_role", lambda *roles: roles[0])
    monkeypatch.setattr(module, "refuse_old_gunicorn", refuse)
    with pytest.raises(ImproperlyConfigured, match="too old"):
        getattr(module, start)()


def options(*arguments):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return Options.from_namespace(parser.parse_args(["--port", "0", *arguments]))


@pytest.mark.usefixtures("old")
@pytest.mark.parametrize("topology", ["split", "mixed"])
def test_a_run_that_needs_it_is_refused(topology):
    with pytest.raises(OptionsError, match=r"Gunicorn 26\.2\.0 is installed"):
        options("--topology", topology)


@pytest.mark.usefixtures("old")
@pytest.mark.parametrize(
    "arguments", [("--topology", "uvicorn"), ("--sync-server", "granian")], ids=" ".join
)
def test_a_run_that_needs_none_goes_on(arguments):
    assert options(*arguments)
