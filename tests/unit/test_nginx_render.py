"""The rendered configuration: the files of the repository, and what each option changes."""

import re
from pathlib import Path
from typing import Any

import pytest

from split_deploy.nginx import Proxy, mime_types, render

ROOT = Path(__file__).resolve().parents[2]


def directives(text: str) -> list[str]:
    """The lines of a configuration that are not comments."""
    return [line.strip() for line in text.splitlines() if line.strip() and "#" not in line]


@pytest.mark.parametrize(
    ("path", "proxy", "command"),
    [
        ("deploy/nginx.conf", Proxy(), "split-deploy nginx --output"),
        (
            "deploy/compose/nginx.conf",
            Proxy.compose(),
            "split-deploy nginx --target compose --output",
        ),
        (
            "deploy/nginx.mixed.conf",
            Proxy(topology="mixed"),
            "split-deploy nginx --topology mixed --output",
        ),
        (
            "deploy/compose/nginx.mixed.conf",
            Proxy.compose(topology="mixed"),
            "split-deploy nginx --target compose --topology mixed --output",
        ),
        (
            "deploy/compose/nginx.uvicorn.conf",
            Proxy.compose(topology="uvicorn"),
            "split-deploy nginx --target compose --topology uvicorn --output",
        ),
    ],
)
def test_file_of_the_repository_is_what_is_rendered(path: str, proxy: Proxy, command: str) -> None:
    assert (ROOT / path).read_text() == render(proxy), f"Run: {command} {path}"


def test_prefix_is_the_same_everywhere() -> None:
    text = render(Proxy(prefix="api/live/"))
    assert "location ^~ /api/live/ {" in text
    assert "location = /api/live {" in text
    assert "return 308 /api/live/$is_args$args;" in text
    assert not re.search(r"/async(?!_instance|\.sock)", text)


@pytest.mark.parametrize("topology", ["mixed", "uvicorn"])
def test_one_instance_gets_everything_and_its_paths_keep_their_treatment(topology: Any) -> None:
    """Only who is asked differs: what is buffered, for how long is waited, how much may be sent."""
    split, mixed = (directives(render(Proxy(topology=each))) for each in ("split", topology))
    assert [line for line in mixed if line.startswith("upstream ")] == ["upstream mixed_instance {"]
    assert "server unix:/run/split-deploy/mixed.sock max_fails=0;" in mixed

    def without_upstreams(lines: list[str], first: str) -> list[str]:
        after = next(n for n, line in enumerate(lines) if line.startswith("map $http_x_request_id"))
        return lines[: lines.index(f"upstream {first} {{")] + lines[after:]

    expected = [
        re.sub(r"http://a?sync_instance", "http://mixed_instance", line)
        for line in without_upstreams(split, "sync_instance")
    ]
    assert without_upstreams(mixed, "mixed_instance") == expected


def test_single_address_is_listed_twice_and_never_taken_out() -> None:
    lines = directives(render(Proxy(sync_upstreams=("10.0.0.1:8000",))))
    assert lines.count("server 10.0.0.1:8000 max_fails=0;") == 2


def test_several_addresses_are_listed_once() -> None:
    text = render(
        Proxy(sync_upstreams=("10.0.0.1:80", "10.0.0.2:80"), async_upstreams=("a:1", "b:1"))
    )
    assert directives(text).count("server 10.0.0.1:80 max_fails=3 fail_timeout=5s;") == 1
    assert "listed twice" not in text


@pytest.mark.parametrize(
    ("version", "resolves"), [("1.22", False), ("1.27.2", False), ("1.30", True)]
)
def test_names_are_resolved_again_only_by_an_nginx_that_can(version: str, resolves: bool) -> None:
    text = render(Proxy.compose(nginx_version=version))
    assert ("server sync:8000 max_fails=0 resolve;" in text) is resolves
    assert ("zone async_instance 64k;" in text) is resolves
    assert ("resolver 127.0.0.11 valid=1s;" in text) is resolves


