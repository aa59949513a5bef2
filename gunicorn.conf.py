"""Gunicorn's configuration: of the sync instance, or of the mixed one under ``settings.mixed``.

``gunicorn wsgi:application`` and ``gunicorn asgi:application`` read this file by themselves. Each
value is read from the environment variable named beside it; ``.env.example`` lists them.
https://gunicorn.org/reference/settings/
"""

import logging
import math
import os
import signal
import socket
import sys
import time
from collections import Counter
from functools import lru_cache
from ipaddress import ip_address, ip_network
from pathlib import Path

from gunicorn import glogging
from gunicorn.instrument.statsd import Statsd

from settings.env import env

# Workers are forked from this process. Left here, the modules would outlive a reload of the code.
for module in ("settings", "settings.env"):
    sys.modules.pop(module)

# The role is stated by the settings module, here as everywhere. See docs/topologies.md.
is_mixed = os.environ.get("DJANGO_SETTINGS_MODULE") == "settings.mixed"

# "127.0.0.1:8000" or "unix:/run/split-deploy/sync.sock". The mixed instance needs no nginx on this
# machine and is where the project expects to find itself (SPLIT_DEPLOY_URL).
bind = env.str("GUNICORN_BIND", default="127.0.0.1:8000" if is_mixed else "127.0.0.1:8001")
# A Unix socket is for its owner and group alone: run nginx in this group.
umask = 0o007

if is_mixed:
    # An event loop each, for what a request waits on and computes: somewhat more than there are
    # cores. A database has to allow workers x ASYNC_THREADS connections.
    worker_class = "uvicorn_worker.UvicornWorker"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    workers = env.number("WEB_CONCURRENCY", default=2 * (cores or 1) + 1, minimum=1)
    # A worker's Uvicorn reads it as well, and to it an empty one, of .env, is not none.
    if not os.environ.get("WEB_CONCURRENCY"):
        os.environ.pop("WEB_CONCURRENCY", None)
else:
    # Threads for what a request waits on, processes for what it computes. A database has to allow
    # workers x threads connections.
    worker_class = "gthread"
    workers = env.number("WEB_CONCURRENCY", default=2, minimum=1)
    threads = env.number("GUNICORN_THREADS", default=4, minimum=1)

# Seconds. nginx keeps its idle connections for less (keepalive_timeout in deploy/nginx.conf), so
# that it never sends a request on a connection that is being closed here.
keepalive = env.number("GUNICORN_KEEPALIVE", default=75)

# A worker is replaced after so many requests, which bounds what a leak can cost; the jitter keeps
# the workers from being replaced together.
max_requests = env.number("GUNICORN_MAX_REQUESTS", default=10_000)
max_requests_jitter = env.number("GUNICORN_MAX_REQUESTS_JITTER", default=1_000)

# Seconds. A worker whose main thread, or event loop, shows no life is killed; one that is told to
# stop has this long to answer what it has begun.
timeout = env.number("GUNICORN_TIMEOUT", default=30)
graceful_timeout = env.number("GUNICORN_GRACEFUL_TIMEOUT", default=20)

# Workers show that they live by touching a file. On a disk that stalls they would seem dead.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108

# As much as nginx lets through (large_client_header_buffers in deploy/nginx.conf); 8190 is the
# most.
limit_request_line = 8190

# Whose X-Forwarded-* headers count. What comes over a Unix socket is always trusted.
forwarded_allow_ips = env.str("FORWARDED_ALLOW_IPS", default="127.0.0.1,::1")
_proxies = [ip_network(ip.strip()) for ip in forwarded_allow_ips.split(",") if ip.strip() != "*"]
_trusts_all = "*" in forwarded_allow_ips


def pre_request(worker, request):
    """Drop the X-Forwarded-For of anybody else, so that neither a log nor a view believes it."""
    peer = request.peer_addr
    if _trusts_all or not isinstance(peer, tuple):
        return
    if not _is_proxy(peer[0]):
        request.headers = [item for item in request.headers if item[0] != "X-FORWARDED-FOR"]


@lru_cache(maxsize=128)
def _is_proxy(ip):
    return any(ip_address(ip) in network for network in _proxies)


# The cores that workers are bound to, one each: see docs/tuning.md. None of them is by default.
_cores = env.cores("GUNICORN_CPU_AFFINITY")


def pre_fork(server, worker):
    """Choose the core that has the fewest workers. The master knows them all, old ones included."""
    used = Counter(getattr(other, "core", None) for other in server.WORKERS.values())
    worker.core = min(_cores, key=used.__getitem__, default=None)


