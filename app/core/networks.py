"""Which addresses count as one client."""

from ipaddress import IPv6Address, ip_address, ip_network

UNKNOWN = "unknown"
"""The network of everybody of whom a proxy says nothing that is an address."""

_ONE_CLIENT = 64
"""Bits of an IPv6 address that its client did not choose (RFC 6177)."""


def network_of(address: str | None) -> str | None:
    """The client's network: an IPv4 address, an IPv6 /64, or UNKNOWN.

    None for this machine itself, where nobody can tell clients apart: its own user, or all
    that come through a proxy on it which TRUSTED_PROXY_HOPS does not count.
    """
    if address is None:
        return None
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return UNKNOWN
    if isinstance(found, IPv6Address):
        found = found.ipv4_mapped or found
    if found.is_loopback:
        return None
    if isinstance(found, IPv6Address):
        return str(ip_network((found, _ONE_CLIENT), strict=False))
    return str(found)
