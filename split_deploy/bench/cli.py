"""Measure the project's own URLs, or a benchmark's, in every topology, side by side."""

import argparse
import json
import math
import os
import shutil
import signal
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from split_deploy.bench.run import Bench

#: The exit status for what can't be begun, for what wasn't measured whole, and of Ctrl-C.
_CANNOT_START: Final = 2
_INCOMPLETE: Final = 1
_INTERRUPTED: Final = 130

_PACKAGES: Final = ("psutil", "matplotlib", "rich", "httptools", "uvicorn", "gunicorn")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``split-deploy bench``."""
    parser.add_argument(
        "file",
        nargs="?",
        type=Path,
        default=Path("bench.toml"),
        help="what is to be measured [%(default)s]",
    )
    parser.add_argument(
        "--quick", action="store_true", help="the workloads with quick = true, in two minutes"
    )
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        default=[],
        help="this workload or curve alone (repeatable)",
    )
    parser.add_argument(
        "--topology",
        metavar="NAME",
        action="append",
        default=[],
        help="this topology alone, in what has it (repeatable)",
    )
    parser.add_argument(
        "--output",
        metavar="FOLDER",
        type=Path,
        default=Path("bench"),
        help="where report.json, report.html and charts/ are written [%(default)s]",
    )
    parser.add_argument(
        "--seconds", type=float, help="of load for a measurement, instead of the file's"
    )
    parser.add_argument("--rounds", type=int, help="measurements of each, instead of the file's")
    parser.add_argument(
        "--no-pin", action="store_true", help="don't keep servers and load on cores of their own"
    )
    parser.add_argument(
        "--nginx", default=os.environ.get("NGINX", ""), metavar="PATH", help="the nginx to run"
    )
    parser.add_argument(
        "--compare",
        nargs=2,
        type=Path,
        metavar=("REPORT", "REPORT"),
        help="measure nothing; say which figures of two report.json differ by more than they vary",
    )


def handle(namespace: argparse.Namespace) -> int:
    """Return 0, 1 if something failed to be measured or differs, 2 if it can't start, or 130."""
    if namespace.compare:
        return _compare(*namespace.compare)
    if missing := [name for name in _PACKAGES if find_spec(name) is None]:
        return _refused(
            f"{', '.join(missing)} is not installed here. Install what the benchmark needs with: "
            'pip install "django-split-deploy[bench,servers]"'
        )
    if shutil.which("wrk") is None:
        return _refused(
            "There is no wrk on PATH, which makes the load. Install it: apt-get install wrk, or "
            "brew install wrk."
        )
    return _measure(namespace)


def _measure(namespace: argparse.Namespace) -> int:
    from dataclasses import replace

    # As a Ctrl-C: what was started is stopped, and what was measured is written.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.default_int_handler)

    from split_deploy.bench.config import Config, ConfigError
    from split_deploy.bench.report.live import Live
    from split_deploy.bench.run import Bench, Options
    from split_deploy.run.options import OptionsError, find_nginx

    try:
        config = Config.read(namespace.file)
        given = {
            name: value
            for name in ("seconds", "rounds")
            if (value := getattr(namespace, name)) is not None
        }
        for name, value in given.items():
            if not 0 < value < math.inf:
                raise ConfigError(f"--{name} is {value}: it has to be a number above 0.")
        config = replace(config, run=replace(config.run, **given))
        if namespace.rounds is not None:
            workloads = tuple(replace(each, rounds=0) for each in config.workload)
            config = replace(config, workload=workloads)
        if namespace.seconds is not None:
            config = replace(
                config,
                workload=tuple(replace(each, seconds=0) for each in config.workload),
                curve=tuple(replace(each, seconds=0) for each in config.curve),
            )
        options = Options(
            command=_command(namespace),
            nginx=find_nginx(namespace.nginx),
            quick=namespace.quick,
            seconds=namespace.seconds,
            pin=not namespace.no_pin,
            only=tuple(namespace.only),
            topologies=tuple(namespace.topology),
        )
        if problem := _not_writable(namespace.output):
            raise ConfigError(f"--output {namespace.output} can't be written to: {problem}")
        with Live() as live:
            bench = Bench(config, options, live)
            try:
                bench.run()
            except ConfigError:
                raise
            except Exception:
                # A mistake of ours or of a library's: not at the price of an hour.
                _write(bench, namespace.output)
                raise
    except (ConfigError, OptionsError) as error:
        return _refused(str(error))
    is_written = _write(bench, namespace.output)
    if bench.interrupted:
        return _INTERRUPTED
    return 0 if is_written and not bench.failed else _INCOMPLETE


def _write(bench: "Bench", output: Path) -> bool:
    """Write the report, and return whether that was possible."""
    from split_deploy.bench.report.write import ReportError, write

    report = bench.report()
    if not report["workloads"] and not report["curves"]:
        print("split-deploy bench: nothing was measured.", file=sys.stderr)
        return False
    try:
        written = write(report, output)
    except ReportError as error:
        print(f"split-deploy bench: {error}", file=sys.stderr)
        return False
    except KeyboardInterrupt:
        print(f"split-deploy bench: only {output / 'report.json'} is written.", file=sys.stderr)
        bench.interrupted = True
        return False
    for path in written:
        if path.suffix in {".json", ".html"}:
            print(path)
    return True


def _not_writable(folder: Path) -> str | None:
    """Make ``folder``, and return why nothing can be written to it, or ``None``."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return str(error.strerror)


def _command(namespace: argparse.Namespace) -> str:
    """Return what was asked for, but for where it is written."""
    given = ["split-deploy", "bench", str(namespace.file)]
    given += ["--quick"] if namespace.quick else []
    given += [f"--only={name}" for name in namespace.only]
    given += [f"--topology={name}" for name in namespace.topology]
    given += [
        f"--{name}={value:g}"
        for name in ("seconds", "rounds")
        if (value := getattr(namespace, name)) is not None
    ]
    given += ["--no-pin"] if namespace.no_pin else []
    return " ".join(given)


def _refused(message: str) -> int:
    print(f"split-deploy bench: {message}", file=sys.stderr)
    return _CANNOT_START


def _compare(first: Path, second: Path) -> int:
    from split_deploy.bench.compare import compare, summed_up, unlike

    try:
        reports = [json.loads(path.read_text(encoding="utf-8")) for path in (first, second)]
        found, different = list(compare(*reports)), unlike(*reports)
    except (OSError, ValueError, KeyError, TypeError) as error:
        return _refused(f"{first} and {second} are not two reports: {error!r}")
    if different:
        return _refused(
            f"{first} and {second} are not of the same: {'; '.join(different)}. Measure both in "
            "the same way, on the same machine."
        )
    if not found:
        return _refused(
            f"{first} and {second} have no figure in common that was measured twice in each."
        )
    differing = [each for each in found if not each.agree]
    for each in differing:
        print(each)
    print(summed_up(found))
    return _INCOMPLETE if differing else 0
