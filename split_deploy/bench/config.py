"""The TOML file that says what is measured, typed and validated."""

import math
import re
import tomllib
import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, get_args, get_origin, get_type_hints

from split_deploy.bench.load.figures import Request
from split_deploy.bench.topologies import TOPOLOGIES

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]*")
_APPLICATION: Final = re.compile(r"[\w.]+:[\w.]+")
_VARY: Final = re.compile(r"connections|processes|streams|env:[A-Z][A-Z0-9_]*")

T = TypeVar("T", bound="DataclassInstance")


class ConfigError(Exception):
    """The file can't be used; the message names the key and says what to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """``[project]``: what the servers serve. The defaults are those of the reference deployment."""

    #: ``module:attribute`` of the entry points.
    wsgi: str = "wsgi:application"
    asgi: str = "asgi:application"
    sync_settings: str = "settings.sync_only"
    async_settings: str = "settings.async_only"
    mixed_settings: str = "settings.mixed"
    #: The environment variable from which the settings read ``SPLIT_DEPLOY["THREADS"]``.
    threads_variable: str = "ASYNC_THREADS"
    #: A command that prepares the database; its lines ``NAME=value`` replace ``{NAME}`` in headers.
    setup: str = ""
    #: A command that undoes it, also after a Ctrl-C.
    teardown: str = ""
    #: More variables for each process.
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """``[run]``: what holds for each workload that doesn't say otherwise."""

    #: Seconds of load for one measurement.
    seconds: float = 3.0
    #: How many measurements there are of each workload and topology.
    rounds: int = 5
    connections: int = 64
    #: Processes of each topology. The split has ``async_processes`` of them under ASGI.
    processes: int = 3
    async_processes: int = 1
    #: Threads of each process, where a server has a number of them.
    threads: int = 4
    topologies: tuple[str, ...] = tuple(TOPOLOGIES)
    #: Those of ``--quick``.
    quick_topologies: tuple[str, ...] = ("split", "mixed", "asgi-uvicorn", "wsgi-gthread")


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """``beside``: what floods the servers while the workload is measured."""

    path: str
    #: What floods the topologies that are all WSGI; none: ``path``.
    wsgi_path: str = ""
    connections: int = 64
    #: Milliseconds, on average, that each of them pauses before it asks again.
    pause_ms: float = 10.0

    def request(
        self, *, wsgi: bool, headers: Mapping[str, str], variables: Mapping[str, str]
    ) -> Request:
        """Return what is asked for, with ``headers``."""
        return Request(
            path=self.wsgi_path if wsgi and self.wsgi_path else self.path,
            headers=_all_filled(headers, variables),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What workloads and curves have in common."""

    name: str
    title: str = ""
    path: str
    #: The path of its twin that the topologies serve that are all WSGI; none: ``path``.
    wsgi_path: str = ""
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    content_type: str = ""
    #: A made-up body of so many bytes; with ``upload_field`` a file in a form.
    body_size: int = 0
    upload_field: str = ""
    #: Seconds of load for a measurement; none: those of the run.
    seconds: float = 0.0
    #: Milliseconds between two events of a stream; none: it is idle.
    period_ms: float = 0.0
    #: Which topologies; none: those of the run.
    topologies: tuple[str, ...] = ()

    def request(self, *, wsgi: bool, variables: Mapping[str, str]) -> Request:
        """Return what is asked for, of a topology that is all WSGI or another."""
        return Request(
            path=self.wsgi_path if wsgi and self.wsgi_path else self.path,
            method=self.method,
            headers=_all_filled(self.headers, variables),
            body=self.body.encode(),
            body_size=self.body_size,
            content_type=self.content_type,
            upload_field=self.upload_field,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload(_Asked):
    """One of ``[[workload]]``."""

    connections: int = 0
    #: Requests a second of the open model, in addition, and for how many seconds; 0: those of the
    #: run.
    rate: float = 0.0
    rate_seconds: float = 0.0
    #: So many streams are opened, instead of requests.
    streams: int = 0
    beside: Beside | None = None
    rounds: int = 0
    #: Whether it is a mixture, or what one is compared with: on a machine with two or three cores
    #: the servers have all of them then, and not only those without load.
    roomy: bool = False
    #: Whether it is also asked at its rate while ``beside`` begins and ends, for a chart.
    over_time: bool = False
    #: Whether ``--quick`` has it.
    quick: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve(_Asked):
    """One of ``[[curve]]``: how cost grows with ``vary``, over ``values``."""

    #: ``connections``, ``processes``, ``streams``, or ``env:NAME`` for a variable of the servers.
    vary: str
    values: tuple[int, ...]
    connections: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole file."""

    title: str = "Benchmark"
    project: Project = field(default_factory=Project)
    run: Defaults = field(default_factory=Defaults)
    workload: tuple[Workload, ...]
    curve: tuple[Curve, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and validate the file at ``path``. Raises ``ConfigError``."""
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ConfigError(
                f"There is no {path}. Write one with the paths to measure:\n\n{EXAMPLE}\n"
                "or name another: split-deploy bench FILE"
            ) from None
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"{path} can't be read: {error}") from error
        try:
            config = _made(cls, table, "")
            config._verify()
        except ValueError as error:
            raise ConfigError(f"{path}: {error}") from error
        return config

    def _verify(self) -> None:
        """Raise ``ValueError`` for what no single key shows."""
        if not self.workload:
            raise ValueError("there is no [[workload]]: write at least one, with name and path.")
        for name in ("wsgi", "asgi"):
            if not _APPLICATION.fullmatch(value := getattr(self.project, name)):
                raise ValueError(f"project.{name} is {value!r}: write it as module:attribute.")
        run = self.run
        _at_least(0.1, run.seconds, "run.seconds")
        for name in ("rounds", "connections", "processes", "async_processes", "threads"):
            _at_least(1, getattr(run, name), f"run.{name}")
        if run.async_processes >= run.processes:
            raise ValueError(
                f"run.async_processes is {run.async_processes} of {run.processes} processes: the "
                "split needs one of each kind; write at least 2 for run.processes."
            )
        _known(run.topologies, "run.topologies")
        _known(run.quick_topologies, "run.quick_topologies")
        seen: set[str] = set()
        for kind, each in [
            *(("workload", item) for item in self.workload),
            *(("curve", item) for item in self.curve),
        ]:
            where = f"{kind} {each.name!r}"
            if not _NAME.fullmatch(each.name):
                raise ValueError(f"{where}: name has to be of a-z, 0-9 and '-'.")
            if each.name in seen:
                raise ValueError(f"{where} is there twice: give each a name of its own.")
            seen.add(each.name)
            _known(each.topologies, f"{where}: topologies")
            _verify_path(each.path, f"{where}: path")
            _verify_path(each.wsgi_path or "/", f"{where}: wsgi_path")
            for name, value in each.headers.items():
                _verify_header(name, value, where)
            for name in ("body_size", "period_ms", "connections", "seconds"):
                _at_least(0, getattr(each, name), f"{where}: {name}")
            if each.upload_field and not each.body_size:
                raise ValueError(f"{where}: upload_field needs body_size, the bytes of the file.")
            if each.body and each.body_size:
                raise ValueError(f"{where}: give body or body_size, not both.")
        for workload in self.workload:
            where = f"workload {workload.name!r}"
            for name in ("rate", "rate_seconds", "streams", "rounds"):
                _at_least(0, getattr(workload, name), f"{where}: {name}")
            if workload.rate_seconds and not workload.rate:
                raise ValueError(f"{where}: rate_seconds is how long rate is asked at; give both.")
            if workload.streams and workload.rate:
                raise ValueError(f"{where}: give streams or rate, not both.")
            if workload.period_ms and not workload.streams:
                raise ValueError(f"{where}: period_ms is of streams; say how many.")
            if workload.over_time and not (workload.beside and workload.rate):
                raise ValueError(f"{where}: over_time needs beside and rate.")
            if workload.beside is not None:
                _verify_path(workload.beside.path, f"{where}: beside.path")
                _verify_path(workload.beside.wsgi_path or "/", f"{where}: beside.wsgi_path")
                _at_least(1, workload.beside.connections, f"{where}: beside.connections")
                _at_least(0, workload.beside.pause_ms, f"{where}: beside.pause_ms")
        for curve in self.curve:
            if not _VARY.fullmatch(curve.vary):
                raise ValueError(
                    f"curve {curve.name!r}: vary is {curve.vary!r}: write connections, processes, "
                    "streams, or env:NAME."
                )
            if len(curve.values) < 2 or list(curve.values) != sorted(set(curve.values)):
                raise ValueError(
                    f"curve {curve.name!r}: values has to be two numbers or more, in order."
                )
            lowest = 0 if curve.vary.startswith("env:") else 1
            _at_least(lowest, curve.values[0], f"curve {curve.name!r}: values")


#: The least that a file has to say.
EXAMPLE: Final = """\
[[workload]]
name = "page"
title = "A page of the sync instance"
path = "/"
quick = true

[[workload]]
name = "async-page"
title = "A page of the async instance"
path = "/async/hello/"
quick = true
"""


def _all_filled(headers: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, str]:
    return {name: _filled(value, variables) for name, value in headers.items()}


def _filled(value: str, variables: Mapping[str, str]) -> str:
    for name, found in variables.items():
        value = value.replace(f"{{{name}}}", found)
    if missing := re.search(r"\{[A-Z][A-Z0-9_]*\}", value):
        raise ConfigError(
            f"A header has {missing[0]}, and the setup command has printed no line "
            f"{missing[0][1:-1]}=..."
        )
    return value


def _at_least(least: float, value: float, where: str) -> None:
    if not least <= value < math.inf:
        raise ValueError(f"{where} is {value}: it has to be at least {least}.")


def _verify_path(path: str, where: str) -> None:
    if not path.startswith("/"):
        raise ValueError(f"{where} is {path!r}: begin it with a slash.")
    if not path.isascii() or any(char <= " " for char in path):
        raise ValueError(f"{where} is {path!r}: percent-encode it.")


def _verify_header(name: str, value: str, where: str) -> None:
    try:
        text = (name + value).encode("latin-1")
    except UnicodeEncodeError as error:
        raise ValueError(f"{where}: the header {name!r} is not Latin-1: encode it.") from error
    if any(char in text for char in b"\r\n\0"):
        raise ValueError(f"{where}: the header {name!r} has a line break or a null in it.")


def _known(names: tuple[str, ...], where: str) -> None:
    for name in names:
        if name not in TOPOLOGIES:
            near = get_close_matches(name, TOPOLOGIES, n=1)
            raise ValueError(
                f"{where} has {name!r}"
                + (f"; did you mean {near[0]!r}?" if near else "")
                + f" There are: {', '.join(TOPOLOGIES)}."
            )


def _made(cls: type[T], table: Mapping[str, Any], where: str) -> T:
    """Make ``cls`` from a table. Raises ``ValueError`` that names the key."""
    types_ = get_type_hints(cls)
    known = {item.name: item for item in fields(cls)}
    label = where or "the file"
    for key in table:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            raise ValueError(
                f"{label} has the key {key!r}, which is unknown"
                + (f"; did you mean {near[0]!r}?" if near else f". Known: {', '.join(known)}.")
            )
    for name, item in known.items():
        required = item.default is MISSING and item.default_factory is MISSING
        if required and name not in table and name != "workload":
            raise ValueError(f"{label} has no {name}.")
    values = {
        key: _value(types_[key], value, f"{where}.{key}" if where else key)
        for key, value in table.items()
    }
    if "workload" in known:
        values.setdefault("workload", ())
    return cls(**values)


def _value(type_: Any, value: Any, where: str) -> Any:
    """Return ``value`` as ``type_``. Raises ``ValueError`` that says what was expected."""
    origin = get_origin(type_)
    if origin is tuple:
        if not isinstance(value, list):
            raise ValueError(f"{where} is {value!r}: it has to be a list.")
        return tuple(
            _value(get_args(type_)[0], item, f"{where}[{number}]")
            for number, item in enumerate(value)
        )
    if origin is Mapping:
        if not isinstance(value, dict):
            raise ValueError(f"{where} is {value!r}: it has to be a table of names and texts.")
        return {key: _value(str, item, f"{where}.{key}") for key, item in value.items()}
    if origin is types.UnionType:
        type_ = get_args(type_)[0]
    if isinstance(value, dict) and type_ not in _SIMPLE:
        return _made(type_, value, where)
    allowed, called = _SIMPLE.get(type_, ((), "a table"))
    # True is an int to Python.
    if not isinstance(value, allowed) or (isinstance(value, bool) and type_ is not bool):
        raise ValueError(f"{where} is {value!r}: it has to be {called}.")
    return type_(value)


_SIMPLE: Final[dict[Any, tuple[tuple[type, ...], str]]] = {
    str: ((str,), "a text"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    bool: ((bool,), "true or false"),
}
