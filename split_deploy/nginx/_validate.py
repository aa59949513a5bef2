"""What may stand in an option of the nginx configuration.

Each function returns nothing, or raises ``ValueError`` with the name of the option and what to
write. They are strict on purpose: a value goes into the configuration as it is, so nothing that
nginx reads as syntax (``;``, ``{``, quotes, ``$``) may pass. Only paths may hold spaces; they are
quoted.
"""

import ipaddress
import re
from collections.abc import Callable, Sequence
from typing import Final

_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?"
_HOST_NAME: Final = rf"{_LABEL}(?:\.{_LABEL})*"
_SERVER_NAME: Final = re.compile(rf"(?:\*\.|\.)?{_HOST_NAME}")
_ADDRESS: Final = re.compile(rf"(?:(?P<host>{_HOST_NAME}|\[[0-9A-Fa-f:.]+\]):)?(?P<port>\d{{1,5}})")
_PATH: Final = re.compile(r"""/[^\x00-\x1f\x7f"'\\${};#]*""")
_URL_PATH: Final = re.compile(r"(?:/[A-Za-z0-9_~.-]+)+/")
_SIZE: Final = re.compile(r"\d+[kKmMgG]?")
_VERSION: Final = re.compile(r"\d+\.\d+(?:\.\d+)?")
_USER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_HEADER_VALUE: Final = re.compile(r"[A-Za-z0-9=, -]+")
#: What the kernel leaves for the path of a Unix socket (``sun_path``, less the final zero byte).
_LONGEST_SOCKET_PATH: Final = 107


def each(name: str, values: Sequence[str], check: Callable[[str, str], None]) -> None:
    """Check that ``values`` is a non-empty sequence of strings that pass ``check``."""
    if isinstance(values, str) or not values:
        raise ValueError(f"{name} is {values!r}: give a sequence of at least one.")
    for value in values:
        check(name, value)


def upstream(name: str, value: str) -> None:
    if value.startswith("unix:"):
        socket = value.removeprefix("unix:")
        path(name, socket)
        if len(socket.encode()) > _LONGEST_SOCKET_PATH:
            raise ValueError(
                f"{name} is {value!r}: the path of a Unix socket has at most "
                f"{_LONGEST_SOCKET_PATH} bytes, choose a shorter one."
            )
        return
    match = _ADDRESS.fullmatch(value)
    if match is None or match["host"] is None or not _is_port(match["port"]):
        raise ValueError(
            f"{name} is {value!r}: write 'host:port' or 'unix:/path', like '127.0.0.1:8001'."
        )


def listen(name: str, value: str) -> None:
    split_address(name, value)


def split_address(name: str, value: str) -> tuple[str, int]:
    """Return host (empty if there is none, IPv6 without brackets) and port of ``[host:]port``."""
    match = _ADDRESS.fullmatch(value)
    if match is None or not _is_port(match["port"]):
        raise ValueError(
            f"{name} is {value!r}: write 'port', 'address:port' or '[IPv6 address]:port', "
            "like '8000'."
        )
    return (match["host"] or "").strip("[]"), int(match["port"])


def server_name(name: str, value: str) -> None:
    if not (_SERVER_NAME.fullmatch(value) or _is_bracketed_ipv6(value)):
        raise ValueError(
            f"{name} is {value!r}: write a host name without scheme, port or path, "
            "like 'example.com', '*.example.com' or '[::1]'."
        )


def network(name: str, value: str) -> None:
    try:
        ipaddress.ip_network(value)
    except ValueError as error:
        raise ValueError(
            f"{name} is {value!r}: {error}. Write an address or a CIDR, like '10.0.0.0/8'."
        ) from error


def resolver(name: str, value: str) -> None:
    with_port = bool(re.search(r":\d+$", value))
    match = _ADDRESS.fullmatch(value if with_port else f"{value}:53")
    if match is None or match["host"] is None or not _is_port(match["port"]):
        raise ValueError(
            f"{name} is {value!r}: write the address of a DNS server, like '127.0.0.11'."
        )


def path(name: str, value: str | None) -> None:
    if value is not None and (not _PATH.fullmatch(value) or ".." in value.split("/")):
        raise ValueError(
            f"{name} is {value!r}: write an absolute path, without '..' and without quotes, "
            "backslashes or any of ${};#."
        )


def static_url(name: str, value: str) -> None:
    if not _URL_PATH.fullmatch(value) or {".", ".."} & set(value.split("/")):
        raise ValueError(
            f"{name} is {value!r}: write a path with a slash first and last, like '/static/'. "
            "For files on another host, let static_root be None."
        )


def size(name: str, value: str) -> None:
    if not _SIZE.fullmatch(value):
        raise ValueError(f"{name} is {value!r}: write a size like '10m', '512k' or '1048576'.")


def version(name: str, value: str, *, oldest: str) -> None:
    if not _VERSION.fullmatch(value) or version_tuple(value) < version_tuple(oldest):
        raise ValueError(f"{name} is {value!r}: write a version from {oldest} on, like '1.30'.")


def user(name: str, value: str) -> None:
    if not _USER.fullmatch(value):
        raise ValueError(f"{name} is {value!r}: write the name of a user, like 'www-data'.")


def positive(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} is {value!r}: write a whole number above 0.")


def header_value(name: str, value: str) -> None:
    if not _HEADER_VALUE.fullmatch(value):
        raise ValueError(f"{name} is {value!r}: write a header's value, like 'public, max-age=60'.")


def version_tuple(version: str) -> tuple[int, ...]:
    """Return ``"1.27.3"`` as ``(1, 27, 3)``, for comparison."""
    return tuple(int(part) for part in version.split("."))


def _is_port(value: str) -> bool:
    return 0 < int(value) <= 65_535


def _is_bracketed_ipv6(value: str) -> bool:
    if not (value.startswith("[") and value.endswith("]")):
        return False
    try:
        ipaddress.IPv6Address(value[1:-1])
    except ValueError:
        return False
    return True