def post_fork(server, worker):
    """Bind the worker to its core, if it has one."""
    if worker.core is not None:
        os.sched_setaffinity(0, {worker.core})


def post_worker_init(worker):
    """Give the Uvicorn inside a UvicornWorker what the worker class has no setting for.

    ``worker.config`` is Uvicorn's, which is read when the worker begins to serve, after this.
    https://www.uvicorn.org/settings/
    """
    if worker.cfg.worker_class_str != "uvicorn_worker.UvicornWorker":
        return
    from split_deploy.conf import get_config

    uvicorn = worker.config
    # The loop and the parser of the async instance: docs/measurements.md.
    uvicorn.loop = "split_deploy.event_loop:new_event_loop"
    uvicorn.http = "httptools"
    # What can't open its HTTP client must not serve without. Gunicorn ends with it.
    uvicorn.lifespan = "on"
    # A stream has no end of its own. What is open is cut in time for the background tasks, and a
    # second before Gunicorn kills.
    drain = math.ceil(get_config().drain_timeout) + 1
    uvicorn.timeout_graceful_shutdown = max(1, worker.cfg.graceful_timeout - drain)
    # Seconds between two signs of life. None comes while it stops for reasons of its own, such as
    # max_requests, which takes as long and must stay below `timeout`.
    uvicorn.timeout_notify = 1

    async def show_life():
        worker.notify()
        # Gunicorn's own workers don't outlive a master that was killed; they would keep its socket.
        if os.getppid() != worker.ppid:
            worker.log.info("Parent changed, shutting down: %s", worker)
            os.kill(os.getpid(), signal.SIGTERM)

    uvicorn.callback_notify = show_life
    # SIGQUIT is what workers get of a master that SIGINT stops. This one only makes a note of it,
    # and would serve until it is killed.
    worker.handle_exit = lambda *_: os.kill(os.getpid(), signal.SIGTERM)
    if all(listening.family == socket.AF_UNIX for listening in worker.sockets):
        uvicorn.forwarded_allow_ips = "*"


# `gunicornc` is not needed here, and its socket would lie in the home directory.
control_socket_disable = True

# The form that split_deploy.access_log has, which writes that of the mixed instance. %(h)s would be
# nginx's address, and %(U)s is decoded: a line break in it would start a line of its own.
accesslog = "-" if env.bool("ACCESS_LOG", default=True) and not is_mixed else None
access_log_format = (
    "%(t)s role=sync client=%({x-forwarded-for}i)s method=%(m)s "
    'path="%({raw_uri}e)s" status=%(s)s bytes=%(B)s duration_ms=%(M)s '
    "request_id=%({x-request-id}o)s"
)


class Logger(glogging.Logger):
    """Gunicorn's, which writes ``access_log_format`` in less time. Another format is left to it.

    Gunicorn first makes a dict of all that a format may name: each header and all of the environ,
    with their quotes escaped.
    """

    _time = (-1, "")

    def __new__(cls, cfg):
        # As Gunicorn chooses where it has its default class.
        return Statsd(cfg) if cfg.statsd_host else super().__new__(cls)

    def access(self, resp, req, environ, request_time):
        """Write a line about a response."""
        if self.cfg.access_log_format != access_log_format:
            super().access(resp, req, environ, request_time)
            return
        if not self.access_log_enabled:
            return
        client = _last(req.headers, "X-FORWARDED-FOR")
        path = environ["RAW_URI"].replace('"', '\\"')
        milliseconds = request_time.seconds * 1000 + request_time.microseconds // 1000
        line = (
            f"{self._now()} role=sync client={client} method={environ['REQUEST_METHOD']} "
            f'path="{path}" status={resp.status.split(None, 1)[0]} bytes={resp.sent} '
            f"duration_ms={milliseconds} request_id={_last(resp.headers, 'X-REQUEST-ID')}"
        )
        # What info() does, but for a walk up the stack to find out that it was called here.
        log = self.access_log
        if log.isEnabledFor(logging.INFO):
            log.handle(log.makeRecord(log.name, logging.INFO, __file__, 0, line, (), None))

    def _now(self):
        second = int(time.time())
        noted = self._time
        if noted[0] != second:
            noted = self._time = (second, self.now())
        return noted[1]


def _last(headers, name):
    for key, value in reversed(headers):
        if len(key) == len(name) and key.upper() == name:
            return value.replace('"', '\\"')
    return "-"


logger_class = Logger
errorlog = "-"
loglevel = env.choice(
    "GUNICORN_LOG_LEVEL", ("debug", "info", "warning", "error", "critical"), default="info"
)
