"""What is due every few seconds beside the calls: last uses, leaks, counting what was recorded."""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress

from app.metering.group_commit import DATABASE_SECONDS
from app.metering.leaks import Leaks
from app.metering.limits import Quota
from app.metering.recorder import Recorder
from app.metering.wire import DatabaseUnavailable, Line, array, element

logger = logging.getLogger(__name__)

LAST_USE_SECONDS = 5.0
"""How often last uses are written: the most that a crash forgets."""

FOLD_SECONDS = 1.0
"""How often batches are counted by the hour, and by the period if they are counted later.

Whoever reads the hours folds before that itself. After it this process learns what others used.
"""

# Sorted by key, so that two nodes never wait for each other's rows crosswise.
_LAST_USE = b"""
INSERT INTO latchkey."KeyLastUse" ("keyId", "lastUsedAt")
SELECT key_id, timestamp 'epoch' + used_ms * interval '1 millisecond'
FROM unnest($1::text[], $2::bigint[]) AS used (key_id, used_ms)
ORDER BY key_id
ON CONFLICT ("keyId") DO UPDATE
SET "lastUsedAt" = greatest("KeyLastUse"."lastUsedAt", excluded."lastUsedAt")
"""
_FOLD = b"SELECT latchkey.fold_usage($1)"
_TOTALS = b"""
SELECT latchkey.period_total(asked.scope, asked.starts)
FROM unnest($1::text[], $2::timestamp[]) WITH ORDINALITY AS asked (scope, starts, position)
ORDER BY position
"""
_MOST_ASKED = 1000
_NEVER = -1


class Chores:
    """Does them from `open()` to `close()`; what failed is made up for the next time."""

    def __init__(self, recorder: Recorder, *, seconds: float = DATABASE_SECONDS) -> None:
        self._recorder = recorder
        self._seconds = seconds
        self._line = Line()
        self._used_ms: dict[str, int] = {}
        self.leaks = Leaks()
        self._folded = 0
        self._task: asyncio.Task[None] | None = None

    def open(self, url: str) -> None:
        """Begin."""
        self._line.open(url)
        self._task = asyncio.create_task(self._work_for_ever())

    async def close(self) -> None:
        """End, after one last time."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self.write_last_uses()
        await self.leaks.write_all(self._line, seconds=self._seconds)
        await self.fold(is_patient=True)
        self._line.close()

    def note_use(self, key_id: str, at_ms: int) -> None:
        """The key was used at this time, by the database's clock."""
        self._used_ms[key_id] = at_ms

    async def write_last_uses(self) -> None:
        """Write what was gathered; keep it when the database cannot take it."""
        used, self._used_ms = self._used_ms, {}
        if not used:
            return
        params = [array([element(key_id) for key_id in used]), array(map(str, used.values()))]
        try:
            await self._line.ask(_LAST_USE, params, seconds=self._seconds)
        except DatabaseUnavailable as error:
            logger.warning("when keys were last used could not be written yet: %s", error)
            self._used_ms = {**used, **self._used_ms}

    async def fold(self, *, is_patient: bool = False) -> None:
        """Count what was recorded here since the last time; learn what others recorded.

        Patient: also when another process is just counting, which may have begun too early.
        """
        recorded, began = self._recorder.recorded, time.monotonic()
        if recorded == self._folded:
            return
        try:
            params = [b"t" if is_patient else b"f"]
            result = await self._line.ask(_FOLD, params, seconds=self._seconds)
            quotas = list(self._recorder.later)
            if result.get_value(0, 0) is not None:
                self._folded = recorded
                self._note_fold(quotas, began)
            await self._learn_totals(quotas)
        except DatabaseUnavailable as error:
            logger.warning("calls could not be counted by hour and period yet: %s", error)

    def _note_fold(self, quotas: Sequence[Quota], began: float) -> None:
        ended = time.monotonic()
        self._recorder.later -= {quota for quota in quotas if quota.note_fold(began, ended)}

    async def _learn_totals(self, quotas: Sequence[Quota]) -> None:
        for first in range(0, len(quotas), _MOST_ASKED):
            asked = quotas[first : first + _MOST_ASKED]
            scopes = array([quota.scope_element for quota in asked])
            starts = array([quota.starts_element for quota in asked])
            asked_at = time.monotonic()
            result = await self._line.ask(_TOTALS, [scopes, starts], seconds=self._seconds)
            for row, quota in enumerate(asked):
                quota.learn(int(result.get_value(row, 0) or 0), asked_at)

    async def _work_for_ever(self) -> None:
        written_at = time.monotonic()
        self._folded = _NEVER  # a process that crashed may have left something
        while True:
            await asyncio.sleep(FOLD_SECONDS)
            await self.fold()
            await self.leaks.write(self._line, time.monotonic(), seconds=self._seconds)
            if time.monotonic() - written_at >= LAST_USE_SECONDS:
                written_at = time.monotonic()
                await self.write_last_uses()
