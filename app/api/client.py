"""Who is at the other end of a request, and whom it asked for."""

import re

from starlette.requests import HTTPConnection

from app.core.networks import network_of
from app.core.settings import Settings

_HOST = re.compile(r"(?:\[(?P<ip>[0-9A-Fa-f:.]+)\]|(?P<name>[^\s\[\]:/\\@?#]+))(?::[0-9]{1,5})?")


def client_address(connection: HTTPConnection, settings: Settings) -> str | None:
    """The network address of the client, through `TRUSTED_PROXY_HOPS` proxies.

    Each trusted proxy appends the address that it saw, so the client's is the entry that
    many from the right; entries further left are the client's own words.
    """
    hops = settings.trusted_proxy_hops
    if hops:
        forwarded = ",".join(connection.headers.getlist("x-forwarded-for"))
        entries = [entry.strip() for entry in forwarded.split(",") if entry.strip()]
        if len(entries) >= hops:
            return entries[-hops]
    return connection.client.host if connection.client else None


def client_network(connection: HTTPConnection, settings: Settings) -> str | None:
    """The client's network, as limits count it; None where they do not (`network_of`)."""
    return network_of(client_address(connection, settings))


def asked_name(connection: HTTPConnection) -> str:
    """The name in the Host header, in lower case and without port; "" when it has none.

    Starlette's `url` answers a Host that it cannot read with the server's own address, which
    would make a stranger's request look local.
    """
    match = _HOST.fullmatch(connection.headers.get("host", ""))
    return (match["ip"] or match["name"]).lower() if match else ""
