"""``SYNC_SERVER``: what may be said, what has to be there, and what is made of it."""

import argparse
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from split_deploy import _granian, checks, purity, wsgi
from split_deploy.checks import budget
from split_deploy.checks import cli as check
from split_deploy.handlers import NativeWSGIHandler
from split_deploy.handlers.granian import GranianHandler
from split_deploy.nginx import Proxy, render
from split_deploy.nginx import cli as nginx
from split_deploy.run import commands
from split_deploy.run import options as run_options
from split_deploy.run.instances import instances
from split_deploy.run.options import Options, OptionsError, add_arguments

NO_SUCH = "SYNC_SERVER is 'granion': choose one of gunicorn, granian. Did you mean granian?"


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch):
    for name in ("SYNC_SERVER", "TOPOLOGY", "WEB_CONCURRENCY", *commands.GRANIAN):
        monkeypatch.delenv(name, raising=False)


def options(*arguments):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return Options.from_namespace(parser.parse_args(["--port", "0", *arguments]))


def sync_instance(options):
    return next(each for each in instances(options) if each.role == "sync")


def test_gunicorn_is_the_default():
    assert sync_instance(options()).server == "gunicorn"


def test_an_option_or_a_variable_chooses_granian(monkeypatch):
    assert sync_instance(options("--sync-server", "granian")).server == "granian"
    monkeypatch.setenv("SYNC_SERVER", "granian")
    assert sync_instance(options()).server == "granian"


def test_an_unknown_one_is_one_clear_message(monkeypatch):
    with pytest.raises(OptionsError) as failed:
        options("--sync-server", "granion")
    assert str(failed.value) == NO_SUCH
    with pytest.raises(
        ValueError, match=r"^sync_server is 'x': choose one of gunicorn, granian\.$"
    ):
        Proxy(sync_server="x")


def test_the_check_knows_none_of_that_name_either(monkeypatch, capsys):
    monkeypatch.setenv("SYNC_SERVER", "granion")
    parser = argparse.ArgumentParser()
    check.add_arguments(parser)
    assert check.handle(parser.parse_args([])) == 2
    assert capsys.readouterr().err == f"split-deploy check: {NO_SUCH}\n"


@pytest.mark.parametrize("topology", ["mixed", "uvicorn"])
def test_a_topology_without_a_sync_instance_has_no_sync_server(topology):
    with pytest.raises(OptionsError, match=f"TOPOLOGY={topology} has no sync instance"):
        options("--sync-server", "granian", "--topology", topology)
    with pytest.raises(ValueError, match="there is no sync instance"):
        Proxy(sync_server="granian", topology=topology)


def test_where_granian_is_missing_its_package_is_named(monkeypatch):
    monkeypatch.setattr(run_options, "find_spec", lambda name: None if name == "granian" else name)
    with pytest.raises(OptionsError) as failed:
        options("--sync-server", "granian")
    assert str(failed.value) == (
        'granian is not installed here. Install it with: pip install "granian>=2.8"'
    )
    options("--sync-server", "gunicorn")


def test_where_gunicorn_is_missing_granian_needs_none(monkeypatch):
    monkeypatch.setattr(run_options, "find_spec", lambda name: None if name == "gunicorn" else name)
    options("--sync-server", "granian")
    with pytest.raises(OptionsError, match=r"gunicorn is not installed here.*\[servers\]"):
        options()


def test_granian_is_told_the_interface_and_the_socket():
    chosen = options("--sync-server", "granian")
    assert commands.granian_command(sync_instance(chosen), Path("/run/sync.sock")) == [
        *(sys.executable, "-m", "granian", "wsgi:application"),
        *("--interface", "wsgi", "--uds", "/run/sync.sock"),
    ]


def test_web_concurrency_is_its_number_of_processes_unless_granian_is_told_another(monkeypatch):
    chosen = options("--sync-server", "granian")

    def workers():
        return commands.instance_env(chosen, "settings.sync_only")["GRANIAN_WORKERS"]

    assert workers() == "2"
    monkeypatch.setenv("WEB_CONCURRENCY", "3")
    assert workers() == "3"
    monkeypatch.setenv("GRANIAN_WORKERS", "4")
    assert workers() == "4"


