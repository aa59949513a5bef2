"""What makes an instance faster, and what doesn't: this project as shipped, with one thing changed.

    python benchmarks/what_helps.py own|sync|async|cores|file|start|code [--against FOLDER]
        [--seconds 2] [--rounds 5] [--connections 64] [--only NAME ...]

``own`` leaves out what this project adds to Django: the access log, each of its middleware, and all
of these, of the sync role with Django's own handler. ``sync`` and ``async`` are settings of the
server, of Python's runtime and of this project. All of these have one process each, and a view that
answers with JSON behind all the middleware. ``cores`` is about the binding of workers to cores,
with as many workers as there are and one more; ``file`` is a file of 10 MB from the sync instance;
``start`` is from the command to the first answer. ``code`` compares with the same project in
FOLDER, say a ``git worktree`` of an earlier commit.

Nothing stands between wrk and the server, which gets the headers that nginx would send; it logs to
/dev/null. A server has one core and wrk has another, but that with ``cores`` both have all. All of
a group are measured in each round, in an order that alternates.

Prints progress on stderr and one JSON object on stdout. ``ratios`` are to the first of the group
(of pairs, to the first of the pair): see ``split_deploy.bench.statistics.ratio()``. ``cpu_us`` is
the processor time a request, of all processes of the server.
"""

import argparse
import importlib.util
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import _servers as servers
from split_deploy.bench.statistics import ratio

#: What nginx sends along.
HEADERS = (
    "Host: 127.0.0.1",
    "X-Forwarded-For: 203.0.113.9",
    "X-Forwarded-Proto: http",
    "X-Request-ID: 0123456789abcdef0123456789abcdef",
)
FILE_MEGABYTES = 10


@dataclass(frozen=True, kw_only=True)
class Way:
    """How a server is started, and what it is asked for."""

    role: str = "sync"
    #: Of the server's command line.
    options: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    cores: Sequence[int] = (servers.SERVER_CORE,)
    path: str = "/benchmark/json/"
    #: The checkout that is served.
    folder: Path = servers.ROOT

    def but(self, *options: str, **env: str) -> "Way":
        """The same with something changed."""
        return replace(self, options=(*self.options, *options), env=self.env | env)


# No worker is replaced while it is measured.
SYNC = Way(env={"WEB_CONCURRENCY": "1", "GUNICORN_MAX_REQUESTS": "0"})
ASYNC = Way(role="async", path="/async/benchmark/json/")
#: The middleware that this project adds to startproject's seven.
OWN = {
    "without the context of the request": "ContextMiddleware",
    "without health checks": "HealthMiddleware",
    "without role, request id and hops": "InstanceMiddleware",
}
#: How many of a group are compared with the first of them.
_TOGETHER = {"own": len(OWN) + 3, "code": 2, "cores": 3}
RUNTIME = {
    "without gc.freeze()": "no-freeze",
    "gc.set_threshold(50_000)": "gc=50000",
    "no garbage collection": "no-gc",
}


def sync() -> dict[str, Way]:
    """Gunicorn's settings, and what Django has for this package's handler and middleware."""
    ways = {
        "as shipped": SYNC,
        "Django's own handler": SYNC.but(BENCHMARK_DJANGO="handler"),
        "Django's own handler and middleware": SYNC.but(BENCHMARK_DJANGO="handler and middleware"),
        "without the access log": SYNC.but(ACCESS_LOG="false"),
        "Gunicorn's own access log": SYNC.but("--logger-class", "gunicorn.glogging.Logger"),
        "1 thread": SYNC.but(GUNICORN_THREADS="1"),
        **{f"{n} threads": SYNC.but(GUNICORN_THREADS=str(n)) for n in (2, 8)},
        "no keep-alive": SYNC.but(GUNICORN_KEEPALIVE="0"),
        "worker class sync": SYNC.but("--worker-class", "sync"),
        **{name: SYNC.but(BENCHMARK_RUNTIME=word) for name, word in RUNTIME.items()},
        "a switch interval of 0.5 ms": SYNC.but(BENCHMARK_RUNTIME="switch=0.0005"),
        "a switch interval of 50 ms": SYNC.but(BENCHMARK_RUNTIME="switch=0.05"),
    }
    if importlib.util.find_spec("gunicorn_h1c"):
        ways["the parser in C"] = SYNC.but("--http-parser", "fast")
    return ways


