"""The servers of a topology behind an nginx of its own: started, pinned, watched, stopped."""

import http.client
import os
import resource
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Self

import psutil

from split_deploy.bench.config import Project
from split_deploy.bench.load.process import on
from split_deploy.bench.topologies import ServerSpec, Size, Topology
from split_deploy.nginx import ANY_HOST, Proxy, mime_types, render

#: Seconds for a start, and for a stop, after which what is left is killed.
_START: Final = 60.0
_STOP: Final = 10.0
#: Several processes of nginx, since each stream takes it two files and a process has a limit.
_NGINX_PROCESSES: Final = 4
_UNANSWERED: Final = (502, 504)


class ServerError(Exception):
    """A server did not start or has died; the message has the last lines of what it said."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Which processor cores the servers have, and which the rest: nginx, load, what is called."""

    servers: tuple[int, ...]
    load: tuple[int, ...]
    #: Those of the servers where one of them is to be out of another's way.
    roomy: tuple[int, ...]
    is_pinned: bool

    @classmethod
    def found(cls, *, pin: bool = True) -> Self:
        """Return the halves of this machine's cores, one for the servers and one for the load.

        With two or three the servers have one for what is measured by itself. For mixtures they
        have all, those of the load too: on a single core none is out of another's way.
        """
        if not hasattr(os, "sched_getaffinity"):
            number = tuple(range(os.cpu_count() or 1))
            return cls(number, number, number, is_pinned=False)
        cores = tuple(sorted(os.sched_getaffinity(0)))
        if len(cores) < 2 or not pin:
            return cls(cores, cores, cores, is_pinned=False)
        half = len(cores) // 2
        roomy = cores if half == 1 else cores[:half]
        return cls(cores[:half], cores[half:], roomy, is_pinned=True)


@dataclass(frozen=True, slots=True)
class Usage:
    """What the servers of a topology, without nginx, have used and hold."""

    #: Processor time so far, in seconds.
    cpu: float
    threads: int


