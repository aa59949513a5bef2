"""The command lines of the three processes."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from split_deploy.run.options import Options

#: Seconds that each instance has, when told to stop, for what it has begun. A stream has no end of
#: its own, so the async one waits for less.
SYNC_GRACE = 6
ASYNC_GRACE = 2


def sync_command(options: Options, socket: Path) -> list[str]:
    """Gunicorn. A ``gunicorn.conf.py`` in this folder counts, but for what is given here."""
    return [
        *(sys.executable, "-m", "gunicorn", options.wsgi),
        *("--bind", f"unix:{socket}"),
        *("--worker-class", "gthread"),
        *("--graceful-timeout", str(SYNC_GRACE)),
        "--no-control-socket",
    ]


def async_command(options: Options, fd: int) -> list[str]:
    """Uvicorn, on a listening Unix socket that it inherits."""
    return [sys.executable, "-m", "uvicorn", options.asgi, "--fd", str(fd)]


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
        "UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN": str(ASYNC_GRACE),
        # What comes over its Unix socket comes from nginx: only this user can open it.
        "UVICORN_FORWARDED_ALLOW_IPS": "*",
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
