"""The instances and nginx together: started in order, watched, stopped as one."""

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from split_deploy.conf import Role
from split_deploy.nginx import ANY_HOST, Proxy, mime_types, render
from split_deploy.run import commands, reload
from split_deploy.run.child import Child
from split_deploy.run.console import Console
from split_deploy.run.instances import Instance, instances
from split_deploy.run.options import Options

#: Seconds for a start. A project that needs longer for its migrations runs them beforehand.
START_TIMEOUT: Final = 120.0
#: Seconds after which what has not stopped is killed; with the rest, less than ten.
STOP_TIMEOUT: Final = 9.0

_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
#: What the kernel leaves for the path of a Unix socket.
_LONGEST_SOCKET_PATH: Final = 107
#: What nginx answers when an instance does not.
_UNANSWERED: Final = (502, 504)


class _RunError(Exception):
    """Something did not start or has died; the console has said what and why."""

    def __init__(self, status: int) -> None:
        self.status = status


class _Changes:
    """The roles whose code has changed."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._any = asyncio.Event()

    def add(self, name: str) -> None:
        self._names.add(name)
        self._any.set()

    async def wait(self) -> None:
        await self._any.wait()

    def take(self) -> set[str]:
        names, self._names = self._names, set()
        self._any.clear()
        return names


class Supervisor:
    """Runs the processes of ``options`` until a signal comes or one of them dies."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._console = Console()
        self._instances = {instance.role: instance for instance in instances(options)}
        self._children: dict[str, Child] = {
            role: Child(role, self._printer(role), stop_signal=signal.SIGTERM)
            for role in self._instances
        }
        # QUIT: what is under way is answered first.
        self._nginx = Child("nginx", self._printer("nginx"), stop_signal=signal.SIGQUIT)
        self._children["nginx"] = self._nginx
        self._stopping = asyncio.Event()
        self._changed = _Changes()
        self._project: dict[str, Any] = {}
        self._listeners: dict[Role, socket.socket] = {}

    async def run(self) -> int:
        """Run, and return the exit status: 0 after a signal, else what went wrong."""
        started = time.monotonic()
        self._install_signals()
        self._runtime = Path(tempfile.mkdtemp(prefix="split-deploy-"))
        status = 0
        try:
            await self._until_stopped(partial(self._start, started))
            await self._until_stopped(self._watch)
        except _RunError as failed:
            status = failed.status
        finally:
            await self._stop()
            shutil.rmtree(self._runtime, ignore_errors=True)
        return status

    def _install_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for signal_ in _STOP_SIGNALS:
            # nohup has the hang-up ignored, and means it.
            if signal_ != signal.SIGHUP or signal.getsignal(signal_) != signal.SIG_IGN:
                loop.add_signal_handler(signal_, self._stopping.set)
        if self._options.reload:
            for role in self._instances:
                loop.add_signal_handler(reload.SIGNALS[role], self._changed.add, role)

    async def _until_stopped(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do ``work``, but for no longer than until a stop signal."""
        if self._stopping.is_set():
            return
        doing = asyncio.create_task(work())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not doing.done():
            doing.cancel()
            with suppress(asyncio.CancelledError):
                await doing
            return
        doing.result()

    # Start

    async def _start(self, started: float) -> None:
        await self._prepare()
        try:
            async with asyncio.timeout(START_TIMEOUT):
                # The instances load the project at once. Once they listen, a request waits.
                await asyncio.gather(*map(self._start_instance, self._instances.values()))
                death = await self._first_death(until=self._all_listen())
                if not death:
                    await self._start_nginx()
                    death = await self._first_death(until=self._all_answer())
        except TimeoutError:
            self._say(f"not everything answered within {START_TIMEOUT:g} s.")
            raise _RunError(1) from None
        if death:
            self._explain(*death)
            raise _RunError(1)
        self._say(
            f"{self._options.url}/ answers: {self._who_answers()}. "
            f"Started in {time.monotonic() - started:.1f} s; Ctrl-C stops."
        )
        if self._options.is_wildcard:
            names = ", ".join(self._proxy().server_names)
            self._say(f"Other machines reach it by the names in ALLOWED_HOSTS: {names}")

    def _who_answers(self) -> str:
        if self._options.topology == "split":
            return f"sync at /, async at /{self._project['prefix']}"
        return f"all of it under ASGI, on {self._instances['mixed'].server.capitalize()}"

    async def _prepare(self) -> None:
        """Let the instances be prepared, and keep what nginx needs to know of the project."""
        if len(str(self._runtime / "async.sock")) > _LONGEST_SOCKET_PATH:
            self._say(
                f"TMPDIR is too long for a Unix socket: {self._runtime}. Choose a shorter one."
            )
            raise _RunError(2)
        results = await asyncio.gather(*map(self._prepare_one, self._instances.values()))
        if failed := [result for result in results if "problem" in result]:
            # What two find is one problem, and what the other meets later follows from it.
            first = min(result["step"] for result in failed)
            for problem in dict.fromkeys(r["problem"] for r in failed if r["step"] == first):
                for line in f"did not start: {problem}".splitlines():
                    self._say(line)
            raise _RunError(2)
        self._project = results[0]
        for line in self._project["applied"]:
            self._say(line)
        try:
            # Before anything is started: it tells what can't be.
            self._proxy()
        except ValueError as error:
            self._say(f"nginx can't be configured for ALLOWED_HOSTS or STATIC_URL: {error}")
            raise _RunError(2) from error

    async def _prepare_one(self, instance: Instance) -> dict[str, Any]:
        lines: list[str] = []
        result = self._runtime / f"{instance.role}.json"
        arguments = ["--gunicorn"] if instance.server == "gunicorn" else []
        if instance.is_first:
            arguments += ["--first", "--static", str(self._runtime / "static")]
            arguments += ["--link"] if self._options.reload else []
        child = Child("split", lines.append, stop_signal=signal.SIGTERM)
        try:
            await child.start(
                [
                    *(sys.executable, "-m", "split_deploy.run.prepare"),
                    *(instance.application, str(result), *arguments),
                ],
                env=commands.instance_env(self._options, instance.settings),
            )
            status = await child.wait()
        finally:
            await child.stop(STOP_TIMEOUT)
        if not result.exists():
            said = "\n".join(child.last_lines)
            problem = f"{instance.settings} can't be loaded (exit status {status}).\n{said}"
            return {"problem": problem, "step": 0}
        applied = [line.strip() for line in lines if line.startswith("  Applying")]
        return {**json.loads(result.read_text()), "applied": applied}

    async def _start_instance(self, instance: Instance) -> None:
        child, path = self._children[instance.role], self._runtime / instance.socket
        env = self._env(instance.settings)
        if instance.server == "gunicorn":
            await child.start(commands.gunicorn_command(instance, path), env=env)
            return
        if instance.server == "granian":
            # What one that was killed has left: it would not listen there.
            path.unlink(missing_ok=True)
            await child.start(commands.granian_command(instance, path), env=env)
            return
        # The socket stays open here, so a request that comes during a restart waits and is
        # answered.
        if instance.role not in self._listeners:
            path.unlink(missing_ok=True)
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._listeners[instance.role] = listener
            listener.bind(str(path))
            listener.listen(socket.SOMAXCONN)
            listener.set_inheritable(True)
        fd = self._listeners[instance.role].fileno()
        await child.start(commands.uvicorn_command(instance, fd), env=env, pass_fds=[fd])

    async def _start_nginx(self) -> None:
        (self._runtime / "mime.types").write_text(mime_types())
        configuration = self._runtime / "nginx.conf"
        configuration.write_text(render(self._proxy()))
        try:
            await self._nginx.start(
                commands.nginx_command(self._options, configuration),
                env=commands.nginx_env(),
            )
        except OSError as error:
            self._say(
                f"NGINX is {str(self._options.nginx)!r}, which can't be run: {error.strerror}."
            )
            raise _RunError(2) from error

    def _proxy(self) -> Proxy:
        static = {}
        if self._project["static_url"]:
            static = {name: self._project[name] for name in ("static_url", "static_root")}
        return Proxy.local(
            topology=self._options.topology,
            sync_server=self._options.sync_server,
            runtime_dir=self._runtime,
            host=self._options.host,
            port=self._options.port,
            prefix=self._project["prefix"],
            server_names=self._server_names(),
            # The instances log each request, with its id and duration.
            access_log=None,
            shutdown_timeout=commands.GRACE["sync"] + 1,
            # Started by root, workers would become "nobody", whom the runtime directory keeps out.
            user="root" if os.geteuid() == 0 else None,
            **static,
        )

    def _server_names(self) -> tuple[str, ...]:
        """This machine's own names, and those that Django answers for.

        ``.example.com`` covers ``example.com`` in both, and nginx warns when it is told twice.
        """
        if "*" in self._project["allowed_hosts"]:
            return ANY_HOST
        own = ["localhost", "127.0.0.1", "[::1]", self._options.url_host.lower()]
        allowed = [name.lower() for name in self._project["allowed_hosts"]]
        names = dict.fromkeys([*own, *allowed])
        return tuple(name for name in names if f".{name}" not in names)

    def _env(self, settings_module: str) -> dict[str, str]:
        env = dict(commands.instance_env(self._options, settings_module))
        if self._options.reload:
            env[reload.SUPERVISOR] = str(os.getpid())
        return env

    async def _all_listen(self) -> None:
        for instance in self._instances.values():
            while not await self._listens(instance):
                await asyncio.sleep(0.01)

    async def _listens(self, instance: Instance) -> bool:
        path = self._runtime / instance.socket
        if instance.server != "granian":
            return path.exists()
        # Granian makes the socket at once; its workers listen when they have loaded the project.
        try:
            _, writer = await asyncio.open_unix_connection(path)
        except OSError:
            return False
        writer.close()
        return True

    async def _all_answer(self) -> None:
        """Wait until each instance answers through nginx, and so all of them do."""
        for instance in self._instances.values():
            path = instance.health_path(self._project["prefix"])
            while await self._status(path) in (None, *_UNANSWERED):
                await asyncio.sleep(0.03)

    async def _status(self, path: str) -> int | None:
        options = self._options
        try:
            reader, writer = await asyncio.open_connection(options.connect_host, options.port)
        except OSError:
            return None
        try:
            request = (
                f"GET {path} HTTP/1.1\r\nHost: {options.url_host}\r\nConnection: close\r\n\r\n"
            )
            writer.write(request.encode())
            response = await reader.read()
            return int(response.split(maxsplit=2)[1])
        except (OSError, IndexError, ValueError):
            return None
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    # Watch

    async def _watch(self) -> None:
        """Restart what has changed, for ever; raise when an instance or nginx has died.

        With ``--reload`` an instance whose code doesn't load is no reason to stop: it is started
        again at the next change.
        """
        broken: set[str] = set()
        while True:
            death = await self._first_death(
                until=self._sources_change() if broken else self._changed.wait(), except_for=broken
            )
            if death:
                child, status = death
                self._explain(child, status)
                if not self._options.reload or child.name == "nginx":
                    raise _RunError(1)
                self._say(f"{child.name} is started again when a file changes.")
                await child.stop(STOP_TIMEOUT)  # what it may have left behind
                self._close_listeners(child.name)
                broken.add(child.name)
                continue
            # An editor or a checkout changes several files, and several workers tell of each.
            await asyncio.sleep(reload.INTERVAL)
            changed = broken | self._changed.take()
            for role, instance in self._instances.items():
                if role in changed:
                    self._say(f"{role}: the code has changed, restarting.")
                    await self._restart(instance, afresh=role in broken)
            broken.clear()

    async def _first_death(
        self, *, until: Coroutine[Any, Any, None], except_for: Collection[str] = ()
    ) -> tuple[Child, int] | None:
        """Wait for the first of the children to die, or for ``until``."""
        waits = {
            asyncio.create_task(child.wait()): child
            for child in self._children.values()
            if child.was_started and child.name not in except_for
        }
        end = asyncio.create_task(until)
        try:
            await asyncio.wait({end, *waits}, return_when=asyncio.FIRST_COMPLETED)
            for wait, child in waits.items():
                if wait.done():
                    return child, wait.result()
            end.result()
            return None
        finally:
            for task in (end, *waits):
                task.cancel()

    async def _sources_change(self) -> None:
        before = reload.snapshot(reload.source_files())
        while reload.snapshot(reload.source_files()) == before:
            await asyncio.sleep(reload.INTERVAL)

    async def _restart(self, instance: Instance, *, afresh: bool) -> None:
        child = self._children[instance.role]
        if instance.server in ("gunicorn", "granian") and not afresh:
            # Their own reload: new workers first, then the old ones go.
            child.send(signal.SIGHUP)
            return
        await child.stop(STOP_TIMEOUT)
        await self._start_instance(instance)

    def _explain(self, child: Child, status: int) -> None:
        how = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        self._say(f"{child.name} has died ({how}); its last lines were:")
        for line in child.last_lines:
            self._say(f"    {line}")

    # Stop

    async def _stop(self) -> None:
        outcomes = await asyncio.gather(
            *(child.stop(STOP_TIMEOUT) for child in self._children.values())
        )
        for child, in_time in zip(self._children.values(), outcomes, strict=True):
            if not in_time:
                self._say(f"{child.name} did not stop within {STOP_TIMEOUT:g} s and was killed.")
        self._close_listeners(*self._instances)

    def _close_listeners(self, *names: str) -> None:
        """Let nginx answer at once, with an error, what nobody will."""
        for role in [role for role in self._listeners if role in names]:
            self._listeners.pop(role).close()

    def _say(self, text: str) -> None:
        self._console.line("split", text)

    def _printer(self, name: str) -> Callable[[str], None]:
        return lambda text: self._console.line(name, text)