def async_() -> dict[str, Way]:
    """Uvicorn's settings."""
    return {
        "as shipped": ASYNC,
        "without the access log": ASYNC.but(ACCESS_LOG="false"),
        "Uvicorn's own access log": ASYNC.but(ACCESS_LOG="false", UVICORN_ACCESS_LOG="1"),
        "no Date and Server headers": ASYNC.but("--no-date-header", "--no-server-header"),
        "no proxy headers": ASYNC.but("--no-proxy-headers"),
        "asyncio's loop": ASYNC.but("--loop", "asyncio"),
        "h11": ASYNC.but("--http", "h11"),
        **{name: ASYNC.but(BENCHMARK_RUNTIME=word) for name, word in RUNTIME.items()},
    }


def own() -> dict[str, Way]:
    """What this project adds to each role left out, and in the end all of it."""
    found = {}
    for way in (SYNC, ASYNC):
        found[f"{way.role}, as shipped"] = way
        found[f"{way.role}, without the access log"] = way.but(ACCESS_LOG="false")
        for name, middleware in OWN.items():
            found[f"{way.role}, {name}"] = way.but(BENCHMARK_WITHOUT=middleware)
        found[f"{way.role}, without all of these"] = way.but(
            BENCHMARK_WITHOUT=" ".join(OWN.values()),
            BENCHMARK_DJANGO="handler and middleware" if way.role == "sync" else "",
            ACCESS_LOG="false",
        )
    return found


def cores() -> dict[str, Way]:
    """Workers bound to cores, or not; wrk has all cores too."""
    found = {}
    for workers in (len(servers.CORES), len(servers.CORES) + 1):
        free = replace(SYNC, cores=servers.CORES).but(WEB_CONCURRENCY=str(workers))
        found[f"{workers} workers"] = free
        found[f"{workers} workers, bound"] = free.but(GUNICORN_CPU_AFFINITY="all")
        found[f"{workers} workers, a socket each"] = free.but("--reuse-port")
    return found


def file(path: str) -> dict[str, Way]:
    """With and without ``sendfile()``."""
    way = replace(SYNC, path="/benchmark/file/").but(BENCHMARK_FILE=path)
    return {"as shipped": way, "no sendfile()": way.but("--no-sendfile")}


def start() -> dict[str, Way]:
    """What is waited for before the first answer."""
    two = SYNC.but(WEB_CONCURRENCY="2")
    return {
        "as shipped, 2 workers": two,
        "preloaded": two.but("--preload"),
        "async": ASYNC,
    }


def code(against: Path) -> dict[str, Way]:
    """Both instances, of this checkout and of another."""
    return {
        f"{way.role}, {name}": replace(way, folder=folder)
        for way in (SYNC, ASYNC)
        for name, folder in (("before", against), ("now", servers.ROOT))
    }


def main() -> None:
    """Measure, and print."""
    given = options()
    with ExitStack() as stack:
        if given.group == "file":
            content = stack.enter_context(NamedTemporaryFile())
            content.write(bytes(range(256)) * (FILE_MEGABYTES * 4096))
            content.flush()
            ways = file(content.name)
        else:
            ways = {
                "own": own,
                "sync": sync,
                "async": async_,
                "cores": cores,
                "start": start,
                "code": lambda: code(given.against),
            }[given.group]()
        names = list(ways)
        ways = chosen(ways, given.only, given.group)
        measure: dict[str, Callable[[], dict[str, float]]] = {}
        for name, way in ways.items():
            if given.group == "start":
                measure[name] = partial(started, way)
            else:
                url, pids = stack.enter_context(running(way))
                measure[name] = partial(loaded, way, url, pids, given)
        found = servers.interleaved(measure, given.rounds)
    print(
        json.dumps(
            {
                "machine": servers.machine(),
                "group": given.group,
                "seconds": given.seconds,
                "rounds": given.rounds,
                "connections": given.connections,
                "series": servers.summary(found),
                "ratios": ratios(given.group, names, found),
            }
        )
    )


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "group", choices=["own", "sync", "async", "cores", "file", "start", "code"], metavar="group"
    )
    parser.add_argument("--against", type=Path, metavar="FOLDER")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME")
    given = parser.parse_args()
    if given.group == "code":
        if given.against is None:
            parser.error("code needs --against FOLDER: another checkout of this project.")
        given.against = given.against.resolve()
        if not (given.against / "gunicorn.conf.py").is_file():
            parser.error(f"--against {given.against} is no checkout of this project.")
    return given


