"""From the options to the text of an nginx configuration."""

import re
from collections.abc import Iterable
from importlib.resources import files
from itertools import chain
from typing import Final

from split_deploy.nginx._validate import version_tuple
from split_deploy.nginx.proxy import ANY_HOST, Proxy
from split_deploy.nginx.template import fill

_PACKAGE: Final = files("split_deploy.nginx")

#: From this nginx on, `http2 on` is a directive. Before, it was a parameter of `listen`.
_HTTP2_DIRECTIVE: Final = (1, 25, 1)
#: From this nginx on, `server ... resolve` is free.
_RESOLVE: Final = (1, 27, 3)


def render(proxy: Proxy) -> str:
    """Return the whole nginx configuration for ``proxy``."""
    version = version_tuple(proxy.nginx_version)
    tls = proxy.tls_certificate is not None
    http2_directive = version >= _HTTP2_DIRECTIVE
    tls_parameters = "ssl" if http2_directive else "ssl http2"
    http_listens = [f"listen {address}" for address in proxy.listen]
    tls_listens = [f"listen {address} {tls_parameters}" for address in proxy.tls_listen]
    default_listens = http_listens + (tls_listens if tls else [])
    resolves = proxy.resolver is not None and version >= _RESOLVE
    # Of each upstream its name and its addresses.
    upstreams = {"sync": proxy.sync_upstreams, "async": proxy.async_upstreams}
    if proxy.topology != "split":
        upstreams = {"mixed": proxy.mixed_upstreams}
    servers = {
        f"{name}_servers": _servers(f"{name}_instance", addresses, resolves=resolves)
        for name, addresses in upstreams.items()
    }

    return fill(
        _PACKAGE.joinpath("nginx.conf.template").read_text(encoding="utf-8"),
        {
            "nginx_version": proxy.nginx_version,
            "command": "split-deploy nginx"
            + ("" if proxy.target == "deploy" else f" --target {proxy.target}")
            + ("" if proxy.topology == "split" else f" --topology {proxy.topology}")
            + ("" if proxy.sync_server == "gunicorn" else f" --sync-server {proxy.sync_server}"),
            "granian": proxy.sync_server == "granian",
            "split": proxy.topology == "split",
            "sync_upstream": "sync_instance" if "sync" in upstreams else "mixed_instance",
            "async_upstream": "async_instance" if "async" in upstreams else "mixed_instance",
            "user": proxy.user,
            "foreground": proxy.foreground,
            "worker_processes": proxy.worker_processes,
            "worker_connections": proxy.worker_connections,
            "open_files": 2 * proxy.worker_connections,
            "shutdown_timeout": f"{proxy.shutdown_timeout}s",
            "pid": _quoted(proxy.pid),
            "temp_dir": proxy.temp_dir is not None,
            **{
                f"{use}_temp": _quoted(f"{proxy.temp_dir}/{use}")
                for use in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            },
            "max_temp_file_size": proxy.max_temp_file_size,
            "mime_types": _quoted(proxy.mime_types),
            "error_log": _quoted(proxy.error_log),
            "access_log": f"{_quoted(proxy.access_log)} split_deploy"
            if proxy.access_log
            else "off",
            "max_body_size": proxy.max_body_size,
            "trusted_proxies": _lines(f"{cidr} yes" for cidr in proxy.trusted_proxies),
            "real_ip_sources": _lines(
                (f"set_real_ip_from {cidr}" for cidr in proxy.trusted_proxies), indent=4
            ),
            "client_scheme": "$client_scheme" if proxy.trusted_proxies else "$scheme",
            "one_address": any(len(addresses) == 1 for addresses in upstreams.values()),
            **servers,
            "resolver": proxy.resolver
            if resolves and any(map(_is_name, chain.from_iterable(upstreams.values())))
            else None,
            "rate_limit": proxy.rate_limit,
            "rate_burst": 2 * proxy.rate_limit,
            "connection_limit": proxy.connection_limit,
            "tls": tls,
            "http2_directive": http2_directive,
            "tls_certificate": _quoted(proxy.tls_certificate),
            "tls_key": _quoted(proxy.tls_key),
            "default_listens": _lines(f"{listen} default_server" for listen in default_listens),
            "http_listens": _lines(http_listens),
            "listens": _lines(tls_listens if tls else http_listens),
            "any_host": proxy.server_names == ANY_HOST,
            "server_names": "_" if proxy.server_names == ANY_HOST else " ".join(proxy.server_names),
            "prefix": proxy.prefix,
            "prefix_bare": proxy.prefix.rstrip("/"),
            "static": proxy.static_root is not None,
            "static_root": proxy.static_root and _quoted(f"{proxy.static_root.rstrip('/')}/"),
            "static_url": proxy.static_url,
            "static_url_bare": proxy.static_url.rstrip("/"),
            "static_cache_control": proxy.static_cache_control,
        },
    )


def mime_types() -> str:
    """Return the ``mime.types`` file for an nginx that was installed without one."""
    return _PACKAGE.joinpath("mime.types").read_text(encoding="utf-8")


def _servers(upstream: str, addresses: tuple[str, ...], *, resolves: bool) -> str:
    """Return the ``server`` lines of an upstream.

    A single address is listed twice; the template says why. Several are a balanced group, in which
    a machine that fails three times within 5 s is left out for as long.
    """
    if len(addresses) == 1:
        addresses, failures = addresses * 2, "max_fails=0"
    else:
        failures = "max_fails=3 fail_timeout=5s"
    lines = []
    if resolves and any(map(_is_name, addresses)):
        lines.append(f"zone {upstream} 64k")
    for address in addresses:
        resolve = " resolve" if resolves and _is_name(address) else ""
        lines.append(f"server {_quoted(address)} {failures}{resolve}")
    return _lines(lines)


def _is_name(address: str) -> bool:
    """Whether an upstream is given by a name that DNS has to resolve."""
    return not re.match(r"unix:|\[|[\d.]+:|localhost:", address)


def _quoted(value: str | None) -> str | None:
    """Return a value as one word of the configuration; only a path may need the quotes."""
    return f'"{value}"' if value and " " in value else value


def _lines(directives: Iterable[str], *, indent: int = 8) -> str:
    """Return each directive on a line of its own; the first is indented by the template."""
    return f"\n{' ' * indent}".join(f"{directive};" for directive in directives)
