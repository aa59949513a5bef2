"""A worker dies in the middle of a request: who asks again, and who does not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e._proxy_lab import Lab, nginx_binaries, running_lab, running_nginx

pytestmark = [
    pytest.mark.parametrize("binary", nginx_binaries),
    pytest.mark.parametrize("path", ["/die", "/async/die"], ids=["sync", "async"]),
    # A connection that nginx has kept is tried again in any case, a fresh one only because each
    # upstream lists its address twice.
    pytest.mark.parametrize("connection", ["fresh", "kept"]),
]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Servers of our own, with workers to spare: Uvicorn may need seconds to replace a dead one."""
    with running_lab(workers=3) as running:
        yield running


def test_a_get_is_tried_again(
    lab: Lab, binary: Path, tmp_path: Path, path: str, connection: str
) -> None:
    counter = tmp_path / "calls"
    with running_nginx(binary, **lab.upstreams()) as proxy:
        if connection == "kept":
            proxy.get("/async/echo" if path.startswith("/async") else "/echo")
        response = proxy.get(f"{path}?{counter}")
        assert response.status == 200
        log = proxy.access_log_line(response.headers["x-request-id"])
    assert counter.read_bytes() == b"xx"
    assert 'upstream_status="502, 200"' in log


def test_a_post_is_not(lab: Lab, binary: Path, tmp_path: Path, path: str, connection: str) -> None:
    counter = tmp_path / "calls"
    with running_nginx(binary, **lab.upstreams()) as proxy:
        if connection == "kept":
            proxy.get("/async/echo" if path.startswith("/async") else "/echo")
        response = proxy.get(f"{path}?{counter}", "Content-Length: 0", method="POST")
    assert response.status == 502
    assert counter.read_bytes() == b"x"
