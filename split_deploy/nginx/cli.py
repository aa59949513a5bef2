"""Print the nginx configuration, write it to a file, or check that a file is what is printed."""

import argparse
import difflib
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, Final, get_args

from split_deploy.nginx._validate import split_address
from split_deploy.nginx.proxy import Proxy, Target
from split_deploy.nginx.render import render
from split_deploy.topology import (
    DEFAULT_SYNC_SERVER,
    DEFAULT_TOPOLOGY,
    SYNC_SERVERS,
    TOPOLOGIES,
)

#: The exit status for options that can't be, as of argparse itself.
USAGE_ERROR: Final = 2

# Options that are a field of Proxy under the same or the given name. They have no default here, so
# that each target keeps its own.
_REPEATABLE: Final = {
    "--sync-upstream": ("ADDRESS", "where Gunicorn listens: host:port or unix:/path"),
    "--async-upstream": ("ADDRESS", "where Uvicorn listens: host:port or unix:/path"),
    "--mixed-upstream": ("ADDRESS", "where the one instance of the other topologies listens"),
    "--server-name": ("NAME", "a host to answer for; any other gets 421"),
    "--listen": ("ADDRESS", "where nginx listens for http: [address:]port"),
    "--tls-listen": ("ADDRESS", "where nginx listens for https, with --tls-certificate"),
    "--trusted-proxy": ("CIDR", "a load balancer whose X-Forwarded-For and -Proto are believed"),
}
_SINGLE: Final = {
    "--prefix": ("PREFIX", "the URL prefix of the async instance, like async/"),
    "--static-root": ("FOLDER", "the collected static files; 'none' if nginx is not to serve them"),
    "--static-url": ("PATH", "the URL path of the static files, like /static/"),
    "--max-body-size": ("SIZE", "the largest request body, like 10m"),
    "--nginx-version": ("VERSION", "the oldest nginx that has to understand it, like 1.22 or 1.30"),
    "--resolver": ("ADDRESS", "the DNS server that knows the names of the upstreams"),
    "--tls-certificate": ("FILE", "the certificate chain, if nginx itself terminates TLS"),
    "--tls-key": ("FILE", "the key of that certificate"),
    "--user": ("NAME", "the user of the worker processes; 'none' if nginx is not started by root"),
}
_PROXY_OPTIONS: Final = {*_SINGLE, *_REPEATABLE, "--rate-limit", "--sync-server", "--topology"}
_FIELDS: Final = {
    "sync_upstream": "sync_upstreams",
    "async_upstream": "async_upstreams",
    "mixed_upstream": "mixed_upstreams",
    "server_name": "server_names",
    "trusted_proxy": "trusted_proxies",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``split-deploy nginx``."""
    parser.add_argument(
        "--target",
        choices=get_args(Target),
        default="deploy",
        help="a host (deploy), the container of docker-compose.yml (compose), "
        "or this machine without root (local); default: %(default)s",
    )
    parser.add_argument(
        "--topology",
        choices=TOPOLOGIES,
        help="two instances (split), or one that gets everything (mixed, uvicorn); "
        f"default: {DEFAULT_TOPOLOGY}",
    )
    parser.add_argument(
        "--sync-server",
        choices=SYNC_SERVERS,
        help=f"what serves the sync instance; default: {DEFAULT_SYNC_SERVER}",
    )
    parser.add_argument(
        "--runtime-dir",
        metavar="FOLDER",
        help="with --target local: the folder of sockets, pid and temporary files",
    )
    for option, (metavar, text) in _SINGLE.items():
        parser.add_argument(option, metavar=metavar, help=text)
    parser.add_argument(
        "--rate-limit", metavar="NUMBER", type=int, help="requests a second of one client address"
    )
    for option, (metavar, text) in _REPEATABLE.items():
        parser.add_argument(option, metavar=metavar, action="append", help=f"{text} (repeatable)")
    result = parser.add_mutually_exclusive_group()
    result.add_argument("--output", metavar="FILE", type=Path, help="write to FILE, at once")
    result.add_argument(
        "--check", metavar="FILE", type=Path, help="exit with 1 and a diff if FILE differs"
    )


def handle(namespace: argparse.Namespace) -> int:
    """Return 0, 1 if the file to check differs, or ``USAGE_ERROR``."""
    try:
        text = render(_proxy(namespace))
        if namespace.check is not None:
            return _check(namespace.check, text)
        if namespace.output is not None:
            _write(namespace.output, text)
            return 0
    except (ValueError, OSError) as error:
        sys.stderr.write(f"split-deploy nginx: {error}\n")
        return USAGE_ERROR
    sys.stdout.write(text)
    return 0


def _proxy(namespace: argparse.Namespace) -> Proxy:
    given = {
        _FIELDS.get(name, name): tuple(value) if isinstance(value, list) else value
        for name, value in vars(namespace).items()
        if value is not None and f"--{name.replace('_', '-')}" in _PROXY_OPTIONS
    }
    options: dict[str, Any] = _from_settings() | given
    _verify_upstreams(options)
    for name in ("static_root", "user"):
        if options.get(name) == "none":
            options[name] = None
    match namespace.target:
        case "compose":
            return Proxy.compose(**options)
        case "local":
            return _local(namespace.runtime_dir, options)
    return Proxy(**options)


def _verify_upstreams(options: dict[str, Any]) -> None:
    """Refuse the address of an instance that the topology doesn't have."""
    topology = options.get("topology", DEFAULT_TOPOLOGY)
    foreign = ("mixed",) if topology == "split" else ("sync", "async")
    for name in foreign:
        if f"{name}_upstreams" in options:
            raise ValueError(
                f"--{name}-upstream is given, and --topology {topology} has no {name} instance."
            )


def _local(runtime_dir: str | None, options: dict[str, Any]) -> Proxy:
    if runtime_dir is None:
        raise ValueError("--target local needs --runtime-dir, the folder of its sockets and files.")
    addresses = options.pop("listen", None)
    if addresses is None:
        return Proxy.local(runtime_dir=Path(runtime_dir).absolute(), **options)
    host, port = split_address("listen", addresses[0])
    return Proxy.local(
        **{
            "runtime_dir": Path(runtime_dir).absolute(),
            "host": host or "0.0.0.0",  # noqa: S104 what nginx makes of a bare port
            "port": port,
            "listen": addresses,
            **options,
        }
    )


def _from_settings() -> dict[str, Any]:
    """Return what the settings know, when this runs as ``manage.py split nginx``."""
    if "django" not in sys.modules:
        return {}
    from django.conf import settings

    if not settings.configured:
        return {}
    from split_deploy.conf import get_config

    options: dict[str, Any] = {"prefix": get_config().async_prefix}
    static_url = settings.STATIC_URL
    if static_url is None or not static_url.startswith("/") or static_url.startswith("//"):
        # Another host (a CDN), or no static files at all.
        options["static_root"] = None
    else:
        options["static_url"] = static_url
    return options


def _check(path: Path, expected: str) -> int:
    actual = path.read_text(encoding="utf-8")
    if actual == expected:
        return 0
    sys.stdout.writelines(
        difflib.unified_diff(
            actual.splitlines(keepends=True),
            expected.splitlines(keepends=True),
            fromfile=str(path),
            tofile="what these options render",
        )
    )
    return 1


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all: nginx may be told to reload at any moment."""
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
