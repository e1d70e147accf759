"""The request's body: read up to the limit before the work, then given to the inner app."""

from app.metering.asgi import BODY_FAULT, Headers, Message, Receive, Scope
from app.metering.problems import BodyTooLarge, ClientGone, TooManyBodies

COMING_BYTES = 256 * 1024 * 1024
"""Of all bodies that are still coming in one process; a quarter of it of one key."""

_SHARE = 4


class BodyReader:
    """Reads whole bodies, each up to a limit.

    What has come of those that are not whole yet has a bound too, together and for each key:
    else many slow ones would fill the memory. A body in one piece, as nearly all, is not counted.
    """

    def __init__(self, limit_bytes: int, *, coming_bytes: int = COMING_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._most = max(coming_bytes, _SHARE * limit_bytes)
        self._coming = 0
        self._coming_of: dict[str, int] = {}

    async def read(self, receive: Receive, scope: Scope, key_id: str) -> bytes:
        """The whole body. Raises BodyTooLarge, by the declared length before reading.

        And ClientGone, TooManyBodies, or what the server found wrong: broken chunks, too slow.
        """
        if _declared_bytes(scope["headers"]) > self._limit_bytes:
            raise BodyTooLarge(self._limit_bytes)
        body, more = _part(await receive())
        if more:
            body = await self._gather(receive, body, key_id)
        elif len(body) > self._limit_bytes:
            raise BodyTooLarge(self._limit_bytes)
        if BODY_FAULT in scope:
            raise scope[BODY_FAULT]
        return body

    async def _gather(self, receive: Receive, part: bytes, key_id: str) -> bytes:
        body = bytearray()
        more = True
        try:
            while True:
                body += part
                self._count(key_id, len(part))
                if len(body) > self._limit_bytes:
                    raise BodyTooLarge(self._limit_bytes)
                if (
                    self._coming > self._most
                    or self._coming_of.get(key_id, 0) > self._most // _SHARE
                ):
                    raise TooManyBodies
                if not more:
                    return bytes(body)
                part, more = _part(await receive())
        finally:
            self._count(key_id, -len(body))

    def _count(self, key_id: str, count: int) -> None:
        self._coming += count
        left = self._coming_of.pop(key_id, 0) + count
        if left:
            self._coming_of[key_id] = left


def _part(message: Message) -> tuple[bytes, bool]:
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message.get("body", b""), message.get("more_body", False)


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
