"""The command lines of the processes."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from split_deploy.conf import Role
from split_deploy.run.instances import Instance
from split_deploy.run.options import Options

#: Seconds that an instance has, when told to stop, for what it has begun. A stream has no end of
#: its own, so under ASGI it is less; there background tasks have DRAIN_TIMEOUT after that. Of the
#: mixed instance on Gunicorn it is for all of this: see gunicorn.conf.py.
GRACE: Final[dict[Role, int]] = {"sync": 6, "async": 2, "mixed": 8}
_UVICORN_GRACE: Final = GRACE["async"]

#: The options of Granian, as its environment variables. docs/granian.md says why.
GRANIAN: Final = {
    "GRANIAN_WORKERS": "2",
    "GRANIAN_BLOCKING_THREADS": "4",
    "GRANIAN_BLOCKING_THREADS_IDLE_TIMEOUT": "600",
    "GRANIAN_HTTP": "1",
    "GRANIAN_HTTP1_HEADER_READ_TIMEOUT": "60000",
    "GRANIAN_RESPAWN_FAILED_WORKERS": "true",
    "GRANIAN_RESPAWN_INTERVAL": "1",
    "GRANIAN_WEBSOCKETS": "false",
}

_WORKER_CLASSES: Final[dict[Role, str]] = {
    "sync": "gthread",
    "mixed": "uvicorn_worker.UvicornWorker",
}


def gunicorn_command(instance: Instance, socket: Path) -> list[str]:
    """Gunicorn. A ``gunicorn.conf.py`` in this folder counts, but for what is given here."""
    # What comes over its Unix socket comes from nginx: only this user can open it. A gthread worker
    # knows that by itself.
    trusted = ["--forwarded-allow-ips", "*"] if instance.role == "mixed" else []
    return [
        *(sys.executable, "-m", "gunicorn", instance.application),
        *("--bind", f"unix:{socket}"),
        *("--worker-class", _WORKER_CLASSES[instance.role]),
        *("--graceful-timeout", str(GRACE[instance.role])),
        *trusted,
        "--no-control-socket",
    ]


def granian_command(instance: Instance, socket: Path) -> list[str]:
    """Granian; all else is in ``instance_env()``."""
    return [
        *(sys.executable, "-m", "granian", instance.application),
        *("--interface", "wsgi", "--uds", str(socket)),
    ]


def uvicorn_command(instance: Instance, fd: int) -> list[str]:
    """Uvicorn, on a listening Unix socket that it inherits."""
    return [sys.executable, "-m", "uvicorn", instance.application, "--fd", str(fd)]


def nginx_command(options: Options, configuration: Path) -> list[str]:
    """nginx, in the foreground, with messages of its start on stderr."""
    return [
        *(str(options.nginx), "-c", str(configuration)),
        *("-p", str(configuration.parent), "-e", "stderr"),
    ]


def instance_env(options: Options, settings_module: str) -> Mapping[str, str]:
    """The environment of an instance; what the user has set wins."""
    defaults = {
        "UVICORN_LOOP": "split_deploy.event_loop:new_event_loop",
        "UVICORN_HTTP": "httptools",
        "UVICORN_ACCESS_LOG": "0",  # split_deploy.access_log knows more
        "UVICORN_TIMEOUT_KEEP_ALIVE": "75",
        "UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN": str(_UVICORN_GRACE),
        "UVICORN_FORWARDED_ALLOW_IPS": "*",  # as above
        **GRANIAN,
        "GRANIAN_WORKERS": os.environ.get("WEB_CONCURRENCY") or GRANIAN["GRANIAN_WORKERS"],
        "GRANIAN_WORKERS_KILL_TIMEOUT": str(GRACE["sync"]),
    }
    imposed = {
        "DJANGO_SETTINGS_MODULE": settings_module,
        "PYTHONUNBUFFERED": "1",
        "SPLIT_DEPLOY_URL": options.url,  # where the project can call itself
    }
    return defaults | os.environ | imposed


def nginx_env() -> Mapping[str, str]:
    """The environment of nginx, to which a variable named NGINX means sockets to inherit."""
    return {name: os.environ[name] for name in ("PATH", "TZ") if name in os.environ}
