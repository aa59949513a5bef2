"""The WSGI handler under Granian, which tells an application less than Gunicorn does.

All of it is what Granian 2.8 was found to do: tests/granian has a test for each.
"""

import io
import logging
import os
import re
import time
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any, Final
from urllib.parse import quote
from wsgiref.util import FileWrapper as _FileWrapper

from split_deploy import request_id
from split_deploy.handlers.wsgi import NativeWSGIHandler

logger = logging.getLogger("split_deploy.access")

#: Bytes of a file that are read at once. Django's 4096 would be 25,600 calls for 100 MB.
_BLOCK: Final = 256 * 1024
_PORT: Final = re.compile(r":(\d*)$")
_PATH_SAFE: Final = "/~!$&'()*+,;=:@"
_REQUEST_ID: Final = request_id.HEADER.lower()
#: What every request has, even if a variable of the process is called so.
_OF_THE_REQUEST: Final = re.compile(
    r"wsgi\.|HTTP_HOST$|(REQUEST_METHOD|SCRIPT_NAME|PATH_INFO|QUERY_STRING|REMOTE_ADDR"
    r"|SERVER_(NAME|PORT|PROTOCOL|SOFTWARE)|CONTENT_(TYPE|LENGTH))$"
)


class GranianHandler(NativeWSGIHandler):
    """``NativeWSGIHandler``, with what Gunicorn does for it and Granian does not.

    - ``wsgi.url_scheme`` is what nginx says in ``X-Forwarded-Proto``. nginx is whoever comes over a
      Unix socket or from an address in ``FORWARDED_ALLOW_IPS`` (127.0.0.1 and ::1 by default);
      of anybody else ``X-Forwarded-For`` is dropped as well.
    - ``SERVER_NAME`` and ``SERVER_PORT`` are those of the ``Host`` header over a Unix socket.
    - The environment of the process, with its passwords, is not in ``request.META``.
    - A body can be read line by line.
    - A file is sent in large blocks.
    - The access log has the form of Gunicorn's, with percent-encoded paths.
    """

    def __init__(self) -> None:
        super().__init__()
        self._inherited = tuple(
            item for item in os.environ.items() if not _OF_THE_REQUEST.match(item[0])
        )
        self._proxies = _Proxies(os.environ.get("FORWARDED_ALLOW_IPS") or "127.0.0.1,::1")

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        for name, value in self._inherited:
            if environ.get(name) == value:
                del environ[name]
        if environ["REMOTE_ADDR"] in self._proxies:
            if environ.get("HTTP_X_FORWARDED_PROTO") == "https":
                environ["wsgi.url_scheme"] = "https"
        else:
            environ.pop("HTTP_X_FORWARDED_FOR", None)
        if not environ["REMOTE_ADDR"]:
            _name_the_server(environ)
        if environ.get("CONTENT_LENGTH", "0") != "0":
            environ["wsgi.input"] = io.BufferedReader(_Body(environ["wsgi.input"]), 64 * 1024)
        environ["wsgi.file_wrapper"] = FileWrapper
        if not logger.isEnabledFor(logging.INFO):
            return super().__call__(environ, start_response)
        logged = _Logged(environ, start_response)
        logged.response = super().__call__(environ, logged.start_response)
        return logged


class _Proxies:
    """The peers whose X-Forwarded-* headers count, as Gunicorn has it."""

    def __init__(self, addresses: str) -> None:
        listed = [address.strip() for address in addresses.split(",") if address.strip()]
        self._all = "*" in listed
        self._networks = [ip_network(address) for address in listed if address != "*"]

    def __contains__(self, address: str) -> bool:
        # What comes over a Unix socket has no address.
        if self._all or not address:
            return True
        return any(ip_address(address) in network for network in self._networks)


def _name_the_server(environ: dict[str, Any]) -> None:
    host = environ.get("HTTP_HOST", "")
    port = _PORT.search(host)
    environ["SERVER_NAME"] = host[: port.start()] if port else host
    default = "443" if environ["wsgi.url_scheme"] == "https" else "80"
    environ["SERVER_PORT"] = (port and port[1]) or default


class _Body(io.RawIOBase):
    """The request's body as a file. Granian's own ends after the first line that is read of it."""

    def __init__(self, body: Any) -> None:
        self._read = body.read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class FileWrapper(_FileWrapper):
    """``wsgi.file_wrapper``, with blocks of a size that this server is fast with."""

    def __init__(self, file: Any, block_size: int = _BLOCK) -> None:
        super().__init__(file, max(block_size, _BLOCK))


class _Logged:
    """A response that logs a line, like Gunicorn's, once it is sent."""

    __slots__ = ("_bytes", "_id", "_line", "_start_response", "_started", "_status", "response")

    #: What Django's handler has returned: each of its responses can be iterated over and closed.
    response: Any

    def __init__(self, environ: dict[str, Any], start_response: Any) -> None:
        self._started = time.perf_counter()
        # Now: Django decodes the path in place.
        query = environ["QUERY_STRING"]
        path = quote(environ["PATH_INFO"].encode("latin-1"), safe=_PATH_SAFE)
        self._line = (
            environ.get("HTTP_X_FORWARDED_FOR", "-"),
            environ["REQUEST_METHOD"],
            (f"{path}?{query}" if query else path).replace('"', "%22"),
        )
        self._start_response = start_response
        self._status, self._id, self._bytes = "-", "-", 0

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
    ) -> Any:
        self._status = status[:3]
        for name, value in headers:
            if name.lower() == _REQUEST_ID:
                self._id = value
        return self._start_response(status, headers)

    def __iter__(self) -> Iterator[bytes]:
        for part in self.response:
            self._bytes += len(part)
            yield part

    def close(self) -> None:
        try:
            self.response.close()
        finally:
            client, method, path = self._line
            logger.info(
                'role=sync client=%s method=%s path="%s" '
                "status=%s bytes=%d duration_ms=%d request_id=%s",
                client,
                method,
                path,
                self._status,
                self._bytes,
                (time.perf_counter() - self._started) * 1000,
                self._id,
            )
