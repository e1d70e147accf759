"""A client that speaks ASGI to the meter directly, and sees each message as it leaves."""

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from app.metering.asgi import ASGIApp, Message


@dataclass
class Reply:
    """What came back: the messages as sent, and the answer they make."""

    messages: list[Message] = field(default_factory=list)

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.messages[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.messages[1:])

    @property
    def request_id(self) -> str:
        return self.headers["x-request-id"]

    def json(self) -> Any:
        return json.loads(self.body)


async def ask(
    app: ASGIApp,
    method: str = "POST",
    path: str = "/api/v1/screen",
    *,
    key: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
    query: str = "",
    body: Iterable[bytes] = (b"{}",),
    leaves: asyncio.Event | None = None,
    on_message: Callable[[Message], None] = lambda message: None,
) -> Reply:
    """One request. The body comes in the given parts; the client goes away when `leaves` is set."""
    all_headers = [*headers, *([("X-API-Key", key)] if key else [])]
    parts = list(body)
    reply = Reply()

    async def receive() -> Message:
        if parts:
            part = parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(parts)}
        await (leaves or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if leaves is not None and leaves.is_set():
            raise OSError("the client is gone")
        reply.messages.append(message)
        on_message(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50000),
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in all_headers],
        "extensions": {"http.response.pathsend": {}},
    }
    await app(scope, receive, send)
    return reply
