"""The request's body: read up to the limit before the work, then given to the inner app."""

from app.metering.asgi import BODY_FAULT, Headers, Message, Receive, Scope
from app.metering.problems import BodyTooLarge, ClientGone


async def read_body(receive: Receive, scope: Scope, *, limit_bytes: int) -> bytes:
    """The whole body. Raises BodyTooLarge, by the declared length before reading, or ClientGone.

    And what the server found wrong with it: broken chunks, or too slow.
    """
    if _declared_bytes(scope["headers"]) > limit_bytes:
        raise BodyTooLarge(limit_bytes)
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        body += message.get("body", b"")
        if len(body) > limit_bytes:
            raise BodyTooLarge(limit_bytes)
        more = message.get("more_body", False)
    if BODY_FAULT in scope:
        raise scope[BODY_FAULT]
    return bytes(body)


def _declared_bytes(headers: Headers) -> int:
    for name, value in headers:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


class BodySource:
    """The inner app's `receive`: the body that was read, then what the server says next."""

    def __init__(self, body: bytes, receive: Receive):
        self._body: bytes | None = body
        self._receive = receive
        self.client_gone = False

    async def receive(self) -> Message:
        """The body in one message; afterwards nothing but the client's going away."""
        if self._body is not None:
            message: Message = {"type": "http.request", "body": self._body, "more_body": False}
            self._body = None
            return message
        message = await self._receive()
        self.client_gone = self.client_gone or message["type"] == "http.disconnect"
        return message
