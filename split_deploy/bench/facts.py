"""What a report says of the machine and the versions, and what a run has to know of the project."""

import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import psutil

from split_deploy import _settings_dump
from split_deploy._elsewhere import ElsewhereError, output_of
from split_deploy.bench import database
from split_deploy.bench.config import ConfigError
from split_deploy.bench.servers import Cores
from split_deploy.prefix import DEFAULT_PREFIX

_PACKAGES: Final = (
    *("django", "django-split-deploy", "asgiref", "gunicorn", "uvicorn", "uvicorn-worker"),
    *("granian", "uvloop", "httptools", "psycopg"),
)
_PORTS: Final = {"postgresql": 5432, "mysql": 3306, "oracle": 1521}


@dataclass(frozen=True, slots=True)
class ProjectFacts:
    """What the project's settings say."""

    prefix: str
    #: Where its databases listen, if by TCP: their connections are counted.
    database_ports: frozenset[int]


def project_facts(module: str, env: Mapping[str, str]) -> ProjectFacts:
    """Return the facts of the settings ``module``. Raises ``ConfigError`` if it can't be loaded."""
    try:
        printed = output_of(_settings_dump.__name__, module, env=env)
    except ElsewhereError as error:
        raise ConfigError(
            f"The settings module {module!r} can't be loaded: {error}. "
            "Name yours in [project]: mixed_settings, sync_settings, async_settings."
        ) from error
    mark = _settings_dump.MARK
    (line,) = [line for line in printed.splitlines() if line.startswith(mark)]
    found, _ = _settings_dump.loaded(line.removeprefix(mark))
    ports = set()
    for each in found.get("DATABASES", {}).values():
        host = str(each.get("HOST") or "")
        default = next((p for name, p in _PORTS.items() if name in str(each.get("ENGINE"))), None)
        if default is not None and host and not host.startswith("/"):
            ports.add(int(each.get("PORT") or default))
    prefix = found.get("SPLIT_DEPLOY", {}).get("ASYNC_PREFIX", DEFAULT_PREFIX)
    return ProjectFacts(prefix, frozenset(ports))


def databases(module: str, env: Mapping[str, str]) -> dict[str, str]:
    """Return what the databases of the settings ``module`` are, by ``database`` and their alias."""
    try:
        printed = output_of(database.__name__, env=dict(env) | {"DJANGO_SETTINGS_MODULE": module})
        found = json.loads(printed.splitlines()[-1])
    except (ElsewhereError, ValueError) as error:
        return {"database": f"not known: {error}"}
    return {f"database {alias}": text for alias, text in found.items()}


def machine(cores: Cores) -> dict[str, Any]:
    """Return what is measured on."""
    return {
        "cpu": _cpu(),
        "cores": len({*cores.servers, *cores.load}),
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.release()}",
        "server_cores": list(cores.servers),
        "load_cores": list(cores.load),
        "roomy_cores": list(cores.roomy),
        "pinned": cores.is_pinned,
    }


def versions(nginx: Path) -> dict[str, str]:
    """Return the versions of what is measured, by name; what isn't installed is not there."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    found["nginx"] = _said([str(nginx), "-v"], r"nginx/(\S+)")
    if wrk := shutil.which("wrk"):
        found["wrk"] = _said([wrk, "-v"], r"wrk (?:debian/)?(\S+)")
    return found


def steal() -> tuple[float, float]:
    """Return the processor time that other machines took so far, and all there was; in seconds."""
    times = psutil.cpu_times()
    return float(getattr(times, "steal", 0.0)), float(sum(times))


def _cpu() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    found = re.search(r"model name\s*: (.*)", text)
    return found[1].strip() if found else platform.processor() or os.uname().machine


def _said(command: list[str], pattern: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(pattern, done.stdout + done.stderr)
    return found[1] if found else "?"