def chosen(ways: dict[str, Way], only: Sequence[str], group: str) -> dict[str, Way]:
    """Those of ``only``, and the ones to which they are compared."""
    if unknown := set(only) - ways.keys():
        raise SystemExit(f"--only {', '.join(unknown)}: there are {', '.join(ways)}.")
    bases = {base(group, list(ways), name) for name in only}
    return {name: way for name, way in ways.items() if not only or name in {*only, *bases}}


def base(group: str, names: Sequence[str], name: str) -> str:
    """The first of those that belong together with ``name``."""
    number = names.index(name)
    return names[number - number % _TOGETHER.get(group, len(names))]


@contextmanager
def running(way: Way) -> Iterator[tuple[str, list[int]]]:
    """Yield the URL of what is to be measured, and the processes."""
    port = servers.free_port()
    with servers.process(
        [*_command(way, port), *way.options],
        way.cores,
        folder=way.folder,
        # Of the other checkout all but what is measured.
        PYTHONPATH=f"{way.folder}:{servers.ROOT / 'benchmarks'}",
        DJANGO_SETTINGS_MODULE="_what_helps_settings",
        BENCHMARK_ROLE=way.role,
        **way.env,
    ) as pid:
        server = servers.Server(way.role, pid, port=port)
        servers.wait_for(lambda: server.get(way.path)[0] == 200, pid)
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        yield f"{server.url}{way.path}", [pid, *map(int, children)]


def _command(way: Way, port: int) -> list[str]:
    if way.role == "sync":
        # With gunicorn.conf.py of the folder.
        return [
            *(sys.executable, "-m", "gunicorn", "_what_helps_app:application"),
            *("-b", f"127.0.0.1:{port}", "--log-level", "warning"),
        ]
    return [
        *(sys.executable, "-m", "uvicorn", "_what_helps_app:application", "--port", str(port)),
        *("--loop", servers.LOOP, "--http", "httptools", "--log-level", "info"),
        *(() if "UVICORN_ACCESS_LOG" in way.env else ("--no-access-log",)),
        *("--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "1"),
    ]


def loaded(way: Way, url: str, pids: Sequence[int], given: argparse.Namespace) -> dict[str, float]:
    """What wrk says, and the processor time of a request."""
    is_file = way.path.endswith("/file/")
    before = cpu(pids)
    figures = servers.wrk(
        url,
        given.seconds,
        connections=8 if is_file else given.connections,
        headers=HEADERS,
        cores=servers.CORES if len(way.cores) > 1 else (servers.LOAD_CORE,),
    )
    return {
        "requests_per_second": figures["requests_per_second"],
        "p50_ms": figures["p50_ms"],
        "p99_ms": figures["p99_ms"],
        "cpu_us": (cpu(pids) - before) * 1e6 / (figures["requests"] or 1),
    }


def started(way: Way) -> dict[str, float]:
    """From the command to the first answer."""
    begun = time.perf_counter()
    with running(way) as (_url, pids):
        return {"seconds": time.perf_counter() - begun, "cpu_seconds": cpu(pids)}


def cpu(pids: Sequence[int]) -> float:
    """Processor time so far, in seconds."""
    return sum(servers.Server("", pid).cpu() for pid in pids)


def ratios(
    group: str, names: Sequence[str], found: servers.Measured
) -> dict[str, dict[str, object]]:
    """Of each to the first of those that belong together."""
    keys = ("seconds", "cpu_seconds") if group == "start" else ("requests_per_second", "cpu_us")
    compared = {}
    for name in found:
        if name != (first := base(group, names, name)):
            these, those = (dict(enumerate(found[each])) for each in (name, first))
            compared[name] = {"to": first} | {
                key: ratio(these, those, key, noise=0.01) for key in keys
            }
    return compared


if __name__ == "__main__":
    main()
