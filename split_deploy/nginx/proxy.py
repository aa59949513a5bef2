"""The options of the nginx configuration."""

import resource
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self, get_args

from split_deploy.nginx import _validate
from split_deploy.prefix import DEFAULT_PREFIX, validate_prefix
from split_deploy.topology import (
    DEFAULT_SYNC_SERVER,
    DEFAULT_TOPOLOGY,
    SYNC_SERVERS,
    TOPOLOGIES,
    SyncServer,
    Topology,
    validate_choice,
)

Target = Literal["deploy", "compose", "local"]

#: As ``server_names``: whatever the host. Django's ``ALLOWED_HOSTS`` alone decides then.
ANY_HOST: Final = ("*",)
#: The oldest nginx that the configuration is made for and tested with (Debian 12).
OLDEST_NGINX: Final = "1.22"
#: The nginx of docker-compose.yml.
COMPOSE_NGINX: Final = "1.30"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """What ``render()`` needs to know. The defaults are those of the ``deploy`` target.

    ``Proxy()`` is nginx on a Debian-like host, ``Proxy.compose()`` is the container of
    ``docker-compose.yml``, ``Proxy.local()`` is what ``split-deploy run`` starts. Each takes any
    field below as a keyword. A value that cannot work raises ``ValueError``, naming the field.
    """

    #: Which of the three this is. It decides the comments only, everything else is a field.
    target: Target = "deploy"
    #: Which instances there are. All but ``split`` have one, at ``mixed_upstreams``, which gets
    #: everything. The two kinds of paths are treated as with two: a stream below the prefix passes
    #: piece by piece, and the rest is buffered.
    topology: Topology = DEFAULT_TOPOLOGY
    #: What serves the sync instance. It decides how long an idle connection to it is kept.
    sync_server: SyncServer = DEFAULT_SYNC_SERVER
    #: The URL prefix of the async instance: no slash first, one last.
    prefix: str = DEFAULT_PREFIX
    #: Where the instances listen: ``host:port`` or ``unix:/path``, several for several machines.
    #: Unix sockets by default: not reachable from the network, no port to collide on, and the
    #: permissions of their folder decide who may connect.
    sync_upstreams: tuple[str, ...] = ("unix:/run/split-deploy/sync.sock",)
    async_upstreams: tuple[str, ...] = ("unix:/run/split-deploy/async.sock",)
    mixed_upstreams: tuple[str, ...] = ("unix:/run/split-deploy/mixed.sock",)
    #: Where nginx listens for http: ``port``, ``address:port`` or ``[address]:port``. With a TLS
    #: certificate, these only redirect to https.
    listen: tuple[str, ...] = ("80", "[::]:80")
    #: The same for https, when there is a certificate.
    tls_listen: tuple[str, ...] = ("443", "[::]:443")
    #: The certificate chain and its key (PEM files), if nginx terminates TLS itself.
    tls_certificate: str | None = None
    tls_key: str | None = None
    #: The hosts that are answered: names, ``*.example.com``, ``.example.com``, or addresses (IPv6
    #: in brackets). Requests for any other get 421. ``ANY_HOST`` answers whatever the host.
    server_names: tuple[str, ...] = ("example.com", "localhost")
    #: CIDRs of load balancers whose X-Forwarded-For and X-Forwarded-Proto are believed.
    trusted_proxies: tuple[str, ...] = ()
    #: The folder of collected static files, or None if nginx is not to serve them.
    static_root: str | None = "/srv/static"
    #: The path under which they are served: a slash first and last.
    static_url: str = "/static/"
    #: The Cache-Control header of static files without a content hash in their name.
    static_cache_control: str = "public, max-age=3600"
    #: The largest request body: a number of bytes, with ``k``, ``m`` or ``g``.
    max_body_size: str = "10m"
    #: Requests a second of one client address (bursts of twice as many pass).
    rate_limit: int = 30
    #: Requests of one client address that run at once, event streams and WebSockets among them.
    connection_limit: int = 100
    #: The oldest nginx that has to understand the result. Newer directives are used from:
    #: 1.25.1 (``http2 on``), 1.27.3 (``server ... resolve``).
    nginx_version: str = OLDEST_NGINX
    #: The DNS server that knows the names of the upstreams. With it, and an nginx that can, names
    #: are resolved again while nginx runs.
    resolver: str | None = None
    #: The user of the worker processes, or None where nginx is not started by root.
    user: str | None = "www-data"
    #: Keep nginx in the foreground by the configuration (rather than by ``-g "daemon off;"``).
    foreground: bool = False
    worker_processes: int | Literal["auto"] = "auto"
    worker_connections: int = 4096
    #: Seconds that streams may go on after a reload.
    shutdown_timeout: int = 30
    pid: str = "/run/nginx.pid"
    #: The folder for buffered bodies and responses, or None for the one that nginx was built with.
    temp_dir: str | None = None
    #: How much of one response is buffered in that folder, for a client that reads slowly; None for
    #: nginx's own 1 GB.
    max_temp_file_size: str | None = None
    mime_types: str = "/etc/nginx/mime.types"
    error_log: str = "/var/log/nginx/error.log"
    #: The access log, or None for none.
    access_log: str | None = "/var/log/nginx/access.log"

    @classmethod
    def compose(cls, **options: Any) -> Self:
        """nginx in a container: uid 101, a read-only root file system, and a writable ``/tmp``."""
        defaults: dict[str, Any] = {
            "target": "compose",
            "sync_upstreams": ("sync:8000",),
            "async_upstreams": ("async:8000",),
            # The services of docker-compose.yml that have it are called like the topologies.
            "mixed_upstreams": (f"{options.get('topology', 'mixed')}:8000",),
            "listen": ("8080",),
            "tls_listen": ("8443",),
            "server_names": ("localhost", "127.0.0.1", "[::1]"),
            "nginx_version": COMPOSE_NGINX,
            # Docker's own DNS server, at this address in every container of a Compose network.
            "resolver": "127.0.0.11",
            "user": None,
            "pid": "/tmp/nginx.pid",  # noqa: S108 the only place that is writable
            "temp_dir": "/tmp",  # noqa: S108
            # That is in memory, and 256 MB in docker-compose.yml.
            "max_temp_file_size": "16m",
            "error_log": "/dev/stderr",
            "access_log": "/dev/stdout",
        }
        return cls(**(defaults | options))

    @classmethod
    def local(
        cls,
        *,
        runtime_dir: str | Path,
        host: str = "127.0.0.1",
        port: int = 8000,
        access_log: str | None = "/dev/stdout",
        **options: Any,
    ) -> Self:
        """nginx as ``split-deploy run`` starts it: everything it writes is in ``runtime_dir``.

        The caller makes ``runtime_dir``, with a short path (that of a Unix socket has at most 107
        bytes), and writes ``mime_types()`` to ``runtime_dir/mime.types``. nginx makes its folders
        for temporary files and ``nginx.pid`` there. The instances are expected at ``sync.sock`` and
        ``async.sock`` in it, or the one at ``mixed.sock``. Start it with ``nginx -p RUNTIME_DIR
        -e stderr -c FILE``: it stays in the foreground, logs errors to stderr and requests to
        stdout (``access_log=None``: nowhere).

        Root has to say which ``user`` the workers become ("root" if all else is root's, too):
        without it, they become "nobody", whom ``runtime_dir`` keeps out.
        """
        address = f"[{host}]" if ":" in host else host
        wildcard = host in {"0.0.0.0", "::"}  # noqa: S104 compared, not bound
        names = ("localhost", "127.0.0.1", "[::1]", *(() if wildcard else (address,)))
        # An ordinary user may raise the number of open files, but only to the hard limit.
        _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
        unlimited = most_files == resource.RLIM_INFINITY
        defaults: dict[str, Any] = {
            "target": "local",
            "sync_upstreams": (f"unix:{runtime_dir}/sync.sock",),
            "async_upstreams": (f"unix:{runtime_dir}/async.sock",),
            "mixed_upstreams": (f"unix:{runtime_dir}/mixed.sock",),
            "listen": (f"{address}:{port}",),
            "server_names": tuple(dict.fromkeys(names)),
            "static_root": None,
            "static_cache_control": "no-cache",
            # A load test comes from one address, and is not to be limited.
            "rate_limit": 1_000_000,
            "connection_limit": 65_535,
            "user": None,
            "foreground": True,
            "worker_processes": 1,
            "worker_connections": 4096 if unlimited else min(4096, most_files // 2),
            "shutdown_timeout": 2,
            "pid": f"{runtime_dir}/nginx.pid",
            "temp_dir": str(runtime_dir),
            "mime_types": f"{runtime_dir}/mime.types",
            "error_log": "stderr",
            "access_log": access_log,
        }
        return cls(**(defaults | options))

    def __post_init__(self) -> None:
        validate_choice(self.target, get_args(Target), name="target")
        validate_choice(self.topology, TOPOLOGIES, name="topology")
        validate_choice(self.sync_server, SYNC_SERVERS, name="sync_server")
        if self.topology != "split" and self.sync_server != DEFAULT_SYNC_SERVER:
            raise ValueError(
                f"sync_server is {self.sync_server!r}, and with the topology {self.topology!r} "
                "there is no sync instance."
            )
        validate_prefix(self.prefix, name="prefix")
        for name in ("sync_upstreams", "async_upstreams", "mixed_upstreams"):
            _validate.each(name, getattr(self, name), _validate.upstream)
        for name in ("listen", "tls_listen"):
            _validate.each(name, getattr(self, name), _validate.listen)
        if self.server_names != ANY_HOST:
            _validate.each("server_names", self.server_names, _validate.server_name)
        elif self.tls_certificate is not None:
            raise ValueError("server_names is '*': name the hosts that the certificate is for.")
        for cidr in self.trusted_proxies:
            _validate.network("trusted_proxies", cidr)
        _validate.static_url("static_url", self.static_url)
        if f"/{self.prefix}" == self.static_url and self.static_root is not None:
            raise ValueError(
                f"static_url is {self.static_url!r}, which is the prefix of the async instance: "
                "choose another STATIC_URL or prefix."
            )
        for name in ("static_root", "temp_dir", "tls_certificate", "tls_key", "mime_types", "pid"):
            _validate.path(name, getattr(self, name))
        for name in ("error_log", "access_log"):
            if getattr(self, name) != "stderr" or name == "access_log":
                _validate.path(name, getattr(self, name))
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together: give both or neither.")
        _validate.size("max_body_size", self.max_body_size)
        if self.max_temp_file_size is not None:
            _validate.size("max_temp_file_size", self.max_temp_file_size)
        _validate.version("nginx_version", self.nginx_version, oldest=OLDEST_NGINX)
        if self.resolver is not None:
            _validate.resolver("resolver", self.resolver)
        if self.user is not None:
            _validate.user("user", self.user)
        for name in ("rate_limit", "connection_limit", "worker_connections", "shutdown_timeout"):
            _validate.positive(name, getattr(self, name))
        if self.worker_processes != "auto":
            _validate.positive("worker_processes", self.worker_processes)
        _validate.header_value("static_cache_control", self.static_cache_control)
