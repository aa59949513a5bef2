"""A whole run: each workload on each topology, round after round, then the curves."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from split_deploy.bench import facts
from split_deploy.bench.cell import Cell, measure, over_time
from split_deploy.bench.config import Config, ConfigError, Curve, Workload
from split_deploy.bench.counts import counted
from split_deploy.bench.found import Found, Results, size
from split_deploy.bench.load.figures import Figures, LoadError, Request
from split_deploy.bench.load.process import on
from split_deploy.bench.project import answering_late, prepared
from split_deploy.bench.report.live import Live
from split_deploy.bench.servers import Cores, ServerError, Servers
from split_deploy.bench.statistics import rounded
from split_deploy.bench.topologies import TOPOLOGIES, Size, Topology

#: Seconds after its start at which ``--quick`` begins no other measurement, so that all is stopped
#: and written before two minutes are over: what a flood leaves may take 20 of them to be answered.
_QUICK_BUDGET: Final = 90.0
_QUICK_SECONDS: Final = 1.0
#: Seconds of load before the first round, for what a process does once.
_WARM_UP: Final = 0.3
#: Measurements of a point of a curve: their spread says what it is worth.
_POINT_ROUNDS: Final = 3
#: Seconds of a flood that is looked at over time.
_FLOOD: Final = 4.0
#: Seconds that opening streams takes, for a guess at the time left.
_OPENING: Final = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says in addition to the file."""

    command: str
    nginx: Path
    quick: bool = False
    #: Of load for a measurement, if that was said: otherwise ``--quick`` has its own.
    seconds: float | None = None
    pin: bool = True
    #: Names of workloads and curves; none: all.
    only: tuple[str, ...] = ()
    #: Names of topologies; none: those of the file.
    topologies: tuple[str, ...] = ()


