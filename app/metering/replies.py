"""Whole answers that are made here, by none of the apps behind."""

from collections.abc import Iterable

from app.core.errors import PROBLEM_CONTENT_TYPE, LatchkeyError, problem_of
from app.metering.asgi import Headers, Scope, Send

NO_STORE = (b"cache-control", b"no-store")
"""What one key may see is for nobody's cache."""

_UNAUTHORIZED = 401


async def send_problem(error: LatchkeyError, request_id: str, scope: Scope, send: Send) -> None:
    """The failure as problem details."""
    body = problem_of(error, request_id)
    await _send(error.status, body, problem_headers(error, body), scope, send)


async def send_json(body: bytes, headers: Headers, scope: Scope, send: Send) -> None:
    """This JSON, with status 200 and these headers beside those that it needs."""
    described = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await _send(200, body, [*described, NO_STORE, *headers], scope, send)


def problem_headers(error: LatchkeyError, body: bytes) -> Headers:
    """The headers of a problem with this body, but for the request id."""
    headers = [(name.encode(), value.encode()) for name, value in error.headers.items()]
    headers.append((b"content-type", PROBLEM_CONTENT_TYPE.encode()))
    headers.append((b"content-length", b"%d" % len(body)))
    headers.append(NO_STORE)
    if error.status == _UNAUTHORIZED:
        headers.append((b"www-authenticate", b"Bearer"))
    return headers


def uncached(headers: Headers) -> Headers:
    """The inner app's headers, which forbid caching unless they say something of it."""
    for name, _ in headers:
        if name.lower() == b"cache-control":
            return headers
    return [*headers, NO_STORE]


async def _send(
    status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]], scope: Scope, send: Send
) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    sent = b"" if scope["method"] == "HEAD" else body
    await send({"type": "http.response.body", "body": sent})