def test_addresses_and_sockets_are_not_resolved() -> None:
    upstreams: dict[str, Any] = {
        "sync_upstreams": ("unix:/run/sync.sock",),
        "async_upstreams": ("127.0.0.1:8000", "[::1]:8000"),
    }
    assert "resolve" not in " ".join(directives(render(Proxy.compose(**upstreams))))


@pytest.mark.parametrize(
    ("version", "listen", "directive"),
    [("1.22", "listen 443 ssl http2;", False), ("1.30", "listen 443 ssl;", True)],
)
def test_http2_is_written_as_the_version_knows_it(
    version: str, listen: str, directive: bool
) -> None:
    proxy = Proxy(nginx_version=version, tls_certificate="/tls/site.pem", tls_key="/tls/site.key")
    lines = directives(render(proxy))
    assert listen in lines
    assert ("http2 on;" in lines) is directive


def test_with_a_certificate_http_only_redirects() -> None:
    proxy = Proxy(tls_certificate="/tls/my site.pem", tls_key="/tls/site.key", listen=("80",))
    text = render(proxy)
    assert 'ssl_certificate "/tls/my site.pem";' in text
    assert "return 308 https://$host$request_uri;" in text
    assert "ssl_reject_handshake on;" in text


def test_without_a_trusted_proxy_the_connection_tells_the_scheme() -> None:
    lines = directives(render(Proxy()))
    assert "proxy_set_header X-Forwarded-Proto $scheme;" in lines
    assert not [line for line in lines if "real_ip" in line or "realip" in line]


def test_trusted_proxies_are_the_only_ones_that_are_believed() -> None:
    lines = directives(render(Proxy(trusted_proxies=("10.0.0.0/8", "fd00::/8"))))
    for cidr in ("10.0.0.0/8", "fd00::/8"):
        assert f"set_real_ip_from {cidr};" in lines
        assert f"{cidr} yes;" in lines
    assert "proxy_set_header X-Forwarded-Proto $client_scheme;" in lines


def test_local_writes_only_below_its_folder_and_is_not_limited() -> None:
    lines = directives(render(Proxy.local(runtime_dir="/run/x", access_log=None)))
    written = [line for line in lines if re.match(r"pid|\w+_temp_path|include", line)]
    assert len(written) == 7
    assert all("/run/x/" in line for line in written)
    assert "error_log stderr warn;" in lines
    assert "access_log off;" in lines
    assert "daemon off;" in lines
    assert any("rate=1000000r/s" in line for line in lines)
    assert not [line for line in lines if line.startswith("user ")]
    assert "user me;" in directives(render(Proxy.local(runtime_dir="/run/x", user="me")))


def test_compose_writes_only_to_tmp_and_needs_no_root() -> None:
    lines = directives(render(Proxy.compose()))
    written = [line for line in lines if re.match(r"pid|\w+_temp_path", line)]
    assert len(written) == 6
    assert all(" /tmp/" in line for line in written)
    assert "access_log /dev/stdout split_deploy;" in lines
    assert "error_log /dev/stderr warn;" in lines
    assert "listen 8080;" in lines
    assert not [line for line in lines if line.startswith(("user ", "daemon "))]


def test_without_a_folder_nginx_serves_no_static_files() -> None:
    text = render(Proxy(static_root=None))
    assert "alias" not in text
    assert "static" not in " ".join(directives(text))


def test_a_path_with_a_space_is_one_word() -> None:
    assert 'alias "/srv/my files/";' in render(Proxy(static_root="/srv/my files/"))


def test_mime_types_know_what_a_site_serves() -> None:
    types = {
        extension: line.split()[0]
        for line in mime_types().splitlines()
        if line.endswith(";")
        for extension in line.rstrip(";").split()[1:]
    }
    assert types["css"] == "text/css"
    assert types["js"] == types["mjs"] == "text/javascript"
    assert types["svg"] == "image/svg+xml"
    assert types["woff2"] == "font/woff2"
    assert types["webmanifest"] == "application/manifest+json"
