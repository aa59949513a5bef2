"""``split-deploy nginx`` and ``manage.py split nginx``."""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from split_deploy.nginx import Proxy, cli, render

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    return cli.handle(parser.parse_args(arguments))


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ((), "deploy/nginx.conf"),
        (("--topology", "mixed"), "deploy/nginx.mixed.conf"),
        (("--target", "compose"), "deploy/compose/nginx.conf"),
        (("--target", "compose", "--topology", "mixed"), "deploy/compose/nginx.mixed.conf"),
        (("--target", "compose", "--topology", "uvicorn"), "deploy/compose/nginx.uvicorn.conf"),
    ],
)
def test_command_without_settings_prints_the_file_of_the_repository(
    arguments: tuple[str, ...], path: str, tmp_path: Path
) -> None:
    environment = {name: os.environ[name] for name in os.environ if "DJANGO" not in name}
    done = subprocess.run(
        [sys.executable, "-m", "split_deploy", "nginx", *arguments],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
    )
    assert done.stdout == (ROOT / path).read_bytes()


def test_every_option_reaches_the_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    options = {
        "--prefix": "live/",
        "--static-root": "/srv/files",
        "--static-url": "/files/",
        "--max-body-size": "3m",
        "--rate-limit": "7",
        "--nginx-version": "1.30",
        "--resolver": "10.0.0.53",
        "--tls-certificate": "/tls/a.pem",
        "--tls-key": "/tls/a.key",
        "--user": "nginx",
        "--tls-listen": "8443",
        "--listen": "8080",
        "--server-name": "a.example",
        "--trusted-proxy": "10.0.0.0/8",
        "--async-upstream": "async:1",
    }
    arguments = [word for pair in options.items() for word in pair]
    assert (
        run(*arguments, "--sync-upstream", "unix:/a.sock", "--sync-upstream", "unix:/b.sock") == 0
    )
    assert capsys.readouterr().out == render(
        Proxy(
            prefix="live/",
            static_root="/srv/files",
            static_url="/files/",
            max_body_size="3m",
            rate_limit=7,
            nginx_version="1.30",
            resolver="10.0.0.53",
            tls_certificate="/tls/a.pem",
            tls_key="/tls/a.key",
            user="nginx",
            tls_listen=("8443",),
            listen=("8080",),
            server_names=("a.example",),
            trusted_proxies=("10.0.0.0/8",),
            async_upstreams=("async:1",),
            sync_upstreams=("unix:/a.sock", "unix:/b.sock"),
        )
    )


@pytest.mark.parametrize(
    ("topology", "option"),
    [("mixed", "--sync-upstream"), ("uvicorn", "--async-upstream"), ("split", "--mixed-upstream")],
)
def test_the_address_of_an_instance_that_is_not_there_is_refused(
    topology: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--topology", topology, option, "127.0.0.1:1") == cli.USAGE_ERROR
    told = capsys.readouterr()
    assert told.out == ""
    assert f"{option} is given, and --topology {topology} has no " in told.err


def test_the_one_instance_may_be_anywhere(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--topology", "mixed", "--mixed-upstream", "10.0.0.1:8000") == 0
    expected = Proxy(topology="mixed", mixed_upstreams=("10.0.0.1:8000",))
    assert capsys.readouterr().out == render(expected)


def test_none_turns_static_files_and_user_off(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--static-root", "none", "--user", "none") == 0
    assert capsys.readouterr().out == render(Proxy(static_root=None, user=None))


def test_local_target_takes_host_and_port_from_listen(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--target", "local", "--runtime-dir", "/run/x", "--listen", "[::1]:9000") == 0
    expected = Proxy.local(runtime_dir="/run/x", host="::1", port=9000)
    assert capsys.readouterr().out == render(expected)


def test_local_target_needs_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--target", "local") == cli.USAGE_ERROR
    assert "--runtime-dir" in capsys.readouterr().err


def test_malformed_option_is_a_message_and_no_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--prefix", "/async") == cli.USAGE_ERROR
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("split-deploy nginx: prefix is '/async': ")


# ---- Under a project's settings ------------------------------------------------------------------


def test_prefix_and_static_url_default_to_those_of_the_settings(
    settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.SPLIT_DEPLOY = {"ROLE": "sync", "ASYNC_PREFIX": "live/"}
    settings.STATIC_URL = "/assets/"
    assert run("--target", "compose") == 0
    expected = Proxy.compose(prefix="live/", static_url="/assets/")
    assert capsys.readouterr().out == render(expected)


def test_options_win_over_the_settings(settings: Any, capsys: pytest.CaptureFixture[str]) -> None:
    settings.SPLIT_DEPLOY = {"ROLE": "sync", "ASYNC_PREFIX": "live/"}
    assert run("--prefix", "other/") == 0
    assert capsys.readouterr().out == render(Proxy(prefix="other/"))


@pytest.mark.parametrize("url", ["https://cdn.example/", "//cdn.example/", None])
def test_static_files_of_another_host_are_not_served(
    settings: Any, capsys: pytest.CaptureFixture[str], url: str | None
) -> None:
    settings.STATIC_URL = url
    assert run() == 0
    assert capsys.readouterr().out == render(Proxy(static_root=None))


# ---- Files ---------------------------------------------------------------------------------------


def test_output_writes_the_file_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "nginx.conf"
    assert run("--output", str(path)) == 0
    assert path.read_text() == render(Proxy())
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]
    assert capsys.readouterr().out == ""


def test_output_replaces_a_file_at_once_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "nginx.conf"
    path.write_text("old")
    path.chmod(0o600)
    with path.open() as before:
        assert run("--output", str(path)) == 0
        # Whoever has the old file open reads the old file: it was replaced, not written over.
        assert before.read() == "old"
    assert path.read_text() == render(Proxy())
    assert path.stat().st_mode & 0o777 == 0o600


def test_malformed_option_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "nginx.conf"
    path.write_text("old")
    assert run("--output", str(path), "--listen", "http") == cli.USAGE_ERROR
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_output_to_a_missing_folder_is_a_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--output", str(tmp_path / "missing" / "nginx.conf")) == cli.USAGE_ERROR
    assert "missing" in capsys.readouterr().err


def test_check_of_an_equal_file_is_silent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "nginx.conf"
    path.write_text(render(Proxy()))
    assert run("--check", str(path)) == 0
    assert capsys.readouterr().out == ""


def test_check_of_another_file_shows_the_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "nginx.conf"
    path.write_text(render(Proxy(max_body_size="20m")))
    assert run("--check", str(path)) == 1
    out = capsys.readouterr().out
    assert "-    client_max_body_size 20m;\n+    client_max_body_size 10m;\n" in out
    assert path.read_text() == render(Proxy(max_body_size="20m"))


def test_check_of_a_missing_file_is_a_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--check", str(tmp_path / "nginx.conf")) == cli.USAGE_ERROR
    assert "nginx.conf" in capsys.readouterr().err
