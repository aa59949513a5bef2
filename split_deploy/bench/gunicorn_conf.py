"""Gunicorn's configuration for all that are measured; the command line has what differs."""

import os
from pathlib import Path
from typing import Any

keepalive = 75
loglevel = "warning"
graceful_timeout = 2
control_socket_disable = True
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108


def post_worker_init(worker: Any) -> None:
    """Give the Uvicorn inside a ``UvicornWorker`` the loop that the other servers have."""
    if worker.cfg.worker_class_str == "uvicorn_worker.UvicornWorker":
        worker.config.loop = os.environ["SPLIT_DEPLOY_BENCH_LOOP"]
        worker.config.http = "httptools"
        worker.config.access_log = False
