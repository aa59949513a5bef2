"""Which addresses are public: the rule of the guard against requests into private networks (SSRF).

``app.guarded_transport`` applies it to every connection; ``app.validators`` applies it early to
what a user types.
"""

import ipaddress
import socket
from typing import Final

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# `is_global` has changed between Python releases, so what it has ever let through is listed here.
_SPECIAL_IPV4: Final = (
    # IETF protocol assignments (RFC 6890)
    ipaddress.IPv4Network("192.0.0.0/24"),
    # 6to4 relays (RFC 7526)
    ipaddress.IPv4Network("192.88.99.0/24"),
    # Azure's metadata and DNS, on an address that looks public
    ipaddress.IPv4Network("168.63.129.16/32"),
)
_SPECIAL_IPV6: Final = (
    # IETF protocol assignments, with Teredo (RFC 2928, RFC 4380)
    ipaddress.IPv6Network("2001::/23"),
    # Documentation (RFC 3849, RFC 9637)
    ipaddress.IPv6Network("2001:db8::/32"),
    ipaddress.IPv6Network("3fff::/20"),
    # 6to4: an IPv4 address inside (RFC 3056)
    ipaddress.IPv6Network("2002::/16"),
)
# IANA has allocated public unicast addresses from this block alone.
_IPV6_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


def is_public(address: IPAddress) -> bool:
    """Whether a packet to ``address`` leaves for the public internet.

    An IPv4 address inside an IPv6 one (IPv4-mapped, or NAT64 as on an IPv6-only host) is judged as
    the IPv4 address. The retired tunnels (6to4, Teredo, IPv4-compatible) are never public. Ranges:
    the IANA special-purpose registries.
    """
    if isinstance(address, ipaddress.IPv6Address):
        if (inner := _embedded_ipv4(address)) is not None:
            return is_public(inner)
        return (
            address in _IPV6_GLOBAL_UNICAST
            and address.is_global
            and not any(address in network for network in _SPECIAL_IPV6)
        )
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address in network for network in _SPECIAL_IPV4)
    )


def _embedded_ipv4(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped


def address_in_url(host: str) -> IPAddress | None:
    """The address that ``host`` spells out, or ``None`` when it is a name that has to be looked up.

    Reads what the C library's resolver reads: ``127.1``, ``0x7f.0.0.1``, ``0177.0.0.1`` and
    ``2130706433`` are all 127.0.0.1.
    """
    host = host.strip("[]").rstrip(".")
    # RFC 6761: the loopback, whatever the DNS says
    if host == "localhost" or host.endswith(".localhost"):
        return ipaddress.IPv4Address("127.0.0.1")
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None


def refusal(host: str, address: IPAddress) -> str:
    """Why ``host`` is not fetched, and what to set where it should be."""
    where = host if host == str(address) else f"{host} ({address})"
    return (
        f"{where} is not a public address. "
        "Set WATCH_ALLOW_PRIVATE_TARGETS=1 to allow private targets."
    )
