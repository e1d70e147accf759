"""Writes calls: a place first, then the row, and an answer only when it is committed."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import LiteralString

from app.metering.pool import BoundedPool, DatabaseUnavailable
from app.metering.problems import RecordingUnavailable

logger = logging.getLogger(__name__)

PLACES = 512
"""How many calls may be in work at once; the next is refused, not kept waiting."""

# Sent again when a COMMIT's answer was lost: the id makes the second one harmless.
_COLUMNS: LiteralString = """
  (id, "apiKeyId", endpoint, method, "statusCode", "latencyMs", units, "ownerId", "createdAt")
VALUES (%(id)s, %(key_id)s, %(endpoint)s, %(method)s, %(status)s, %(latency_ms)s, %(units)s,
  %(owner_id)s, %(created_at)s AT TIME ZONE 'UTC')
ON CONFLICT (id) DO NOTHING
"""
_INSERT_LIVE: LiteralString = 'INSERT INTO "ApiCall"' + _COLUMNS
_INSERT_TRIAL: LiteralString = 'INSERT INTO latchkey."TrialApiCall"' + _COLUMNS
_SETTLE_LIVE = 'UPDATE "ApiCall" SET "latencyMs" = %(latency_ms)s WHERE id = %(id)s'
_SETTLE_TRIAL = 'UPDATE latchkey."TrialApiCall" SET "latencyMs" = %(latency_ms)s WHERE id = %(id)s'


@dataclass(frozen=True, slots=True)
class CallRow:
    """One row of ApiCall, or of TrialApiCall for a trial key."""

    id: str
    key_id: str
    is_trial: bool
    owner_id: str
    endpoint: str
    method: str
    status: int
    latency_ms: int
    units: int
    created_ms: int

    def params(self) -> dict[str, object]:
        """What the statements here take."""
        return {
            "id": self.id,
            "key_id": self.key_id,
            "endpoint": self.endpoint,
            "method": self.method,
            "status": self.status,
            "latency_ms": self.latency_ms,
            "units": self.units,
            "owner_id": self.owner_id,
            "created_at": datetime.fromtimestamp(self.created_ms / 1000, UTC),
        }


class Recorder:
    """Commits call rows. Takes calls between `open()` and `drain()`, `places` at a time."""

    def __init__(self, pool: BoundedPool, *, places: int = PLACES) -> None:
        self._pool = pool
        self._places = places
        self._is_open = False
        self._taken: set[Place] = set()
        self._none_taken = asyncio.Event()
        self._none_taken.set()
        self._later: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """From now on places are given."""
        self._is_open = True

    def take_place(self) -> "Place":
        """Room for one row, to be asked for before any work. Raises RecordingUnavailable."""
        if not self._is_open or len(self._taken) >= self._places:
            raise RecordingUnavailable
        place = Place(self)
        self._taken.add(place)
        self._none_taken.clear()
        return place

    def give_back(self, place: "Place") -> None:
        """The place is free for another call."""
        self._taken.discard(place)
        if not self._taken:
            self._none_taken.set()

    async def write(self, row: CallRow) -> None:
        """Return when the row is committed. Raises RecordingUnavailable when nobody can say."""
        statement = _INSERT_TRIAL if row.is_trial else _INSERT_LIVE
        try:
            await self._pool.run(statement, row.params())
        except DatabaseUnavailable as error:
            logger.warning("call %s could not be recorded: %s", row.id, error)
            raise RecordingUnavailable from error

    async def settle(self, row: CallRow) -> None:
        """Write the final latency of a streamed answer; its row is committed already."""
        statement = _SETTLE_TRIAL if row.is_trial else _SETTLE_LIVE
        try:
            await self._pool.run(statement, {"id": row.id, "latency_ms": row.latency_ms})
        except DatabaseUnavailable as error:
            logger.warning("the final latency of call %s is lost: %s", row.id, error)

    def write_later(self, place: "Place", row: CallRow) -> None:
        """Record a call that nobody waits for any more."""
        task = asyncio.create_task(place.record(row))
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def drain(self, *, seconds: float) -> None:
        """Give no more places, and wait for those that are taken."""
        self._is_open = False
        try:
            await asyncio.wait_for(self._none_taken.wait(), seconds)
        except TimeoutError:
            logger.warning("stopped while %d calls were in work", len(self._taken))


class Place:
    """The promise of room for one row; recording a row in it, well or badly, frees it.

    Every answer, an internal error too, is a row: so every place is used.
    """

    __slots__ = ("_recorder", "is_used")

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.is_used = False

    async def record(self, row: CallRow) -> None:
        """Return when the row is committed. Raises RecordingUnavailable when nobody can say."""
        self.is_used = True
        try:
            await self._recorder.write(row)
        finally:
            self._recorder.give_back(self)

    def record_later(self, row: CallRow) -> None:
        """Record the row, unless one was recorded, without keeping anybody waiting."""
        if not self.is_used:
            self.is_used = True
            self._recorder.write_later(self, row)
