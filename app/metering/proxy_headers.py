"""Which headers pass the proxy, and which it writes itself. Names are lower-case, as in ASGI."""

import re
from collections.abc import Iterable
from urllib.parse import quote

from app.metering.asgi import Headers, Scope
from app.metering.caller import Caller
from app.metering.problems import UpstreamError

UNITS = b"x-latchkey-units"
"""The answer header in which an upstream says what a call cost."""

_HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)
_HOP_PREFIX = b"proxy-"
_OUR_PREFIX = b"x-latchkey-"
# Claims about where a request came from, and what we write anew. `Proxy` is a header that CGI
# programs take for a setting of theirs.
_NOT_FROM_CLIENTS = frozenset(
    {b"host", b"content-length", b"expect", b"forwarded", b"x-real-ip", b"x-request-id", b"proxy"}
)
_CLIENT_PREFIXES = (_HOP_PREFIX, _OUR_PREFIX, b"x-forwarded-")
_BODILESS = frozenset({204, 304})
_NO_HEADER_TEXT = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_PRINTABLE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


def request_headers(headers: Headers, ours: Headers, *, body_bytes: int) -> Headers:
    """The client's headers for the upstream, in their order, then ours.

    A name with `_` for `-` counts as the same, since many servers read it so.
    """
    dropped = _named_in_connection(headers) | _HOP_BY_HOP | _NOT_FROM_CLIENTS
    kept = [
        (name, value.strip())
        for name, value in headers
        if (read_as := name.replace(b"_", b"-")) not in dropped
        and not read_as.startswith(_CLIENT_PREFIXES)
    ]
    if body_bytes or _declares_a_body(headers):
        kept.append((b"content-length", str(body_bytes).encode()))
    return [*kept, *ours]


def caller_headers(caller: Caller) -> Headers:
    """Who calls. What no header can hold is percent-encoded."""
    return [
        (_OUR_PREFIX + name, quote(value, safe=_PRINTABLE).strip().encode())
        for name, value in (
            (b"key-id", caller.key_id),
            (b"tier", caller.tier),
            (b"owner", caller.owner_id),
        )
    ]


def forwarding_headers(scope: Scope, *, scheme: bytes, host: bytes, hops: int) -> Headers:
    """Where the request came from, and under which name the world reaches us.

    Of a client's `X-Forwarded-For` only the last `hops` entries are believed; our own peer
    is always the last one.
    """
    sent = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
    path = [entry.strip() for entry in sent.split(b",") if entry.strip()][-hops:] if hops else []
    if scope.get("client"):
        path.append(str(scope["client"][0]).encode())
    forwarded_for = [(b"x-forwarded-for", b", ".join(path))] if path else []
    return [*forwarded_for, (b"x-forwarded-proto", scheme), (b"x-forwarded-host", host)]


def answer_headers(headers: Headers, status: int) -> Headers:
    """The upstream's headers for the client, in their order. Raises UpstreamError.

    `Date` is left to the server before us, which always sends its own. A length beside a
    transfer coding is not true (RFC 9112, 6.3), and one without a body misleads servers.
    """
    lower = [(name.lower(), value) for name, value in headers]
    dropped = _named_in_connection(lower) | _HOP_BY_HOP | {b"date"}
    if status in _BODILESS or any(name == b"transfer-encoding" for name, _ in lower):
        dropped |= {b"content-length"}
    kept = [
        (name, value)
        for name, value in lower
        if name not in dropped and not name.startswith((_HOP_PREFIX, _OUR_PREFIX))
    ]
    if any(_NO_HEADER_TEXT.search(value) for _, value in kept):
        raise UpstreamError
    return kept


def units_in(headers: Headers) -> int | None:
    """What the upstream says that the call cost, or None. Raises ValueError if it is no number."""
    said = {value for name, value in headers if name.lower() == UNITS}
    if not said:
        return None
    if len(said) > 1 or not (text := said.pop()).isdigit():
        raise ValueError("it must be one whole number")
    return int(text)


def declared_length(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """The `Content-Length` of headers that were checked already."""
    return next((int(value) for name, value in headers if name == b"content-length"), None)


def _named_in_connection(headers: Headers) -> frozenset[bytes]:
    return frozenset(
        token.strip().lower()
        for name, value in headers
        if name == b"connection"
        for token in value.split(b",")
    )


def _declares_a_body(headers: Headers) -> bool:
    return any(name in {b"content-length", b"transfer-encoding"} for name, _ in headers)
