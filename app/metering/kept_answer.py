"""Answers that are kept to be given again: how they are encrypted, sent, and bounded."""

import json

from cryptography.fernet import MultiFernet

from app.metering.asgi import Headers, Message, Receive, Scope, Send

MOST_BYTES = 1024 * 1024
"""The largest body that is kept."""

HELD_BYTES = 64 * MOST_BYTES
"""Of all answers together that a process holds to keep them, or to give them again."""

# What concerns one connection, and what the server or we say anew of each answer.
_NOT_KEPT = frozenset(
    {b"connection", b"date", b"idempotency-replayed", b"keep-alive", b"server"}
    | {b"transfer-encoding", b"x-request-id"}
)
_HEAD_END = b"\n"


class Budget:
    """So many bytes may be held at once."""

    def __init__(self, limit_bytes: int) -> None:
        self._left = limit_bytes

    def take(self, count: int) -> bool:
        """Hold so many more, if there is room for them."""
        if count > self._left:
            return False
        self._left -= count
        return True

    def give_back(self, count: int) -> None:
        """So many are held no more."""
        self._left += count


def encrypted(cipher: MultiFernet, start: Message, body: bytes | bytearray) -> str:
    """The answer as it is stored. Takes about 5 ms for 1 MiB."""
    headers = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in start["headers"]
        if name.lower() not in _NOT_KEPT
    ]
    head = json.dumps({"status": start["status"], "headers": headers}).encode()
    return cipher.encrypt(head + _HEAD_END + body).decode()


class KeptAnswer:
    """An ASGI app that gives an earlier answer again."""

    def __init__(self, status: int, headers: Headers, body: bytes) -> None:
        self._start = {"type": "http.response.start", "status": status, "headers": headers}
        self._body = body

    @classmethod
    def decrypted(cls, cipher: MultiFernet, token: bytes) -> "KeptAnswer":
        """From what is stored. Raises cryptography's InvalidToken."""
        head, _, body = cipher.decrypt(token).partition(_HEAD_END)
        told = json.loads(head)
        headers = [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in told["headers"]
        ]
        return cls(told["status"], [*headers, (b"idempotency-replayed", b"true")], body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, in one part."""
        await send(self._start)
        await send({"type": "http.response.body", "body": self._body})


class Held:
    """What one answer takes of the budget."""

    __slots__ = ("_budget", "_count")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._count = 0

    def grow(self, count: int) -> bool:
        """Hold so many bytes in all from now on; nothing more at all if there is no room."""
        if self._budget.take(count - self._count):
            self._count = count
            return True
        self.let_go()
        return False

    def let_go(self) -> None:
        """Hold nothing; may be said again."""
        self._budget.give_back(self._count)
        self._count = 0
