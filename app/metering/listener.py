"""Hears what other programs change in what keys may do. Without it the re-check does as well."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

import psycopg

from app.metering.wire import DatabaseUnavailable, Wire

logger = logging.getLogger(__name__)

_LISTEN = b"LISTEN latchkey_authority"
_AGAIN_SECONDS = 1.0


class Listener:
    """A connection past any pooler that listens, and is made anew when it breaks."""

    def __init__(self, on_notify: Callable[[bytes], None]) -> None:
        self._on_notify = on_notify
        self._task: asyncio.Task[None] | None = None

    def open(self, url: str) -> None:
        """Begin to listen. Does not wait, and does not fail."""
        self._task = asyncio.create_task(self._listen_for_ever(url))

    async def close(self) -> None:
        """Listen no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _listen_for_ever(self, url: str) -> None:
        while True:
            try:
                await self._listen(url)
            except (psycopg.Error, DatabaseUnavailable) as error:
                logger.debug("not listening for changes of keys: %s", error)
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _listen(self, url: str) -> None:
        wire = await Wire.connect(url, self._on_notify)
        try:
            await wire.send(_LISTEN, [])
            await wire.broken
        finally:
            wire.break_off("listening ends")
