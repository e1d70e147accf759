"""`/metrics`: for this machine, and for holders of a root key."""

from ipaddress import ip_address

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.client import asked_name
from app.api.this_machine import is_forwarded
from app.core.settings import LOOPBACK_NAMES, Settings
from app.metering.address import client_address
from app.metering.meter import Meter
from app.metering.metrics import Figures, exposition
from app.metering.own.http import route, with_id
from app.metering.own.root_keys import require_root_key
from app.metering.replies import NO_STORE


def make_metrics(meter: Meter, settings: Settings) -> ASGIApp:
    """The ASGI app that answers with the figures of this process's meter."""
    figures = Figures(meter)

    async def answer(scope: Scope, _: Receive, send: Send, request_id: str) -> None:
        if not _is_from_here(scope, settings.trusted_proxy_hops):
            require_root_key(scope, settings.root_key_digests)
        body = exposition(figures)
        headers = [
            (b"content-type", CONTENT_TYPE_LATEST.encode()),
            (b"content-length", b"%d" % len(body)),
            NO_STORE,
        ]
        send = with_id(send, request_id)
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        sent = b"" if scope["method"] == "HEAD" else body
        await send({"type": "http.response.body", "body": sent})

    return route(answer, "GET", "HEAD")


def _is_from_here(scope: Scope, trusted_hops: int) -> bool:
    """Whether this machine asks: not through a proxy on it that nobody said to trust.

    Nor by a name that somebody else has given to this machine, for a page of theirs to read it.
    """
    if trusted_hops == 0 and not _is_direct(scope):
        return False
    try:
        found = ip_address(client_address(scope, trusted_hops) or "")
    except ValueError:
        return False
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def _is_direct(scope: Scope) -> bool:
    connection = HTTPConnection(scope)
    return not is_forwarded(connection) and asked_name(connection) in LOOPBACK_NAMES
