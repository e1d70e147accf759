"""Ending keys that somebody has found and reported, and having their owners told, once each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import TextClause, text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import outbox
from app.core.crypto import sha256_hex
from app.keys.format import is_well_formed, key_start
from app.keys.places import place_of

NOTICE_TASK = "accounts:send_exposure_notice"

# Locked by id, so that no two reports wait crosswise; but no call waits for these locks.
_LOCK = """
SELECT "keyHash" FROM public."{table}" WHERE "keyHash" = ANY (:digests)
ORDER BY id FOR NO KEY UPDATE
"""
_LOCK_TRIAL, _LOCK_LIVE = (
    text(_LOCK.format(table=table)) for table in ("TrialApiKey", "ApiKeyMetadata")
)

# What works with a pending key yet? Nothing: it needs no time.
_END_LIVE = text("""
WITH clock AS (SELECT now() AT TIME ZONE 'UTC' AS now),
working AS (
    SELECT key.id, asked.start,
        CASE WHEN key.status = 'pending_verification' THEN interval '0'
            ELSE CAST(:grace AS interval) END AS grace
    FROM clock, unnest(CAST(:digests AS text[]), CAST(:starts AS text[])) AS asked (digest, start)
    JOIN public."ApiKeyMetadata" AS key ON key."keyHash" = asked.digest
    LEFT JOIN latchkey."ApiKeyDetail" AS detail ON detail."keyId" = key.id
    WHERE key.status <> 'revoked' AND key."revokedAt" IS NULL
        AND coalesce(least(detail."expiresAt", detail."graceEndsAt") > clock.now, true)
), revoked AS (
    UPDATE public."ApiKeyMetadata" AS key SET status = 'revoked', "revokedAt" = clock.now
    FROM clock, working WHERE key.id = working.id AND working.grace = interval '0'
    RETURNING key.id, key."revokedAt" AS ends
), ending AS (
    INSERT INTO latchkey."ApiKeyDetail" AS known ("keyId", start, "graceEndsAt")
    SELECT id, start, clock.now + grace FROM clock, working WHERE grace > interval '0' ORDER BY id
    ON CONFLICT ("keyId") DO UPDATE
        SET "graceEndsAt" = least(known."graceEndsAt", excluded."graceEndsAt")
    RETURNING "keyId" AS id, least("expiresAt", "graceEndsAt") AS ends
)
SELECT id, ends FROM revoked UNION ALL SELECT id, ends FROM ending
""")

# Also where the trial is over: it may be made longer.
_END_TRIAL = text("""
WITH clock AS (SELECT now() AT TIME ZONE 'UTC' AS now),
working AS (
    SELECT key.id, asked.start
    FROM clock, unnest(CAST(:digests AS text[]), CAST(:starts AS text[])) AS asked (digest, start)
    JOIN public."TrialApiKey" AS key ON key."keyHash" = asked.digest
    LEFT JOIN latchkey."TrialApiKeyDetail" AS detail ON detail."keyId" = key.id
    WHERE key.status = 'active' AND key."revokedAt" IS NULL
        AND coalesce(detail."expiresAt" > clock.now, true)
), revoked AS (
    UPDATE public."TrialApiKey" AS key SET status = 'revoked', "revokedAt" = clock.now
    FROM clock, working WHERE key.id = working.id AND CAST(:grace AS interval) = interval '0'
    RETURNING key.id, key."revokedAt" AS ends
), ending AS (
    INSERT INTO latchkey."TrialApiKeyDetail" AS known ("keyId", start, "expiresAt")
    SELECT id, start, clock.now + CAST(:grace AS interval) FROM clock, working
    WHERE CAST(:grace AS interval) > interval '0' ORDER BY id
    ON CONFLICT ("keyId") DO UPDATE SET "expiresAt" = least(known."expiresAt", excluded."expiresAt")
    RETURNING "keyId" AS id, "expiresAt" AS ends
)
SELECT id, ends FROM revoked UNION ALL SELECT id, ends FROM ending
""")

_NOTE = text("""
INSERT INTO latchkey."KeyExposure" ("keyId", place, "endsAt", "reportedAt")
SELECT ended.id, asked.place, ended.ends, now() AT TIME ZONE 'UTC'
FROM unnest(CAST(:ids AS text[]), CAST(:ends AS timestamp[])) AS ended (id, ends)
JOIN LATERAL (
    SELECT "keyHash" FROM public."ApiKeyMetadata" WHERE id = ended.id
    UNION ALL SELECT "keyHash" FROM public."TrialApiKey" WHERE id = ended.id
) AS key ON true
JOIN unnest(CAST(:digests AS text[]), CAST(:places AS text[])) AS asked (digest, place)
    ON asked.digest = key."keyHash"
ORDER BY ended.id
ON CONFLICT ("keyId") DO NOTHING
RETURNING "keyId"
""")


@dataclass(frozen=True, slots=True)
class Sighting:
    """A key that was found: never itself, only its digest, its start, and the place if known.

    `start` is None for a text that is no key by its form and checksum.
    """

    digest: str
    start: str | None
    place: str | None


def read_sighting(key: str, *, url: str | None = None, source: str | None = None) -> Sighting:
    """What may be kept of a report: of the key itself only what is stored and shown anyway."""
    start = key_start(key) if is_well_formed(key) else None
    return Sighting(sha256_hex(key), start, place_of(url, source))


async def end_exposed(
    session: AsyncSession, sightings: Sequence[Sighting], *, grace: timedelta
) -> frozenset[str]:
    """End the keys among these that still work, `grace` from now; says which digests are keys'.

    At once where `grace` is zero. A key that ends sooner anyway still does. The owner gets one
    mail about a key, however often it is reported, and none about one that had ended before.
    """
    wanted = {one.digest: one for one in reversed(sightings) if one.start is not None}
    digests = {"digests": list(wanted)}
    starts = [one.start for one in wanted.values()]
    # the trials' first: a conversion under way is waited for, and what it makes is then found
    trial = await _run(session, _LOCK_TRIAL, **digests)
    live = await _run(session, _LOCK_LIVE, **digests)
    ended = [
        *await _run(session, _END_LIVE, **digests, starts=starts, grace=grace),
        *await _run(session, _END_TRIAL, **digests, starts=starts, grace=grace),
    ]
    for (key_id,) in await _run(
        session,
        _NOTE,
        **digests,
        places=[one.place for one in wanted.values()],
        ids=[key_id for key_id, _ in ended],
        ends=[ends for _, ends in ended],
    ):
        await outbox.defer(session, NOTICE_TASK, key_id=key_id)
    return frozenset(digest for (digest,) in [*trial, *live])


async def _run(session: AsyncSession, statement: TextClause, **params: object) -> Sequence[Any]:
    found = await session.exec(statement, params=params)  # type: ignore[call-overload]  # sqlmodel types exec for its own selects only
    rows: Sequence[Any] = found.all()
    return rows
