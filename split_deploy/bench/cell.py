"""One workload on one topology, once."""

import sys
import threading
import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from split_deploy.bench.load.arrivals import Timeline, opened
from split_deploy.bench.load.figures import Figures, Request
from split_deploy.bench.load.streams import streams
from split_deploy.bench.load.wrk import Flood, closed, flood
from split_deploy.bench.servers import Servers

#: Streams that are opened and closed before any is measured.
_FIRST: Final = 10
#: Seconds that a flood has to fill what it floods, before anything is measured.
_FLOOD_LEAD: Final = 0.5
#: Seconds before and after a flood, and those that a client needs to begin.
_QUIET: Final = 2.0
_CLIENT_START: Final = 0.4
#: Seconds between two looks at threads and connections, or at whether the servers are idle.
_INTERVAL: Final = 0.4
_IDLE_INTERVAL: Final = 0.2
#: Seconds for which the servers may go on with what was begun, at most; and the part of a core
#: below which they are idle.
_SETTLE: Final = 20.0
_IDLE: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What is asked for, and how."""

    request: Request
    connections: int
    seconds: float
    rate: float = 0.0
    rate_seconds: float = 0.0
    streams: int = 0
    period_ms: float | None = None
    #: Whether the servers have served nothing else, so that memory tells what a stream takes: what
    #: others have left free would be taken first.
    is_fresh: bool = False
    #: Whether the servers have more cores for it: see ``Cores``.
    is_roomy: bool = False
    #: What floods the servers meanwhile, from so many connections that pause in between.
    beside: Request | None = None
    beside_connections: int = 0
    beside_pause_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class OverTime:
    """A page at a fixed rate, while a flood begins and ends."""

    timeline: Timeline
    #: When the flood began and ended, in seconds of the timeline.
    flood: tuple[float, float]


def measure(
    servers: Servers, cell: Cell, *, cores: Collection[int], database_ports: Collection[int]
) -> Figures:
    """Measure ``cell`` on ``servers``, with the load on ``cores``.

    Raises ``LoadError`` if nothing was answered as it should be.
    """
    try:
        measure_ = _streams if cell.streams else _requests
        return measure_(servers, cell, cores, database_ports)
    finally:
        # What nobody waits for any longer is not the next cell's to carry, but after a Ctrl-C.
        if (cell.streams or cell.beside) and not isinstance(sys.exception(), KeyboardInterrupt):
            _settle(servers)


def _requests(
    servers: Servers, cell: Cell, cores: Collection[int], database_ports: Collection[int]
) -> Figures:
    with _flooded(servers, cell, cores) as flooding:
        before = servers.usage()
        with _Watch(servers, database_ports) as watch:
            figures = closed(
                servers.url,
                cell.request,
                seconds=cell.seconds,
                connections=cell.connections,
                cores=cores,
            )
        if not flooding:
            if figures["requests"]:
                used = servers.usage().cpu - before.cpu
                figures["cpu_us"] = used * 1e6 / figures["requests"]
            _let_out(servers, cell.connections, figures)
        figures |= watch.figures() | {"memory_bytes": servers.memory()}
        if cell.rate:
            answered = opened(
                servers.url,
                cell.request,
                seconds=cell.rate_seconds,
                rate=cell.rate,
                cores=cores,
            )
            figures |= {
                f"open_{name}": value
                for name, value in answered.figures.items()
                if name.endswith("_ms") or name in {"errors", "offered_per_second"}
            }
    if flooding:
        figures["beside_per_second"] = flooding.figures()["requests_per_second"]
    return figures


def over_time(servers: Servers, cell: Cell, *, cores: Collection[int]) -> OverTime:
    """Ask at the rate of ``cell`` before, while and after it is flooded.

    Raises ``LoadError`` if nothing was answered as it should be.
    """
    over = threading.Event()

    def come_and_go() -> tuple[float, float]:
        """Flood in the middle; return when that began and ended. It is no longer than ``over``."""
        over.wait(_QUIET + _CLIENT_START)
        began = time.monotonic()
        with _flood(servers, cell, cores):
            over.wait(cell.seconds)
        return began, time.monotonic()

    with ThreadPoolExecutor(max_workers=1) as thread:
        flooding = thread.submit(come_and_go)
        try:
            found = opened(
                servers.url,
                cell.request,
                seconds=_QUIET + cell.seconds + _QUIET,
                rate=cell.rate,
                cores=cores,
                timeline=True,
            )
        finally:
            over.set()
        began, ended = flooding.result()
    _settle(servers)
    return OverTime(found.timeline, (began - found.began, ended - found.began))


def _streams(
    servers: Servers, cell: Cell, cores: Collection[int], database_ports: Collection[int]
) -> Figures:
    # What a process does once isn't what a stream costs.
    with streams(
        servers.url, cell.request, number=min(_FIRST, cell.streams), cores=cores, period_ms=None
    ):
        pass
    memory = servers.memory()
    with (
        streams(
            servers.url, cell.request, number=cell.streams, cores=cores, period_ms=cell.period_ms
        ) as opened_,
        _flooded(servers, cell, cores) as flooding,
    ):
        if flooding:
            # The calm before it doesn't count.
            opened_.forget()
        before = servers.usage()
        with _Watch(servers, database_ports) as watch:
            time.sleep(cell.seconds)
        used = servers.usage().cpu - before.cpu
        after = servers.memory()
        figures = opened_.figures()
    figures |= watch.figures() | {"memory_bytes": after}
    if not flooding:
        figures["cpu_percent"] = 100 * used / cell.seconds
        if cell.is_fresh and figures["streams"]:
            figures["bytes_per_stream"] = max(0, after - memory) / figures["streams"]
    return figures


@contextmanager
def _flooded(servers: Servers, cell: Cell, cores: Collection[int]) -> Iterator[Flood | None]:
    """Flood what ``cell`` says, if it says so; in the end wait until that is over."""
    if cell.beside is None:
        yield None
        return
    with _flood(servers, cell, cores) as flooding:
        time.sleep(_FLOOD_LEAD)
        yield flooding
    _let_out(servers, cell.beside_connections, flooding.figures())


def _flood(servers: Servers, cell: Cell, cores: Collection[int]) -> AbstractContextManager[Flood]:
    assert cell.beside is not None  # noqa: S101
    return flood(
        servers.url,
        cell.beside,
        connections=cell.beside_connections,
        pause_ms=cell.beside_pause_ms,
        cores=cores,
    )


def _let_out(servers: Servers, connections: int, figures: Figures) -> None:
    """Wait for what nobody waits for any longer: it is not for the next measurement to carry.

    A request is on each connection when a load ends, and they are answered at the rate that they
    were answered at before, if any were.
    """
    if rate := figures["requests_per_second"]:
        time.sleep(min(connections / rate, _SETTLE))
    else:
        _settle(servers)


def _settle(servers: Servers) -> None:
    """Wait until the servers are idle."""
    deadline = time.monotonic() + _SETTLE
    before = servers.usage().cpu
    while time.monotonic() < deadline:
        time.sleep(_IDLE_INTERVAL)
        now = servers.usage().cpu
        if now - before < _IDLE * _IDLE_INTERVAL:
            return
        before = now


class _Watch:
    """The most threads, and the most connections to the database, while it is entered."""

    def __init__(self, servers: Servers, database_ports: Collection[int]) -> None:
        self._servers, self._ports = servers, database_ports
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._most = {"threads": 0.0, "connections": 0.0}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def figures(self) -> Figures:
        """Return ``threads`` and, if the ports of a database are known, ``connections``."""
        return {name: most for name, most in self._most.items() if name == "threads" or self._ports}

    def _look(self) -> None:
        while not self._over.wait(_INTERVAL):
            now = {"threads": float(self._servers.usage().threads)}
            if self._ports:
                now["connections"] = float(self._servers.connections_to(self._ports))
            for name, value in now.items():
                self._most[name] = max(self._most[name], value)
