"""The ASGI protocol's shapes, as types."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

BODY_FAULT = "latchkey.body_fault"
"""Where in the scope our server puts the LatchkeyError by which a request's body broke off."""

OURS = frozenset(
    {
        b"x-request-id",
        b"x-units",
        b"x-quota-remaining",
        b"x-trial-ends",
        b"ratelimit",
        b"ratelimit-policy",
    }
)
"""Headers of an answer that only the meter may say."""

EXCHANGE = "latchkey.exchange"
"""The name in `scope["extensions"]` under which our server offers its `Exchange`."""


class Exchange(Protocol):
    """A short way past `receive` and `send`, which the server of `app.api.server` offers."""

    @property
    def is_writable(self) -> bool:
        """Whether the client reads what it was sent; else `send` waits until it does."""

    def take_body(self) -> bytes | None:
        """The request's body if all of it has come, else None: then `receive` it."""

    def promise(self) -> None:
        """The answer will come by `respond`, perhaps after the app has returned."""

    def frame(self, status: int, headers: Headers, body_bytes: int) -> bytes | None:
        """The head of an answer with a body of so many bytes, but for its end and OURS.

        None if the answer must go by `send`.
        """

    def respond(self, head: bytes, lines: bytes, body: bytes | bytearray) -> None:
        """Send what `frame` made, with more header lines. A client that is gone gets nothing."""


def content_type_of(headers: Headers) -> str:
    """The value of the Content-Type header, or ""."""
    for name, value in headers:
        if name == b"content-type" or name.lower() == b"content-type":
            return value.decode("latin-1")
    return ""
