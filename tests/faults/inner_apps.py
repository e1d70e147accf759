"""ASGI apps for `API_APP`, in the processes that the fault tests start.

Named `inner_apps:…`, with this directory on the path: the package `tests` drops the settings.
"""

import asyncio
import os
from pathlib import Path

from app.metering.asgi import Receive, Scope, Send

GATE = "FAULT_GATE"
"""The environment variable with a directory: what `gated` begins leaves a file there."""
OPEN = "open"
_ANSWER = b"{}"


async def quick(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer at once: what takes the time is the meter itself."""
    if scope["type"] != "http":
        raise RuntimeError("it has no lifespan")
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_ANSWER))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": _ANSWER})


async def gated(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer when the file `open` is there; each call leaves a file of its own as it begins."""
    if scope["type"] == "http":
        gate = Path(os.environ[GATE])
        (gate / dict(scope["headers"])[b"x-request-id"].decode()).touch()
        while not (gate / OPEN).exists():  # noqa: ASYNC110  # another process opens it
            await asyncio.sleep(0.01)
    await quick(scope, receive, send)
