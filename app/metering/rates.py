"""Requests per second across processes: each tells the others whom it let in, and is told."""

import asyncio
import logging
import secrets
import time
from contextlib import suppress

from app.metering.group_commit import DATABASE_SECONDS, Result
from app.metering.key_cache import KeyCache
from app.metering.wire import DatabaseUnavailable, Line, array

logger = logging.getLogger(__name__)

REPORT_SECONDS = 0.2
"""How often a process tells, and hears."""

SMALLEST_SHARE = 50
"""A key is told of once a fiftieth of its rate was let in: one that calls little costs nothing."""

_HELLO_SECONDS = 1.0
_PRESENT_SECONDS = 2.0
"""Who has told nothing for so long is not there: who is alone says no more than hello."""

_LOOK_SECONDS = 10.0
"""How long after its last call a process still listens: idle keys are called elsewhere."""

_MOST_SECONDS = 1.0
"""What takes longer to tell is of no use any more."""

_REPORT = b"SELECT * FROM latchkey.report_rates($1, $2, $3, $4)"
_DIGEST_BYTES = 32


class Rates:
    """Debits the buckets of this process by what the others let in.

    One statement each time, none while there are no calls. A database that is away or slow
    matters to nobody: what was let in meanwhile is not told later, so that until it is back each
    process limits by itself.
    """

    def __init__(self, keys: KeyCache, *, seconds: float = DATABASE_SECONDS) -> None:
        self._keys = keys
        self._seconds = min(seconds, _MOST_SECONDS)
        self._line = Line()
        self._node = secrets.token_hex(8).encode()
        self._seen: bytes | None = None
        """The database's snapshot of the last look, if that succeeded."""
        self._used_at = self._told_at = self._heard_at = float("-inf")
        self._is_well = True
        self._task: asyncio.Task[None] | None = None
        self.told = self.heard = 0
        """How many reports were told, and heard of others."""

    def open(self, url: str) -> None:
        """Begin."""
        self._line.open(url)
        self._task = asyncio.create_task(self._report_for_ever())

    async def close(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._line.close()

    async def report(self, now: float) -> None:
        """Tell and hear, at this moment of the monotonic clock. Raises DatabaseUnavailable."""
        taken = self._take_counts()
        if taken:
            self._used_at = now
        elif now - self._used_at > _LOOK_SECONDS:
            self._seen = None
            return
        is_alone = now - self._heard_at > _PRESENT_SECONDS
        tells = bool(taken) and (not is_alone or now - self._told_at >= _HELLO_SECONDS)
        params: list[bytes | None] = [self._node, self._seen, None, None]
        if tells:
            params[2:] = [array(taken), array(map(str, taken.values()))]
        self._seen = None
        result = await self._line.ask(_REPORT, params, seconds=self._seconds)
        if tells:
            self._told_at = now
            self.told += 1
        self._hear(result, now)

    def _take_counts(self) -> dict[str, int]:
        """By key, its SHA-256: the requests that were let in and not told yet."""
        taken = {}
        for digest, grant in self._keys.in_use():
            bucket = grant.bucket
            if bucket.taken and bucket.taken * SMALLEST_SHARE >= grant.terms.requests_per_second:
                taken[digest.hex()] = bucket.taken
                bucket.taken = 0
        return taken

    def _hear(self, result: Result, now: float) -> None:
        """Debit what is news."""
        self._seen, reports, hexes, counts = (result.get_value(0, at) for at in range(4))
        if not hexes or not counts:
            return
        self._heard_at = now
        self.heard += int(reports or 0)
        digests, heard_at = bytes.fromhex(hexes.decode()), time.monotonic()
        for at, count in enumerate(counts.split(b",")):
            grant = self._keys.cached(digests[at * _DIGEST_BYTES : (at + 1) * _DIGEST_BYTES])
            if grant is not None:
                grant.bucket.debit(int(count), grant.terms.requests_per_second, heard_at)

    async def _report_for_ever(self) -> None:
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            try:
                await self.report(time.monotonic())
            except DatabaseUnavailable as error:
                if self._is_well:
                    logger.warning("requests a second are counted in this process alone: %s", error)
                self._is_well = False
                await asyncio.sleep(_MOST_SECONDS)
            else:
                if not self._is_well:
                    logger.info("requests a second are counted across processes again")
                self._is_well = True
