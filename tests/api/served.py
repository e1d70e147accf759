"""An ASGI app under our protocol, on a port of its own, in the test's event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from app.api.server import HttpProtocol
from tests.portal import free_port


@asynccontextmanager
async def served(app: Any, **options: Any) -> AsyncIterator[str]:
    """The URL of the app; `options` are more of uvicorn's."""
    port = free_port()
    config = uvicorn.Config(
        app,
        port=port,
        http=HttpProtocol,
        loop="asyncio",
        lifespan="off",
        log_config=None,
        **options,
    )
    running = uvicorn.Server(config)
    task = asyncio.create_task(running.serve())
    while not running.started:  # noqa: ASYNC110  # it can only be asked
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        running.should_exit = True
        await task
