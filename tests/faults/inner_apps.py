"""ASGI apps for `API_APP`, in the processes that the fault tests start."""

import asyncio
import os
from pathlib import Path

from app.metering.asgi import Receive, Scope, Send
from tests.metering.apps import answering, body, start

GATE = "FAULT_GATE"
"""The environment variable with a directory: what `gated` begins leaves a file there."""
OPEN = "open"

quick = answering(payload={"answer": 42})
"""Answers at once: the meter itself is what takes the time."""


async def gated(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer when the file `open` is there; each call leaves a file of its own as it begins."""
    if scope["type"] != "http":
        raise RuntimeError("no lifespan")
    gate = Path(os.environ[GATE])
    headers = dict(scope["headers"])
    (gate / headers[b"x-request-id"].decode()).touch()
    while not (gate / OPEN).exists():  # noqa: ASYNC110  # another process opens it
        await asyncio.sleep(0.01)
    await start(send, content_type="application/json", content_length="2")
    await body(send, b"{}")
