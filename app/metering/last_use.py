"""When each key was last used: gathered in memory, written every few seconds in one statement."""

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime

from app.metering.pool import BoundedPool, DatabaseUnavailable

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 5.0
"""How often it is written: the most that a crash forgets."""

# Sorted by key, so that two nodes never wait for each other's rows crosswise.
_FLUSH = """
INSERT INTO latchkey."KeyLastUse" ("keyId", "lastUsedAt")
SELECT key_id, used_at AT TIME ZONE 'UTC'
FROM unnest(%(key_ids)s::text[], %(used_at)s::timestamptz[]) AS used (key_id, used_at)
ORDER BY key_id
ON CONFLICT ("keyId") DO UPDATE
SET "lastUsedAt" = greatest("KeyLastUse"."lastUsedAt", excluded."lastUsedAt")
"""


class LastUse:
    """Remembers uses between flushes; a flush that failed is made up for by the next."""

    def __init__(self, pool: BoundedPool) -> None:
        self._pool = pool
        self._used_ms: dict[str, int] = {}
        self._flusher: asyncio.Task[None] | None = None

    def note(self, key_id: str, at_ms: int) -> None:
        """The key was used at this time, by the database's clock."""
        self._used_ms[key_id] = max(at_ms, self._used_ms.get(key_id, 0))

    async def flush(self) -> None:
        """Write what was gathered; keep it when the database cannot take it."""
        used, self._used_ms = self._used_ms, {}
        if not used:
            return
        times = [datetime.fromtimestamp(at_ms / 1000, UTC) for at_ms in used.values()]
        try:
            await self._pool.run(_FLUSH, {"key_ids": list(used), "used_at": times})
        except DatabaseUnavailable as error:
            logger.warning("when keys were last used could not be written yet: %s", error)
            for key_id, at_ms in used.items():
                self.note(key_id, at_ms)

    def start(self) -> None:
        """Flush from now on, every FLUSH_SECONDS."""
        self._flusher = asyncio.create_task(self._flush_for_ever())

    async def stop(self) -> None:
        """Stop flushing, after one last time."""
        if self._flusher is not None:
            self._flusher.cancel()
            with suppress(asyncio.CancelledError):
                await self._flusher
        await self.flush()

    async def _flush_for_ever(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush()