class Bench:
    """Measures what ``config`` asks for; ``report()`` has what was found, at any time.

    Raises ``ConfigError`` if there is nothing to measure.
    """

    def __init__(self, config: Config, options: Options, live: Live) -> None:
        self._config, self._options, self._live = config, options, live
        self._run = config.run
        if options.quick:
            self._run = replace(
                self._run,
                seconds=options.seconds or _QUICK_SECONDS,
                topologies=self._run.quick_topologies,
            )
        for name in options.topologies:
            if name not in TOPOLOGIES:
                raise ConfigError(
                    f"--topology {name}: there is no such topology. "
                    f"There are: {', '.join(TOPOLOGIES)}."
                )
        self._cores = Cores.found(pin=options.pin)
        self._load_cores = self._cores.load if self._cores.is_pinned else ()
        self._started, self._clock = datetime.now(UTC), time.monotonic()
        self._steal = facts.steal()
        self._databases: dict[str, str] = {}
        self._hops: dict[tuple[str, str], Figures] = {}
        self._started_in: dict[str, float] = {}
        self._failures = 0
        #: Whether it ended with Ctrl-C.
        self.interrupted = False
        workloads = list(config.workload)
        curves = config.curve
        if options.quick:
            # As long, and as often, for each.
            workloads = [replace(each, seconds=0, rounds=0) for each in workloads if each.quick]
            curves = ()
        if options.only:
            known = {each.name for each in (*workloads, *curves)}
            if unknown := [name for name in options.only if name not in known]:
                raise ConfigError(
                    f"--only {unknown[0]}: there is no such workload or curve to measure. "
                    f"There are: {', '.join(sorted(known))}."
                )
            workloads = [each for each in workloads if each.name in options.only]
            curves = tuple(each for each in curves if each.name in options.only)
        if not workloads and not curves:
            raise ConfigError("There is nothing to measure: no workload has quick = true.")
        self._found = Found(
            config, self._run, {each.name: Results(each) for each in workloads}, curves
        )

    @property
    def failed(self) -> bool:
        """Whether something could not be measured."""
        return self._failures > 0

    def run(self) -> None:
        """Measure. A Ctrl-C ends it, and what was measured stays.

        Raises ``ConfigError`` if the project can't be prepared.
        """
        project = self._config.project
        try:
            self._project = facts.project_facts(project.mixed_settings, project.env)
            with ExitStack() as stack:
                folder = Path(stack.enter_context(TemporaryDirectory(prefix="bench-")))
                self._variables = stack.enter_context(prepared(project, self._not_undone))
                self._databases = facts.databases(project.mixed_settings, project.env)
                # This process, too, keeps out of the servers' way.
                stack.enter_context(on(self._load_cores))
                late = stack.enter_context(answering_late(self._load_cores))
                self._env = {"SPLIT_DEPLOY_BENCH_SLOW_URL": late}
                self._measure_all(folder)
        except KeyboardInterrupt:
            self.interrupted = True
            self._live.message("Interrupted: what was measured is kept.")

    def _not_undone(self, error: ConfigError) -> None:
        self._failures += 1
        self._live.message(str(error))

    def report(self) -> dict[str, Any]:
        """Return what was found so far, in the shape of report/schema.json."""
        stolen, all_ = (now - then for now, then in zip(facts.steal(), self._steal, strict=True))
        return self._found.report(
            rounded(100 * stolen / all_ if all_ else 0.0),
            {
                "command": self._options.command,
                "started": self._started.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "seconds": rounded(time.monotonic() - self._clock),
                "interrupted": self.interrupted,
                "quick": self._options.quick,
                "machine": facts.machine(self._cores),
                "versions": facts.versions(self._options.nginx) | self._databases,
            },
        )

    def _measure_all(self, folder: Path) -> None:
        self._folder = folder
        self._count(folder)
        self._plan()
        curves = self._found.curves
        # These need no other servers than the workloads.
        here = [each for each in curves if each.vary == "connections"]
        if self._found.workloads or here:
            made = [self._servers(each, folder) for each in self._topologies(here)]
            with self._running(made) as running:
                self._found.start_seconds.update(self._started_in)
                if not self._options.quick:
                    self._warm_up(running)
                number = 0
                while self._round(number, running):
                    number += 1
                self._say_what_is_missing()
                if not self._options.quick:
                    self._over_time(running)
                for curve in here:
                    self._curve_on(curve, running)
        for curve in curves:
            if curve not in here:
                self._curve_afresh(curve, folder)

    # Servers

    def _topologies(self, curves: Sequence[Curve]) -> list[Topology]:
        """Those that workloads and ``curves`` need; what lacks a package is left out."""
        workloads = [each.workload for each in self._found.workloads.values()]
        names = {name for each in workloads for name in self._names(each)}
        names |= {name for each in curves for name in self._names(each)}
        found = []
        for topology in TOPOLOGIES.values():
            if topology.name not in names or topology.name in self._found.skipped:
                continue
            if missing := topology.missing():
                self._leave_out(topology, f"{missing} is not installed")
            else:
                found.append(topology)
        return found

    def _names(self, asked: Workload | Curve) -> Sequence[str]:
        """The topologies that are to be measured with ``asked``."""
        names = asked.topologies or self._run.topologies
        if self._options.quick:
            names = tuple(name for name in names if name in self._run.topologies)
        if chosen := self._options.topologies:
            names = tuple(name for name in names if name in chosen)
        return names

    def _leave_out(self, topology: Topology, reason: str) -> None:
        self._found.skipped[topology.name] = reason
        self._live.message(f"{topology.title} is left out: {reason}")

    def _servers(
        self,
        topology: Topology,
        folder: Path,
        *,
        size_: Size | None = None,
        counting: bool = False,
        env: Mapping[str, str] | None = None,
    ) -> Servers:
        return Servers(
            topology,
            self._config.project,
            size_ or size(self._run),
            folder=folder / topology.name,
            nginx=self._options.nginx,
            prefix=self._project.prefix,
            cores=self._cores,
            counting=counting,
            env=self._env | dict(env or {}),
        )

    @contextmanager
    def _running(self, made: Sequence[Servers], *, curve: str = "") -> Iterator[dict[str, Servers]]:
        """Start ``made``; what doesn't start is left out, and said to be: of ``curve``, or of all.

        One after the other, for the time that each takes, or, for ``--quick``, all at once.
        """
        self._started_in.clear()
        with ExitStack() as stack:
            running: dict[str, Servers] = {}
            for each in made:
                stack.callback(each.stop)
            if self._options.quick:
                for each in made:
                    if self._starts(each, each.start, curve):
                        running[each.topology.name] = each
                for each in list(running.values()):
                    if not self._starts(each, each.wait, curve):
                        del running[each.topology.name]
            else:
                for each in made:
                    started = time.monotonic()
                    if self._starts(each, each.start, curve) and self._starts(
                        each, each.wait, curve
                    ):
                        running[each.topology.name] = each
                        seconds = rounded(time.monotonic() - started)
                        self._started_in[each.topology.name] = seconds
            yield running

    def _starts(self, servers: Servers, step: Callable[[], None], curve: str) -> bool:
        try:
            step()
        except ServerError as error:
            if curve:
                self._not_measured(curve, servers, error)
            else:
                self._failures += 1
                self._leave_out(servers.topology, str(error))
            return False
        return True

    def _count(self, folder: Path) -> None:
        """Count the thread hops of a request to each workload, on servers that do nothing else."""
        if all(each.workload.streams for each in self._found.workloads.values()):
            return
        self._live.message("Counting the thread hops.")
        made = []
        for topology in self._topologies(()):
            processes = 2 if topology.group == "split" else 1
            size_ = Size(processes, 1, self._run.threads)
            made.append(self._servers(topology, folder, size_=size_, counting=True))
        with self._running(made) as running, ExitStack() as stack:
            waited_for: dict[tuple[str, str], Future[Figures]] = {}
            for name, servers in running.items():
                # The topologies beside each other, since nothing is timed, and the requests of each
                # in turn.
                thread = ThreadPoolExecutor(max_workers=1)
                stack.callback(thread.shutdown, wait=False, cancel_futures=True)
                for request, workloads in self._requests(servers):
                    figures = thread.submit(counted, servers, request)
                    waited_for |= {(each.name, name): figures for each in workloads}
            self._hops = {key: figures.result() for key, figures in waited_for.items()}

    # Workloads

    def _rounds(self, workload: Workload) -> int:
        return workload.rounds or self._run.rounds

    def _plan(self) -> None:
        cells, seconds = 0, 0.0
        for results in self._found.workloads.values():
            workload = results.workload
            names = set(self._names(workload)) - self._found.skipped.keys()
            number = len(names) * self._rounds(workload)
            cells += number
            load = workload.seconds or self._run.seconds
            if workload.rate and not self._options.quick:
                load += workload.rate_seconds or self._run.seconds
            seconds += number * (load + (_OPENING if workload.streams else 1))
        for curve in self._found.curves:
            number = len(curve.values) * len(self._names(curve)) * _point_rounds(curve)
            cells += number
            seconds += number * ((curve.seconds or self._run.seconds) + 1)
        most = self._clock + _QUICK_BUDGET - time.monotonic() if self._options.quick else math.inf
        self._live.plan(cells, seconds, most)

    def _warm_up(self, running: Mapping[str, Servers]) -> None:
        self._live.message("Warming up.")
        for servers in running.values():
            for _, (workload, *_others) in self._requests(servers):
                cell = self._cell(workload, servers)
                cell = replace(cell, seconds=_WARM_UP, rate=0, beside=None)
                self._measured(servers, cell, workload.name)

    def _round(self, number: int, running: Mapping[str, Servers]) -> bool:
        """Measure a round; return whether there may be another."""
        is_measured = False
        known: list[tuple[str, Cell, Figures]] = []
        for results in self._found.workloads.values():
            workload, rounds = results.workload, self._rounds(results.workload)
            names = [name for name in running if name in self._names(workload)]
            if number >= rounds:
                continue
            for name in _in_turn(names, number):
                if self._is_over():
                    self._live.message("The time is over: some were measured less often.")
                    return False
                is_measured = True
                hops = self._hops.get((workload.name, name), {})
                found = None
                with self._servers_for(workload, running[name]) as servers:
                    if servers is not None:
                        cell = self._cell(workload, servers)
                        # All-WSGI serves two workloads as one where a view has a twin.
                        same = next((each for *key, each in known if key == [name, cell]), None)
                        found = self._shown(
                            *(servers, cell, workload, (number + 1, rounds), hops),
                            keep=partial(results.add, name, number),
                            same=same,
                        )
                if found is None:
                    continue
                known.append((name, cell, found))
                if name == names[0] and self._is_repeated(workload):
                    cell = replace(self._cell(workload, running[name]), rate=0)
                    if again := self._measured(running[name], cell, workload.name):
                        results.again_of = name
                        results.again[number] = again
        return is_measured

    @contextmanager
    def _servers_for(self, workload: Workload, running: Servers) -> Iterator[Servers | None]:
        """Yield ``running``, or, where memory is to be told, the same started for this alone.

        ``None`` if that doesn't start.
        """
        if not self._is_fresh(workload):
            yield running
            return
        # A short path: on macOS that of a socket has 103 bytes at most.
        fresh = self._servers(running.topology, self._folder / "fresh")
        try:
            with fresh:
                yield fresh
        except ServerError as error:
            self._not_measured(workload.name, fresh, error)
            yield None

    def _is_fresh(self, workload: Workload) -> bool:
        is_alone = workload.streams > 0 and workload.beside is None
        return is_alone and not self._options.quick

    def _over_time(self, running: Mapping[str, Servers]) -> None:
        """Let the floods come and go, once."""
        for results in self._found.workloads.values():
            workload = results.workload
            if not workload.over_time:
                continue
            self._live.message(f"{workload.title or workload.name}, over time.")
            for name in self._names(workload):
                if name in running:
                    cell = replace(self._cell(workload, running[name]), seconds=_FLOOD)
                    running[name].use(self._cores.roomy)
                    try:
                        results.over_time[name] = over_time(
                            running[name], cell, cores=self._load_cores
                        )
                    except LoadError as error:
                        self._not_measured(workload.name, running[name], error)

    def _say_what_is_missing(self) -> None:
        """Say which workloads there was no time for."""
        missing = [name for name, each in self._found.workloads.items() if not each.rounds]
        if missing and self._is_over():
            self._failures += 1
            self._live.message(f"There was no time for: {', '.join(missing)}.")

    def _is_repeated(self, workload: Workload) -> bool:
        """Whether its first topology is measured against itself."""
        is_plain = not workload.streams and workload.beside is None
        return workload.quick and is_plain and not self._options.quick

    def _is_over(self) -> bool:
        return self._options.quick and time.monotonic() - self._clock > _QUICK_BUDGET

    def _request(self, asked: Workload | Curve, servers: Servers) -> Request:
        return asked.request(wsgi=servers.topology.is_wsgi, variables=self._variables)

    def _requests(self, servers: Servers) -> list[tuple[Request, list[Workload]]]:
        """What ``servers`` are asked for, streams left out: each once, and by which workloads."""
        found: list[tuple[Request, list[Workload]]] = []
        for workload in (each.workload for each in self._found.workloads.values()):
            if workload.streams or servers.topology.name not in self._names(workload):
                continue
            request = self._request(workload, servers)
            for known, workloads in found:
                if known == request:
                    workloads.append(workload)
                    break
            else:
                found.append((request, [workload]))
        return found

    def _cell(self, workload: Workload, servers: Servers) -> Cell:
        flood = None
        if (beside := workload.beside) is not None:
            flood = beside.request(
                wsgi=servers.topology.is_wsgi, headers=workload.headers, variables=self._variables
            )
        return Cell(
            request=self._request(workload, servers),
            connections=workload.connections or self._run.connections,
            seconds=workload.seconds or self._run.seconds,
            # Two minutes are too short for both models.
            rate=0 if self._options.quick else workload.rate,
            rate_seconds=workload.rate_seconds or self._run.seconds,
            streams=workload.streams,
            is_fresh=self._is_fresh(workload),
            period_ms=workload.period_ms or None,
            is_roomy=workload.roomy,
            beside=flood,
            beside_connections=beside.connections if beside is not None else 0,
            beside_pause_ms=beside.pause_ms if beside is not None else 0.0,
        )

    def _shown(
        self,
        servers: Servers,
        cell: Cell,
        asked: Workload | Curve,
        round_: tuple[int, int],
        more: Figures,
        *,
        keep: Callable[[Figures], None],
        title: str = "",
        same: Figures | None = None,
    ) -> Figures | None:
        """Measure a cell, ``keep`` it, and show it; ``more`` figures are added.

        Its figures are the ``same`` as others if these are given. What was shown is kept, whenever
        a Ctrl-C comes.
        """
        title = title or asked.title or asked.name
        self._live.cell(title, servers.topology.title, *round_)
        started = time.monotonic()
        found = same or self._measured(servers, cell, asked.name)
        if found is not None:
            found = found | more
            keep(found)
        self._live.measured(
            asked.name,
            servers.topology.name,
            found or {},
            time.monotonic() - started,
        )
        return found

    def _measured(self, servers: Servers, cell: Cell, name: str) -> Figures | None:
        """Measure, or say why not."""
        try:
            servers.verify_alive()
            servers.use(self._cores.roomy if cell.is_roomy else self._cores.servers)
            return measure(
                servers, cell, cores=self._load_cores, database_ports=self._project.database_ports
            )
        except (LoadError, ServerError) as error:
            self._not_measured(name, servers, error)
            return None

    def _not_measured(self, name: str, servers: Servers, error: Exception) -> None:
        self._failures += 1
        self._live.message(f"{name} on {servers.topology.title} was not measured: {error}")

    # Curves

    def _curve_on(self, curve: Curve, running: Mapping[str, Servers]) -> None:
        """Measure a curve on the servers that are there."""
        for value in curve.values:
            for name in self._names(curve):
                if name in running:
                    self._point(curve, value, running[name], {})

    def _curve_afresh(self, curve: Curve, folder: Path) -> None:
        """Measure a curve on servers that are started for each value."""
        run = self._run
        for value in curve.values:
            one = split = size(run)
            env = {}
            if curve.vary == "processes":
                # Of the instance that is asked; the split's other one has one.
                is_async = curve.path.startswith(f"/{self._project.prefix}")
                one = Size(value, 1, run.threads)
                split = Size(value + 1, value if is_async else 1, run.threads)
            elif curve.vary != "streams":
                env = {curve.vary.removeprefix("env:"): str(value)}
            made = [
                self._servers(each, folder, size_=split if each.group == "split" else one, env=env)
                for each in self._topologies([curve])
                if each.name in self._names(curve)
            ]
            with self._running(made, curve=curve.name) as running:
                for name, servers in running.items():
                    seconds = self._started_in[name]
                    self._point(curve, value, servers, {"start_seconds": seconds})

    def _point(self, curve: Curve, value: int, servers: Servers, more: Figures) -> None:
        connections = curve.connections or self._run.connections
        cell = Cell(
            request=self._request(curve, servers),
            connections=value if curve.vary == "connections" else connections,
            seconds=curve.seconds or self._run.seconds,
            streams=value if curve.vary == "streams" else 0,
            is_fresh=True,
            period_ms=curve.period_ms or None,
        )
        title = f"{curve.title or curve.name}: {value:,}"
        rounds = _point_rounds(curve)
        found: list[Figures] = []
        try:
            for number in range(rounds):
                self._shown(
                    *(servers, cell, curve, (number + 1, rounds), more),
                    keep=found.append,
                    title=title,
                )
        finally:
            if found:
                self._found.add_point(curve, servers.topology.name, value, found)


def _in_turn(names: Sequence[str], number: int) -> list[str]:
    """Return the order of a round: none is always the first, or always follows the same one."""
    start = number * 4 % len(names) if names else 0
    turned = [*names[start:], *names[:start]]
    return turned[::-1] if number % 2 else turned


def _point_rounds(curve: Curve) -> int:
    return 1 if curve.vary == "streams" else _POINT_ROUNDS
