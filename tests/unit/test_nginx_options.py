"""A value that cannot work in an nginx configuration is refused, naming its option."""

from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

from split_deploy.nginx import Proxy


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("target", "kubernetes"),
        ("topology", "both"),
        ("mixed_upstreams", ("mixed",)),
        *(("prefix", prefix) for prefix in ("", "/", "/async/", "async", "a//b/", "a b/", "../")),
        ("prefix", "async/;}"),
        ("prefix", "$host/"),
        *(
            ("sync_upstreams", (address,))
            for address in (
                *("", "8000", "sync", "sync:", "sync:0", "sync:65536", "http://sync:8000", "a b:1"),
                *("sync:8000;", "unix:", "unix:relative.sock", "unix:/" + "a" * 107, "::1:80"),
            )
        ),
        ("sync_upstreams", ()),
        ("sync_upstreams", "sync:8000"),
        ("async_upstreams", ("async:http",)),
        *(("listen", (address,)) for address in ("", "0", "70000", "http", "80 ssl", "::1:80")),
        ("tls_listen", ("https",)),
        *(
            ("server_names", (name,))
            for name in (
                *("", "a b", "http://example.com", "example.com:80", "example.com/x"),
                *(
                    "~^.*$",
                    "exa$mple",
                    "a;b",
                    "-a",
                    ".",
                    "*.*",
                    "a..b",
                    "[::1",
                    "::1",
                    "[nope]",
                    "[]",
                ),
            )
        ),
        ("server_names", ()),
        ("server_names", ("*", "example.com")),
        ("trusted_proxies", ("10.0.0.0/33",)),
        ("trusted_proxies", ("10.0.0.1/8",)),
        ("trusted_proxies", ("loadbalancer",)),
        *(("static_root", path) for path in ("static", "/a/../b", '/a"b', "/a;b", "/$a", "/a\n")),
        *(("static_url", url) for url in ("static/", "/static", "/", "https://cdn/", "/a b/")),
        ("static_url", "/a/../b/"),
        ("static_cache_control", 'no-cache"; }'),
        *(("max_body_size", size) for size in ("", "10 m", "10mb", "-1", "m")),
        *(("nginx_version", version) for version in ("", "1", "1.20", "1.x", "stable", "0.9.1")),
        ("resolver", "dns server"),
        ("resolver", "127.0.0.11:0"),
        ("user", "www data"),
        ("user", "root;"),
        ("pid", "nginx.pid"),
        ("temp_dir", "tmp"),
        ("mime_types", "mime.types"),
        ("error_log", "error.log"),
        ("access_log", "off"),
        ("access_log", "stderr"),
        ("rate_limit", 0),
        ("connection_limit", -1),
        ("worker_connections", 1.5),
        ("worker_processes", "many"),
        ("shutdown_timeout", True),
        ("tls_certificate", "/etc/ssl/site.pem"),
        ("tls_key", "/etc/ssl/site.key"),
    ],
)
def test_malformed_value_is_refused_with_the_name_of_its_option(option: str, value: Any) -> None:
    with pytest.raises(ValueError, match=option):
        Proxy(**{option: value})


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("prefix", "api/v1~live_2/"),
        ("topology", "uvicorn"),
        ("sync_upstreams", ("10.0.0.1:8000", "[::1]:8000", "unix:/run/my app/sync.sock")),
        ("listen", ("80", "127.0.0.1:80", "[::]:80", "localhost:80")),
        ("server_names", ("example.com", "*.example.com", ".example.com", "10.0.0.1", "[::1]")),
        ("server_names", ("web_1", "localhost", "xn--bcher-kva.example")),
        ("trusted_proxies", ("10.0.0.0/8", "192.168.0.1", "fd00::/8")),
        ("static_root", "/home/me/My Projects/größe/static"),
        ("static_root", None),
        ("static_url", "/assets/v1.2/"),
        ("max_body_size", "1048576"),
        ("nginx_version", "1.27.3"),
        ("resolver", "10.0.0.2:5353"),
        ("resolver", "[fd00::1]"),
        ("worker_processes", 4),
        ("access_log", None),
        ("error_log", "stderr"),
    ],
)
def test_well_formed_value_is_accepted(option: str, value: Any) -> None:
    assert getattr(Proxy(**{option: value}), option) == value


def test_static_files_cannot_have_the_prefix_of_the_async_instance() -> None:
    with pytest.raises(ValueError, match=r"static_url.*prefix"):
        Proxy(prefix="static/")
    Proxy(prefix="static/", static_root=None)


def test_options_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Proxy().prefix = "other/"  # type: ignore[misc]


def test_unknown_option_is_refused() -> None:
    with pytest.raises(TypeError, match="upstream"):
        Proxy.compose(upstream="sync:8000")


def test_compose_takes_options_over_its_own_defaults() -> None:
    proxy = Proxy.compose(listen=("9000",))
    assert proxy.listen == ("9000",)
    assert proxy.sync_upstreams == ("sync:8000",)


@pytest.mark.parametrize("topology", ["mixed", "uvicorn"])
def test_compose_calls_the_one_instance_like_its_topology(topology: Any) -> None:
    assert Proxy.compose(topology=topology).mixed_upstreams == (f"{topology}:8000",)


@pytest.mark.parametrize(
    ("host", "listen", "names"),
    [
        ("127.0.0.1", "127.0.0.1:8001", ("localhost", "127.0.0.1", "[::1]")),
        ("::1", "[::1]:8001", ("localhost", "127.0.0.1", "[::1]")),
        ("dev.example", "dev.example:8001", ("localhost", "127.0.0.1", "[::1]", "dev.example")),
        ("0.0.0.0", "0.0.0.0:8001", ("localhost", "127.0.0.1", "[::1]")),
    ],
)
def test_local_listens_on_and_answers_for_its_host(
    host: str, listen: str, names: tuple[str, ...]
) -> None:
    proxy = Proxy.local(runtime_dir="/run/x", host=host, port=8001)
    assert proxy.listen == (listen,)
    assert proxy.server_names == names


def test_local_keeps_everything_in_its_folder() -> None:
    runtime = Path("/run/user/1000/split")
    proxy = Proxy.local(runtime_dir=runtime)
    assert proxy.sync_upstreams == ("unix:/run/user/1000/split/sync.sock",)
    assert proxy.async_upstreams == ("unix:/run/user/1000/split/async.sock",)
    assert proxy.mixed_upstreams == ("unix:/run/user/1000/split/mixed.sock",)
    assert {proxy.pid, proxy.temp_dir, proxy.mime_types} == {
        f"{runtime}/nginx.pid",
        f"{runtime}",
        f"{runtime}/mime.types",
    }


def test_local_folder_has_to_be_short_enough_for_a_socket() -> None:
    with pytest.raises(ValueError, match="at most 107 bytes"):
        Proxy.local(runtime_dir="/" + "long/" * 25)
