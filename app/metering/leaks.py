"""Genuine keys that came in a URL, noted beside the calls so that their owners are told."""

import logging
from dataclasses import dataclass

from app.metering.wire import DatabaseUnavailable, Line, array, element

logger = logging.getLogger(__name__)

WRITE_SECONDS = 60.0
"""A key's first leak is written at the next opportunity, further ones once in this time."""

MOST_KEYS = 10_000
"""So many keys are remembered; further ones wait until there is room again."""

# Sorted by key, so that two nodes never wait for each other's rows crosswise.
_WRITE = b"""
INSERT INTO latchkey."KeyLeak" AS known ("keyId", "firstSeenAt", "lastSeenAt", times)
SELECT key_id, timestamp 'epoch' + first_ms * interval '1 millisecond',
    timestamp 'epoch' + last_ms * interval '1 millisecond', times
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[])
    AS seen (key_id, first_ms, last_ms, times)
ORDER BY key_id
ON CONFLICT ("keyId") DO UPDATE SET
    "firstSeenAt" = least(known."firstSeenAt", excluded."firstSeenAt"),
    "lastSeenAt" = greatest(known."lastSeenAt", excluded."lastSeenAt"),
    times = known.times + excluded.times
"""


@dataclass(slots=True)
class _Seen:
    """What was noted of a key since it was last written, at the database's times."""

    first_ms: int
    last_ms: int
    times: int = 0


class Leaks:
    """Gathers which keys were in URLs; costs nothing where none is."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}
        self._written_at: dict[str, float] = {}

    def note(self, key_id: str, at_ms: int) -> None:
        """The key was in a URL at this time, by the database's clock."""
        seen = self._seen.get(key_id)
        if seen is None:
            if len(self._seen) >= MOST_KEYS:
                return
            seen = self._seen[key_id] = _Seen(at_ms, at_ms)
        seen.last_ms = max(seen.last_ms, at_ms)  # the database's clock may be set right meanwhile
        seen.times += 1

    async def write(self, line: Line, now: float, *, seconds: float) -> None:
        """Write what is due at this moment of the monotonic clock; keep what cannot be written.

        When the answer to it is lost it is written again: `times` may then be too high.
        """
        for key_id, written_at in list(self._written_at.items()):
            if now - written_at >= WRITE_SECONDS:
                del self._written_at[key_id]
        due = {key: seen for key, seen in self._seen.items() if key not in self._written_at}
        if not due:
            return
        for key_id in due:
            del self._seen[key_id]
        try:
            await line.ask(_WRITE, _params(due), seconds=seconds)
        except DatabaseUnavailable as error:
            logger.warning("keys seen in URLs could not be noted yet: %s", error)
            self._take_back(due)
        else:
            self._written_at.update(dict.fromkeys(due, now))

    async def write_all(self, line: Line, *, seconds: float) -> None:
        """Write all that is noted, due or not."""
        self._written_at.clear()
        await self.write(line, 0.0, seconds=seconds)

    def _take_back(self, due: dict[str, _Seen]) -> None:
        for key_id, seen in due.items():
            newer = self._seen.get(key_id)
            if newer is not None:
                seen.last_ms = newer.last_ms
                seen.times += newer.times
            self._seen[key_id] = seen


def _params(due: dict[str, _Seen]) -> list[bytes | None]:
    return [
        array([element(key_id) for key_id in due]),
        array([str(seen.first_ms) for seen in due.values()]),
        array([str(seen.last_ms) for seen in due.values()]),
        array([str(seen.times) for seen in due.values()]),
    ]
