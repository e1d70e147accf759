"""The ASGI protocol's shapes, as types."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

BODY_FAULT = "latchkey.body_fault"
"""Where in the scope our server puts the LatchkeyError by which a request's body broke off."""


def content_type_of(headers: Headers) -> str:
    """The value of the Content-Type header, or ""."""
    for name, value in headers:
        if name.lower() == b"content-type":
            return value.decode("latin-1")
    return ""
