"""The configuration as nginx itself and gixy-next read it: without an error, warning or finding."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from split_deploy.nginx import ANY_HOST, Proxy, mime_types, render
from tests.e2e._proxy_lab import NEW_NGINX, free_port, nginx_binaries

ROOT = Path(__file__).resolve().parents[2]
CERTIFICATE = str(ROOT / "tests" / "e2e" / "localhost.pem")
TLS = {"tls_certificate": CERTIFICATE, "tls_key": CERTIFICATE}

CASES = {
    "deploy": Proxy(),
    "compose": Proxy.compose(),
    "local": Proxy.local(runtime_dir="/run/x"),
    "granian": Proxy(sync_server="granian"),
    "mixed": Proxy(topology="mixed"),
    "mixed-compose": Proxy.compose(topology="mixed"),
    "uvicorn-compose": Proxy.compose(topology="uvicorn"),
    "mixed-several": Proxy(topology="mixed", mixed_upstreams=("10.0.0.1:80", "10.0.0.2:80")),
    "prefix": Proxy(prefix="api/live/"),
    "no-static": Proxy(static_root=None, access_log=None),
    "spaces": Proxy(static_root="/srv/my files", sync_upstreams=("unix:/run/my app/a.sock",)),
    "several": Proxy(
        sync_upstreams=("10.0.0.1:80", "10.0.0.2:80"), async_upstreams=("[::1]:80", "10.0.0.2:81")
    ),
    "balancer": Proxy(trusted_proxies=("10.0.0.0/8", "fd00::/8")),
    "names": Proxy(server_names=(".example.com", "*.example.org", "a" * 60 + ".example.net")),
    "any-host": Proxy(server_names=ANY_HOST),
    "tls": Proxy(**TLS),
    "tls-compose": Proxy.compose(**TLS),
    "tls-balancer": Proxy(**TLS, trusted_proxies=("10.0.0.0/8",)),
}


def on_this_machine(text: str, folder: Path) -> str:
    """Return a configuration with what only its own machine has replaced by what is here."""
    (folder / "mime.types").write_text(mime_types())
    if os.geteuid() != 0:
        # nginx warns that only root can become another user.
        text = re.sub(r"(?m)^user .*\n", "", text)
    else:
        text = re.sub(r"(?m)^user .*", "user root;", text)
    text = re.sub(r"/etc/nginx/|/run/x/|/run/(?=nginx\.pid)|/var/log/nginx/", f"{folder}/", text)
    text = re.sub(r"(_temp_path) \S+/(\w+);", rf"\1 {folder}/\2;", text)
    if not Path("/proc/net/if_inet6").exists():
        text = re.sub(r"(?m)^ *listen \[::\].*\n", "", text)
    # Without `resolve`, nginx looks names up when it starts.
    text = re.sub(r"server \w+:8000 max_fails=0;", "server 127.0.0.1:1 max_fails=0;", text)
    # Privileged ports are root's, and others may be in use.
    ports: dict[str, int] = {}
    return re.sub(
        r"(listen (?:\S+:)?)(\d+)",
        lambda match: f"{match[1]}{ports.setdefault(match[2], free_port())}",
        text,
    )


@pytest.mark.parametrize("binary", nginx_binaries)
@pytest.mark.parametrize("name", CASES)
def test_nginx_accepts_what_is_made_for_it_without_a_warning(
    name: str, binary: Path, tmp_path: Path
) -> None:
    proxy = replace(CASES[name], nginx_version="1.30" if binary == NEW_NGINX else "1.22")
    check(binary, on_this_machine(render(proxy), tmp_path), tmp_path)


@pytest.mark.parametrize("binary", nginx_binaries)
@pytest.mark.parametrize("name", ["nginx.conf", "nginx.mixed.conf"])
def test_the_file_of_the_repository_is_valid_for_every_version(
    name: str, binary: Path, tmp_path: Path
) -> None:
    text = (ROOT / "deploy" / name).read_text()
    check(binary, on_this_machine(text, tmp_path), tmp_path)


@pytest.mark.parametrize("binary", nginx_binaries)
@pytest.mark.parametrize("name", ["deploy", "balancer", "several", "mixed"])
def test_the_routing_can_be_copied_into_another_configuration(
    name: str, binary: Path, tmp_path: Path
) -> None:
    text = on_this_machine(render(CASES[name]), tmp_path)
    part = re.compile(r"routing, part \d of 2 \(\w+\): begin =+\n(.*?) +# ====", re.DOTALL)
    http, server = part.findall(text)
    copied = (
        f"pid {tmp_path}/nginx.pid;\nevents {{}}\nhttp {{\naccess_log off;\n"
        f"{http}\nserver {{\nlisten 127.0.0.1:{free_port()};\n{server}\n}}\n}}\n"
    )
    check(binary, copied, tmp_path)


def check(binary: Path, text: str, folder: Path) -> None:
    configuration = folder / "nginx.conf"
    configuration.write_text(text)
    done = subprocess.run(
        [str(binary), "-t", "-p", str(folder), "-e", "stderr", "-c", str(configuration)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if not line.startswith("nginx: ")] == []


@pytest.mark.parametrize("name", CASES)
def test_gixy_finds_nothing_that_is_not_waived_inline(name: str, tmp_path: Path) -> None:
    # gixy has no comments that waive; ours are read here, and stand right above the directive.
    text = render(CASES[name])
    waived = re.findall(r"# gixy: waive (\w+): \S.*\n *(\w+ \S+);", text)
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(text)
    done = subprocess.run(
        [Path(sys.executable).with_name("gixy"), "--format", "json", str(configuration)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr
    found = [
        (issue["plugin"], directive)
        for issue in json.loads(done.stdout)
        for directive in re.findall(r"(?m)^\s*(\w+ \S+);", issue["config"])
        if not directive.startswith("server_name")
    ]
    assert found == waived
