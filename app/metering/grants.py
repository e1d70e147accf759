"""Whose key a digest is, and whether it may call now: one query, decided by the database's time."""

from dataclasses import dataclass

from app.core.errors import LatchkeyError
from app.metering.clock import DatabaseClock
from app.metering.pool import BoundedPool, DatabaseUnavailable
from app.metering.problems import (
    ExpiredKey,
    KeyPendingVerification,
    RecordingUnavailable,
    RevokedKey,
    TrialEnded,
)

_REFUSALS: dict[str, type[LatchkeyError]] = {
    error.code: error for error in (ExpiredKey, KeyPendingVerification, RevokedKey, TrialEnded)
}

# A live key goes before a trial key with the same digest: a converted trial key is a live key.
# Any status but 'active' refuses: another program's status is no permission.
_FIND = """
WITH clock AS (SELECT now() AT TIME ZONE 'UTC' AS now),
found AS (
  SELECT key.id, false AS is_trial, key.tier, key."userId" AS owner_id,
    CASE
      WHEN key.status = 'revoked' OR key."revokedAt" IS NOT NULL THEN 'revoked_key'
      WHEN key.status = 'pending_verification' THEN 'key_pending_verification'
      WHEN key.status <> 'active' THEN 'revoked_key'
      WHEN least(detail."expiresAt", detail."graceEndsAt") <= clock.now THEN 'expired_key'
    END AS refusal
  FROM clock, "ApiKeyMetadata" key
  LEFT JOIN latchkey."ApiKeyDetail" detail ON detail."keyId" = key.id
  WHERE key."keyHash" = %(digest)s
  UNION ALL
  SELECT key.id, true, workspace.tier, workspace."ownerId",
    CASE
      WHEN key.status = 'revoked' OR key."revokedAt" IS NOT NULL THEN 'revoked_key'
      WHEN workspace.status <> 'active' OR workspace."expiresAt" <= clock.now THEN 'trial_ended'
      WHEN key.status <> 'active' THEN 'revoked_key'
      WHEN detail."expiresAt" <= clock.now THEN 'expired_key'
    END
  FROM clock, "TrialApiKey" key
  JOIN "TrialWorkspace" workspace ON workspace.id = key."workspaceId"
  LEFT JOIN latchkey."TrialApiKeyDetail" detail ON detail."keyId" = key.id
  WHERE key."keyHash" = %(digest)s
)
SELECT id, is_trial, tier, owner_id, refusal,
  (extract(epoch FROM clock_timestamp()) * 1000)::bigint
FROM found ORDER BY is_trial LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a genuine key may do: everything the meter needs to know of it."""

    key_id: str
    is_trial: bool
    tier: str
    owner_id: str
    refusal_code: str | None

    def check(self) -> None:
        """Raise the refusal that this key gets now, if any."""
        if self.refusal_code is not None:
            raise _REFUSALS[self.refusal_code]()


class Grants:
    """Finds grants by digest. Asks the database each time, so revoking holds at once."""

    def __init__(self, pool: BoundedPool, clock: DatabaseClock) -> None:
        self._pool = pool
        self._clock = clock

    async def find(self, digest: str) -> Grant | None:
        """The grant of this digest, or None. Raises RecordingUnavailable if nobody can say."""
        try:
            rows = await self._pool.run(_FIND, {"digest": digest})
        except DatabaseUnavailable as error:
            raise RecordingUnavailable from error
        if not rows:
            return None
        key_id, is_trial, tier, owner_id, refusal_code, database_ms = rows[0]
        self._clock.observe(database_ms)
        return Grant(key_id, is_trial, tier, owner_id, refusal_code)
