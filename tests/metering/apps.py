"""Small inner apps for the meter to stand before."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from app.metering.asgi import Receive, Scope, Send

Serve = Callable[[Scope, Receive, Send], Awaitable[None]]

OPENAPI = {
    "paths": {
        "/api/v1/screen": {"post": {"x-latchkey": {"units": 1}}},
        "/api/v1/lists": {"get": {"x-latchkey": {"units": 0}}},
        "/api/v1/dear/{id}": {"get": {"x-latchkey": {"units": 7}}},
    }
}


class App:
    """An ASGI app with a description, and no lifespan."""

    def __init__(self, serve: Serve) -> None:
        self.serve = serve
        self.calls = 0

    def openapi(self) -> dict[str, Any]:
        return OPENAPI

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        self.calls += 1
        await self.serve(scope, receive, send)


async def start(send: Send, status: int = 200, **headers: str) -> None:
    """Send the status and headers; an underscore in a name stands for a hyphen."""
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})


async def body(send: Send, part: bytes, *, more: bool = False) -> None:
    await send({"type": "http.response.body", "body": part, "more_body": more})


def answering(status: int = 200, payload: object = None) -> App:
    """Answers everything with this, in one part."""
    text = json.dumps(payload).encode()

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, status, content_type="application/json", content_length=str(len(text)))
        await body(send, text)

    return App(serve)


def mirror() -> App:
    """Answers with what it sees of the request."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        caller = scope["latchkey"]
        message = await receive()
        seen = {
            "headers": [(name.decode(), value.decode()) for name, value in scope["headers"]],
            "caller": [caller.key_id, caller.tier, caller.owner_id],
            "extensions": scope["extensions"],
            "body": message["body"].decode(),
            "more_body": message["more_body"],
        }
        await start(send, content_type="application/json", x_request_id="the app's own")
        await body(send, json.dumps(seen).encode())

    return App(serve)
