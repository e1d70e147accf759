"""Who is at the other end of a request."""

from starlette.requests import HTTPConnection

from app.core.settings import Settings


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