def test_granian_understands_every_option_that_it_is_given(tmp_path):
    """By its own command, which refuses a value that it can't read. The target is not loaded."""
    done = subprocess.run(
        [sys.executable, "-m", "granian", "--uds", str(tmp_path / "no" / "s"), "x:y"],
        env=commands.GRANIAN | {"GRANIAN_WORKERS_KILL_TIMEOUT": "6", "GRANIAN_INTERFACE": "wsgi"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Error: Invalid value" not in done.stderr
    from granian.cli import cli

    known = {f"GRANIAN_{parameter.name.upper()}" for parameter in cli.params}
    assert {*commands.GRANIAN, "GRANIAN_WORKERS_KILL_TIMEOUT"} <= known


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, (2, 4)),
        ({"WEB_CONCURRENCY": "3"}, (3, 4)),
        ({"WEB_CONCURRENCY": "3", "GRANIAN_WORKERS": "5"}, (5, 4)),
        ({"GRANIAN_BLOCKING_THREADS": "16"}, (2, 16)),
    ],
    ids=str,
)
def test_the_connections_that_it_may_open_are_its_processes_times_its_threads(
    monkeypatch, settings, env, expected
):
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    database = settings.DATABASES["default"] | {"ENGINE": "django.db.backends.postgresql"}
    monkeypatch.setattr(budget, "settings", argparse.Namespace(DATABASES={"default": database}))
    monkeypatch.setattr(budget, "connections", {"default": argparse.Namespace(vendor="postgresql")})
    monkeypatch.setattr(budget, "_allowed", lambda alias: (None, None))
    ((_, share),) = budget.shares_of("sync", "split", "granian")
    assert (share["processes"], share["each"]) == expected


def test_nginx_lets_go_of_an_idle_connection_before_granian_does():
    text = render(Proxy(sync_server="granian"))
    upstream = text.split("upstream sync_instance {")[1].split("}")[0]
    assert "keepalive_timeout 50s;" in upstream
    assert int(commands.GRANIAN["GRANIAN_HTTP1_HEADER_READ_TIMEOUT"]) > 50_000
    assert "--sync-server granian" in text
    assert render(Proxy()) == render(Proxy(sync_server="gunicorn"))


def test_nginx_s_command_knows_it_too(capsys):
    parser = argparse.ArgumentParser()
    nginx.add_arguments(parser)
    assert nginx.handle(parser.parse_args(["--sync-server", "granian"])) == 0
    assert capsys.readouterr().out == render(Proxy(sync_server="granian"))


# The entry points


@pytest.fixture
def started_as(monkeypatch):
    """Pretend that this process is served by Granian, started by ``granian ARGUMENTS``."""

    def start(*arguments, program="/venv/bin/granian", **env):
        monkeypatch.setattr(_granian, "is_the_server", lambda: True)
        monkeypatch.setattr(sys, "argv", [program, *arguments])
        for name, value in env.items():
            monkeypatch.setenv(name, value)

    return start


@pytest.mark.parametrize(
    ("arguments", "env", "spoken"),
    [
        (("wsgi:application",), {}, "rsgi"),
        (("--interface", "asgi", "wsgi:application"), {}, "asgi"),
        (("wsgi:application", "--interface=asginl"), {}, "asginl"),
        (("wsgi:application",), {"GRANIAN_INTERFACE": "asgi"}, "asgi"),
    ],
    ids=str,
)
def test_the_sync_instance_refuses_another_interface(started_as, arguments, env, spoken):
    started_as(*arguments, **env)
    with pytest.raises(ImproperlyConfigured) as refused:
        purity.refuse_interface("wsgi.py", _granian.WSGI)
    assert str(refused.value) == (
        f"Granian serves wsgi.py with --interface {spoken}, and wsgi.py is for --interface wsgi "
        "(GRANIAN_INTERFACE=wsgi)."
    )


@pytest.mark.parametrize("program", ["/venv/bin/granian", "/lib/granian/__main__.py"])
def test_the_right_interface_is_not_refused(started_as, program):
    started_as("--interface", "wsgi", "wsgi:application", program=program)
    assert _granian.interface() == "wsgi"
    purity.refuse_interface("wsgi.py", _granian.WSGI)
    started_as("asgi:application", program=program, GRANIAN_INTERFACE="asgi")
    purity.refuse_interface("asgi.py", _granian.ASGI)


def test_nobody_knows_the_interface_of_a_program_that_embeds_granian(started_as):
    started_as(program="/srv/own.py")
    assert _granian.interface() is None
    purity.refuse_interface("wsgi.py", _granian.WSGI)


def test_granian_gets_a_handler_of_its_own(started_as, monkeypatch):
    monkeypatch.setattr(checks, "run", lambda **_: [])
    monkeypatch.setattr(_granian, "is_the_server", lambda: False)
    assert type(wsgi.get_sync_application()) is NativeWSGIHandler
    started_as("--interface", "wsgi", "wsgi:application")
    assert type(wsgi.get_sync_application()) is GranianHandler
