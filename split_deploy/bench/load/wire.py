"""A request as it goes over the wire: the same bytes by whatever tool, and where they go."""

import socket
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from split_deploy.bench.load.figures import LoadError, Request

_BOUNDARY: Final = "split-deploy-bench"
# Of every byte, so that nothing can take it for text; the boundary isn't in it.
_MADE_UP: Final = bytes(range(256))

Address = tuple[int, Any]


def encoded(request: Request, url: str) -> bytes:
    """Return the bytes of ``request`` to the server at ``url``.

    Raises ``LoadError`` if the URL is not one of HTTP without TLS.
    """
    content_type, body = _content(request)
    headers = {"host": _split(url).netloc}
    if content_type:
        headers["content-type"] = content_type
    if body or request.method in {"POST", "PUT", "PATCH"}:
        headers["content-length"] = str(len(body))
    headers |= {name.lower(): value for name, value in request.headers.items()}
    lines = [f"{request.method} {request.path} HTTP/1.1"]
    lines += [f"{name.title()}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def address(url: str) -> Address:
    """Return the family and the address to connect to.

    Raises ``LoadError`` if there is no such host, or the URL is not one of HTTP without TLS.
    """
    parts = _split(url)
    try:
        found = socket.getaddrinfo(
            parts.hostname, parts.port or 80, proto=socket.IPPROTO_TCP, type=socket.SOCK_STREAM
        )
    except OSError as error:
        raise LoadError(f"{url} can't be reached: {error}.") from error
    family, *_, where = found[0]
    return int(family), where


def _split(url: str) -> SplitResult:
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname or parts.path.strip("/"):
        raise LoadError(f"{url!r} is no base URL such as http://127.0.0.1:8000.")
    return parts


def _content(request: Request) -> tuple[str, bytes]:
    body = request.body or _made_up(request.body_size)
    if not request.upload_field:
        return request.content_type, body
    before = (
        f"--{_BOUNDARY}\r\n"
        f'Content-Disposition: form-data; name="{request.upload_field}"; filename="upload.bin"\r\n'
        f"Content-Type: {request.content_type or 'application/octet-stream'}\r\n\r\n"
    )
    return (
        f"multipart/form-data; boundary={_BOUNDARY}",
        before.encode() + body + f"\r\n--{_BOUNDARY}--\r\n".encode(),
    )


def _made_up(size: int) -> bytes:
    return (_MADE_UP * (size // len(_MADE_UP) + 1))[:size]
