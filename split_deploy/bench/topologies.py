"""The topologies that are compared, and which processes each of them has.

What is the same for all: nginx in front, on Unix sockets; the number of processes; as many threads
in each as a server has a number of; the loop (uvloop) and the parser (httptools) of Uvicorn; no
access log; connections that are kept for 75 s. The split and the mixed topology serve the project's
entry points under its own settings, the others what ``stock`` makes of them: Django's handlers and
Django's middleware.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from split_deploy.bench.config import Project

Group = Literal["split", "native", "asgi", "wsgi"]
Kind = Literal["gthread", "sync", "asgi", "uvicorn_worker.UvicornWorker", "uvicorn", "granian"]

_STOCK: Final = "split_deploy.bench.stock"
_COUNTING: Final = "split_deploy.bench.counting"
_LOOP: Final = "split_deploy.event_loop:new_event_loop"
#: More than any workload has: what waits in a listener's queue, and the streams of a process.
_BACKLOG: Final = 4096
_MOST_STREAMS: Final = 20_000

_TITLES: Final[dict[Kind, str]] = {
    "gthread": "Gunicorn gthread",
    "sync": "Gunicorn sync",
    "asgi": "Gunicorn asgi",
    "uvicorn_worker.UvicornWorker": "Gunicorn uvicorn_worker",
    "uvicorn": "Uvicorn",
    "granian": "Granian",
}
_PACKAGES: Final[dict[Kind, str]] = {
    "gthread": "gunicorn",
    "sync": "gunicorn",
    "asgi": "gunicorn",
    "uvicorn_worker.UvicornWorker": "uvicorn_worker",
    "uvicorn": "uvicorn",
    "granian": "granian",
}


@dataclass(frozen=True, slots=True)
class Size:
    """How many processes and threads a topology has."""

    processes: int
    async_processes: int
    #: Of each process.
    threads: int


@dataclass(frozen=True, slots=True)
class Topology:
    """One way to serve a project."""

    name: str
    title: str
    group: Group
    #: What runs ASGI, if anything does, and what runs WSGI.
    asgi: Kind | None = None
    wsgi: Kind | None = None

    @property
    def is_wsgi(self) -> bool:
        """Whether async views are served under WSGI, if at all."""
        return self.asgi is None

    @property
    def is_native(self) -> bool:
        """Whether it is served with this package's handler and middleware."""
        return self.group in {"split", "native"}

    @property
    def threads_note(self) -> str:
        """What the number of threads doesn't say."""
        if self.group == "asgi":
            return "a thread of its own for each request, whatever the number"
        if self.wsgi == "sync":
            return "one request at a time in each process"
        return ""

    def missing(self) -> str | None:
        """Return the package that it needs and that is not installed."""
        for kind in (self.asgi, self.wsgi):
            if kind is not None and find_spec(_PACKAGES[kind]) is None:
                return _PACKAGES[kind]
        return None

    def servers(self, project: "Project", size: Size) -> "tuple[ServerSpec, ...]":
        """Return its servers, with ``size`` processes and threads in all."""
        if self.group == "split":
            assert self.wsgi is not None  # noqa: S101
            assert self.asgi is not None  # noqa: S101
            return (
                ServerSpec(
                    role="sync",
                    kind=self.wsgi,
                    application=project.wsgi,
                    interface="wsgi",
                    settings=project.sync_settings,
                    number=size.processes - size.async_processes,
                    threads=size.threads,
                ),
                ServerSpec(
                    role="async",
                    kind=self.asgi,
                    application=project.asgi,
                    interface="asgi",
                    settings=project.async_settings,
                    number=size.async_processes,
                    threads=size.threads,
                ),
            )
        interface: Literal["asgi", "wsgi"] = "wsgi" if self.asgi is None else "asgi"
        kind = self.asgi or self.wsgi
        assert kind is not None  # noqa: S101
        return (
            ServerSpec(
                role="mixed",
                kind=kind,
                application=project.asgi if self.is_native else f"{_STOCK}:{interface}",
                interface=interface,
                settings=project.mixed_settings if self.is_native else f"{_STOCK}_settings",
                number=size.processes,
                threads=1 if kind == "sync" else size.threads,
                env={}
                if self.is_native
                else {
                    "SPLIT_DEPLOY_BENCH_SETTINGS": project.mixed_settings,
                    "SPLIT_DEPLOY_BENCH_INTERFACE": interface,
                },
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSpec:
    """One server of a topology: a master and its processes."""

    role: Literal["sync", "async", "mixed"]
    kind: Kind
    #: ``module:attribute``.
    application: str
    interface: Literal["asgi", "wsgi"]
    settings: str
    number: int
    threads: int
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return _TITLES[self.kind]

    @property
    def is_native(self) -> bool:
        return not self.application.startswith(_STOCK)

    @property
    def socket(self) -> str:
        """The name of its Unix socket."""
        return f"{self.role}.sock"

    def command(self, socket: Path, *, counting: bool = False) -> list[str]:
        """Return its command line; ``counting`` serves what counts thread hops around it."""
        application = f"{_COUNTING}:{self.interface}" if counting else self.application
        number = str(self.number)
        if self.kind == "granian":
            threads = ["--blocking-threads", str(self.threads)] if self.interface == "wsgi" else []
            return [
                *(sys.executable, "-m", "granian", application, "--interface", self.interface),
                *("--uds", str(socket), "--workers", number, *threads, "--loop", "uvloop"),
                *("--backlog", str(_BACKLOG), "--log-level", "warning"),
                # Else a request waits when a process has more than its part of the backlog.
                *(("--backpressure", str(_MOST_STREAMS)) if self.interface == "asgi" else ()),
            ]
        if self.kind == "uvicorn":
            return [
                *(sys.executable, "-m", "uvicorn", application, "--uds", str(socket)),
                *("--workers", number, "--loop", _LOOP if self.is_native else "uvloop"),
                *("--http", "httptools", "--no-access-log", "--log-level", "warning"),
                *("--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "1"),
                *("--backlog", str(_BACKLOG), "--interface", "asgi3"),
            ]
        return [
            *(sys.executable, "-m", "gunicorn", application, "--bind", f"unix:{socket}"),
            *("-c", "python:split_deploy.bench.gunicorn_conf", "--worker-class", self.kind),
            *("--workers", number, "--backlog", str(_BACKLOG)),
            *(("--threads", str(self.threads)) if self.kind == "gthread" else ()),
            *(("--worker-connections", str(_MOST_STREAMS)) if self.kind == "asgi" else ()),
        ]

    def environment(self, project: "Project", *, counting: bool = False) -> dict[str, str]:
        """Return its environment: this process's, without what would configure a server."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in {"WEB_CONCURRENCY", "GUNICORN_CMD_ARGS"}
            and not name.startswith(("UVICORN_", "GRANIAN_"))
        }
        imposed = {
            "DJANGO_SETTINGS_MODULE": self.settings,
            project.threads_variable: str(self.threads),
            "PYTHONUNBUFFERED": "1",
            "SPLIT_DEPLOY_BENCH_LOOP": _LOOP if self.is_native else "uvloop",
        }
        if counting:
            imposed["SPLIT_DEPLOY_BENCH_APPLICATION"] = self.application
        return inherited | dict(project.env) | dict(self.env) | imposed


_ALL: Final = (
    Topology("split", "Split", "split", asgi="uvicorn", wsgi="gthread"),
    Topology("split-granian", "Split, Granian", "split", asgi="uvicorn", wsgi="granian"),
    Topology("mixed", "Mixed, native", "native", asgi="uvicorn_worker.UvicornWorker"),
    Topology(
        "asgi-uvicorn-worker", "ASGI, uvicorn_worker", "asgi", asgi="uvicorn_worker.UvicornWorker"
    ),
    Topology("asgi-uvicorn", "ASGI, Uvicorn", "asgi", asgi="uvicorn"),
    Topology("asgi-gunicorn", "ASGI, Gunicorn", "asgi", asgi="asgi"),
    Topology("asgi-granian", "ASGI, Granian", "asgi", asgi="granian"),
    Topology("wsgi-gthread", "WSGI, gthread", "wsgi", wsgi="gthread"),
    Topology("wsgi-sync", "WSGI, sync", "wsgi", wsgi="sync"),
    Topology("wsgi-granian", "WSGI, Granian", "wsgi", wsgi="granian"),
)
#: By name, in the order in which they are reported; the ratios are those of the first one.
TOPOLOGIES: Final[dict[str, Topology]] = {topology.name: topology for topology in _ALL}
