"""Deleting the calls and counters of one account, a few thousand rows at a time.

The counters follow the log in each transaction, so the nightly proof finds nothing amiss
meanwhile. All of it bears being repeated, and being left unfinished.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import TextClause, text

from app.core.database import unit_of_work
from app.usage.differences import ask

BATCH = 5000
"""Rows that are deleted in one transaction, at most."""

_LIVE, _TRIAL = 'public."ApiCall"', 'latchkey."TrialApiCall"'
_BEGIN = (datetime(1, 1, 1), "")  # noqa: DTZ001  # as the database keeps it

_KEYS = text("""
SELECT id, false FROM public."ApiKeyMetadata" WHERE "userId" = :user_id
UNION ALL
SELECT key.id, true FROM public."TrialApiKey" AS key
JOIN public."TrialWorkspace" AS trial ON trial.id = key."workspaceId"
WHERE trial."ownerId" = :user_id
""")
# From now on the log of these keys may say less than what was used.
_NOTE_KEYS = text("""
INSERT INTO latchkey."DeletedKey" ("keyId", "scopeId", "deletedAt")
SELECT id, "userId", now() AT TIME ZONE 'UTC' FROM public."ApiKeyMetadata"
WHERE "userId" = :user_id
UNION ALL
SELECT key.id, trial.id, now() AT TIME ZONE 'UTC' FROM public."TrialApiKey" AS key
JOIN public."TrialWorkspace" AS trial ON trial.id = key."workspaceId"
WHERE trial."ownerId" = :user_id
ON CONFLICT ("keyId") DO NOTHING
""")
# A record is found by its call alone, and there are as many as a day had.
_DELETE_ANSWERS = """
DELETE FROM latchkey."IdempotencyRecord" WHERE digest = ANY (ARRAY(
    SELECT record.digest FROM latchkey."IdempotencyRecord" AS record
    JOIN {log} AS call ON call.id = record."callId"
    WHERE call."apiKeyId" = ANY (CAST(:keys AS text[])) LIMIT :most))
RETURNING 1
"""
_FIND_CALLS = """
SELECT id, "createdAt" FROM {log}
WHERE "apiKeyId" = :key_id AND ("createdAt", id) > (CAST(:at AS timestamp), :id)
ORDER BY "createdAt", id LIMIT :most
"""
# What is counted of them is taken back, as `UsageDelta` does it: whoever folds it adds -1 each.
_DELETE_CALLS = """
WITH gone AS (
    DELETE FROM {log} WHERE id = ANY (CAST(:ids AS text[]))
    RETURNING "apiKeyId", "createdAt", endpoint, "statusCode", "latencyMs", units
), noted AS (
    DELETE FROM latchkey."CallNote" WHERE "callId" = ANY (CAST(:ids AS text[]))
)
INSERT INTO latchkey."UsageDelta"
    ("keyIds", "createdMs", endpoints, statuses, latencies, units, weights)
SELECT array_agg("apiKeyId"), array_agg((extract(epoch FROM "createdAt") * 1000)::bigint),
    array_agg(endpoint), array_agg("statusCode"), array_agg("latencyMs"), array_agg(units),
    array_agg(-1)
FROM gone HAVING count(*) > 0
RETURNING 1
"""
_FOLD = text("SELECT latchkey.fold_usage()")
_DELETE_COUNTERS = """
DELETE FROM {table} WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM {table} WHERE {column} = ANY (CAST(:ids AS text[])) LIMIT :most))
RETURNING 1
"""
_SCOPES = text("""
SELECT :user_id UNION ALL SELECT id FROM public."TrialWorkspace" WHERE "ownerId" = :user_id
""")
_BY_KEY = ("UsageHour", "KeyLastUse", "KeyLeak")


@dataclass(frozen=True, slots=True)
class Keys:
    """An account's keys: the live ones, and those of its trials."""

    live: Sequence[str]
    trial: Sequence[str]

    @property
    def logs(self) -> Iterator[tuple[str, Sequence[str]]]:
        """Both logs of calls, each with the keys that it is of."""
        yield _LIVE, self.live
        yield _TRIAL, self.trial


async def list_keys(user_id: str) -> Keys:
    """Every key of the account, revoked ones too."""
    async with unit_of_work() as session:
        rows = await ask(session, _KEYS, user_id=user_id)
    return Keys([one for one, is_trial in rows if not is_trial], [one for one, t in rows if t])


async def delete_calls(
    user_id: str,
    *,
    batch: int = BATCH,
    budget_seconds: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> bool:
    """Delete all calls of the account, with what was kept of them; False if the time was up."""
    late_at = math.inf if budget_seconds is None else clock() + budget_seconds
    async with unit_of_work() as session:
        await (await session.connection()).execute(_NOTE_KEYS, {"user_id": user_id})
    keys = await list_keys(user_id)
    for log, ids in keys.logs:
        await _repeat(text(_DELETE_ANSWERS.format(log=log)), keys=list(ids), most=batch)
        for key_id in ids:
            place: tuple[datetime, str] | None = _BEGIN
            while place is not None:
                if clock() >= late_at:
                    return False
                place = await delete_batch(log, key_id, after=place, most=batch)
    return True


async def delete_batch(
    log: str, key_id: str, *, after: tuple[datetime, str], most: int
) -> tuple[datetime, str] | None:
    """One transaction: the key's next calls after this moment and id; where to go on, or None.

    By the index from where the last one ended: what was deleted before is not walked over again.
    """
    at, after_id = after
    find, delete = text(_FIND_CALLS.format(log=log)), text(_DELETE_CALLS.format(log=log))
    async with unit_of_work() as session:
        rows = await ask(session, find, key_id=key_id, at=at, id=after_id, most=most)
        if rows:
            await ask(session, delete, ids=[row[0] for row in rows])
    return (rows[-1][1], rows[-1][0]) if len(rows) == most else None


async def delete_counters(user_id: str, *, batch: int = BATCH) -> None:
    """Delete what was counted and noted of the account's keys and trials."""
    keys = await list_keys(user_id)
    async with unit_of_work() as session:
        await ask(session, _FOLD)
        scopes = [row[0] for row in await ask(session, _SCOPES, user_id=user_id)]
    ids = [*keys.live, *keys.trial]
    for table in _BY_KEY:
        await _repeat(_deletion(table, "keyId"), ids=ids, most=batch)
    await _repeat(_deletion("UsagePeriod", "scopeId"), ids=scopes, most=batch)


def _deletion(table: str, column: str) -> TextClause:
    return text(_DELETE_COUNTERS.format(table=f'latchkey."{table}"', column=f'"{column}"'))


async def _repeat(statement: TextClause, *, most: int, **params: Any) -> None:
    """Until it deletes less than it may, each time in a transaction of its own."""
    deleted = most
    while deleted == most:
        async with unit_of_work() as session:
            deleted = len(await ask(session, statement, most=most, **params))
