"""The inner app's start and stop, by the ASGI lifespan protocol."""

import asyncio
import logging
from typing import Any

from app.metering.asgi import ASGIApp, Message

logger = logging.getLogger(__name__)

STOP_SECONDS = 10.0
"""How long an app may take to stop."""


class InnerLifespan:
    """Runs an app's lifespan beside us. An app that has none is none the worse."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self.state: dict[str, Any] = {}
        """What the app wants to find in every request's `scope["state"]`."""

    async def start(self) -> None:
        """Return when the app has started. Raises RuntimeError if it says that it cannot."""
        self._task = asyncio.create_task(self._run())
        answer = await self._tell("lifespan.startup")
        if answer["type"] == "lifespan.startup.failed":
            raise RuntimeError(f"the API app did not start: {answer.get('message', '')}")

    async def stop(self) -> None:
        """Return when the app has stopped, or after STOP_SECONDS."""
        if self._task is None or self._task.done():
            return
        try:
            answer = await asyncio.wait_for(self._tell("lifespan.shutdown"), STOP_SECONDS)
        except TimeoutError:
            answer = {"type": "lifespan.shutdown.failed", "message": "no answer in time"}
        if answer["type"] == "lifespan.shutdown.failed":
            logger.error("the API app did not stop well: %s", answer.get("message", ""))
        self._task.cancel()

    async def _tell(self, event: str) -> Message:
        self._to_app.put_nowait({"type": event})
        return await self._from_app.get()

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}}
        try:
            await self._app({**scope, "state": self.state}, self._to_app.get, self._from_app.put)
        except Exception:
            # The protocol's way to say "I have no lifespan" is to raise.
            logger.debug("the API app ended its lifespan by raising", exc_info=True)
        self._from_app.put_nowait({"type": "lifespan.ended"})