class Servers:
    """A topology that runs. A context manager: leaving it stops all of it."""

    def __init__(
        self,
        topology: Topology,
        project: Project,
        size: Size,
        *,
        folder: Path,
        nginx: Path,
        prefix: str,
        cores: Cores,
        counting: bool = False,
        env: dict[str, str] | None = None,
    ) -> None:
        self.topology = topology
        self.specs = topology.servers(project, size)
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._project = project
        self._folder = folder
        self._nginx = nginx
        self._prefix = prefix
        self._cores = cores
        self._counting = counting
        self._env = env or {}
        self._masters: list[tuple[str, subprocess.Popen[bytes], Path]] = []

    def start(self) -> None:
        """Start the processes, without waiting for them. Raises ``ServerError``."""
        self._folder.mkdir(parents=True)
        for spec in self.specs:
            self._spawn(
                f"{self.topology.title}: {spec.title}",
                spec.command(self.socket(spec), counting=self._counting),
                env=spec.environment(self._project, counting=self._counting) | self._env,
                cores=self._cores.servers,
            )

    def wait(self) -> None:
        """Wait until each server answers, and start nginx. Raises ``ServerError``."""
        deadline = time.monotonic() + _START
        for spec in self.specs:
            while self.ask(spec, "/")[0] is None:
                self.verify_alive()
                if time.monotonic() > deadline:
                    raise ServerError(self._explained(f"did not answer within {_START:g} s"))
                time.sleep(0.05)
        self._start_nginx()
        while self._status_through_nginx() in (None, *_UNANSWERED):
            self.verify_alive()
            if time.monotonic() > deadline:
                raise ServerError(self._explained("did not answer through nginx"))
            time.sleep(0.05)

    def __enter__(self) -> Self:
        try:
            self.start()
            self.wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop all processes, and the children that a master leaves behind."""
        families = [self._family(process.pid) for _, process, _ in self._masters]
        for name, process, _ in self._masters:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGQUIT if name == "nginx" else signal.SIGTERM)
        everything = [each for family in families for each in family]
        _, alive = psutil.wait_procs(everything, timeout=_STOP)
        for each in alive:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        for _, process, _ in self._masters:
            process.wait()
            # What is left of its group, if it was dead before and its children weren't known.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        self._masters.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    def socket(self, spec: ServerSpec) -> Path:
        """Where ``spec`` listens."""
        return self._folder / spec.socket

    def ask(self, spec: ServerSpec, path: str) -> tuple[int | None, bytes]:
        """Ask a server without nginx; return the status and the body, ``None`` for no answer."""
        connection = _UnixConnection(self.socket(spec))
        try:
            connection.request("GET", path, headers={"Host": "127.0.0.1"})
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            return None, b""
        finally:
            connection.close()

    def use(self, cores: Collection[int]) -> None:
        """Let the servers run on ``cores``, if they are pinned at all."""
        if not self._cores.is_pinned:
            return
        for each in self._servers():
            with suppress(psutil.NoSuchProcess):
                for thread in each.threads():
                    with suppress(ProcessLookupError):  # ended meanwhile
                        os.sched_setaffinity(thread.id, cores)

    def verify_alive(self) -> None:
        """Raise ``ServerError`` if a process has ended."""
        for name, process, _ in self._masters:
            if process.poll() is not None:
                raise ServerError(
                    self._explained(f"has ended with status {process.returncode}", name)
                )

    def usage(self) -> Usage:
        """Return what the servers have used so far, and their threads now."""
        cpu, threads = 0.0, 0
        for each in self._servers():
            with suppress(psutil.NoSuchProcess), each.oneshot():
                times = each.cpu_times()
                cpu += times.user + times.system
                threads += each.num_threads()
        return Usage(cpu, threads)

    def memory(self) -> int:
        """Return the memory of the servers in bytes, with what they share divided among them."""
        return sum(_memory(each) for each in self._servers())

    def connections_to(self, ports: Collection[int]) -> int:
        """Return how many TCP connections to ``ports`` the servers have: to the database."""
        number = 0
        for each in self._servers():
            with suppress(psutil.Error):
                number += sum(
                    bool(found.raddr) and found.raddr.port in ports
                    for found in each.net_connections("tcp")
                )
        return number

    def _servers(self) -> list[psutil.Process]:
        return [
            each
            for name, process, _ in self._masters
            if name != "nginx"
            for each in self._family(process.pid)
        ]

    @staticmethod
    def _family(pid: int) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            master = psutil.Process(pid)
            return [master, *master.children(recursive=True)]
        return []

    def _start_nginx(self) -> None:
        options: dict[str, Any] = {}
        for spec in self.specs:
            options[f"{spec.role}_upstreams"] = (f"unix:{self.socket(spec)}",)
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        proxy = Proxy.local(
            runtime_dir=self._folder,
            port=self.port,
            access_log=None,
            topology="split" if self.topology.group == "split" else "mixed",
            prefix=self._prefix,
            server_names=ANY_HOST,
            max_body_size="100m",
            worker_processes=_NGINX_PROCESSES,
            worker_connections=most // 2 if most != resource.RLIM_INFINITY else 32_768,
            user="root" if os.geteuid() == 0 else None,
            **options,
        )
        (self._folder / "mime.types").write_text(mime_types(), encoding="utf-8")
        configuration = self._folder / "nginx.conf"
        configuration.write_text(render(proxy), encoding="utf-8")
        self._spawn(
            "nginx",
            [str(self._nginx), "-c", str(configuration), "-p", str(self._folder), "-e", "stderr"],
            env={name: os.environ[name] for name in ("PATH", "TZ") if name in os.environ},
            cores=self._cores.load,
        )

    def _spawn(
        self, name: str, command: Sequence[str], *, env: dict[str, str], cores: Collection[int]
    ) -> None:
        log = self._folder / f"{len(self._masters)}.log"

        output: IO[bytes]
        with log.open("wb") as output, on(cores if self._cores.is_pinned else ()):
            try:
                process = subprocess.Popen(
                    command,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    # A Ctrl-C is for the runner, which stops them in its order. No sessions of
                    # their own: Linux schedules each session as a group ("autogroup"), and on
                    # busy cores one that has nearly nothing to do then waited for 0.4 s.
                    process_group=0,
                )
            except OSError as error:
                raise ServerError(f"{name} can't be started: {error}") from error
        self._masters.append((name, process, log))

    def _explained(self, what: str, name: str = "") -> str:
        logs = [
            log.read_text(errors="replace").splitlines()[-15:]
            for other, _, log in self._masters
            if name in ("", other)
        ]
        lines = "\n".join(f"    {line}" for log in logs for line in log)
        said = f"Its last lines were:\n{lines}" if lines else "It said nothing."
        return f"{name or self.topology.title} {what}. {said}"

    def _status_through_nginx(self) -> int | None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", f"/{self._prefix}", headers={"Host": "127.0.0.1"})
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=30)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _memory(process: psutil.Process) -> int:
    try:
        found = process.memory_full_info()
        return int(getattr(found, "pss", found.uss))
    except psutil.Error:
        return 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
