"""The keys of a trial become live keys."""

from sqlalchemy import TextClause, text
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.ids import new_id
from app.models import TrialApiKey

_MAKE_LIVE = text("""
INSERT INTO public."ApiKeyMetadata" (id, "userId", "keyHash", label, status, tier, "createdAt")
SELECT made.id, :user_id, key."keyHash", key.label, 'active', :tier_id, key."createdAt"
FROM unnest(CAST(:trial_ids AS text[]), CAST(:ids AS text[])) AS made (trial_id, id)
JOIN public."TrialApiKey" AS key ON key.id = made.trial_id
ON CONFLICT ("keyHash") DO NOTHING
""")

# Of the keys that were made: what is known of them goes with them. A key that another program
# put into the trial has no detail. The rows of the trial keys stay: calls that are in work just
# now still write there.
_FROM_MADE = """
FROM unnest(CAST(:trial_ids AS text[]), CAST(:ids AS text[])) AS made (trial_id, id)
JOIN public."ApiKeyMetadata" AS live ON live.id = made.id
JOIN latchkey."{table}" AS known ON known."keyId" = made.trial_id
"""
_COPIES = (
    text(
        'INSERT INTO latchkey."ApiKeyDetail" ("keyId", start, "expiresAt", "graceEndsAt", '
        '"allowedIps", "trialKeyId") SELECT made.id, known.start, '
        'CASE WHEN exposed."keyId" IS NULL THEN known."expiresAt" END, '
        'CASE WHEN exposed."keyId" IS NOT NULL THEN known."expiresAt" END, '
        'known."allowedIps", made.trial_id'
        + _FROM_MADE.format(table="TrialApiKeyDetail")
        + 'LEFT JOIN latchkey."KeyExposure" AS exposed ON exposed."keyId" = made.trial_id'
    ),
    text(
        'INSERT INTO latchkey."KeyLastUse" ("keyId", "lastUsedAt") '
        'SELECT made.id, known."lastUsedAt"' + _FROM_MADE.format(table="KeyLastUse")
    ),
    text(
        'INSERT INTO latchkey."KeyLeak" ("keyId", "firstSeenAt", "lastSeenAt", times, "toldOn") '
        'SELECT made.id, known."firstSeenAt", known."lastSeenAt", known.times, known."toldOn"'
        + _FROM_MADE.format(table="KeyLeak")
    ),
    text(
        'INSERT INTO latchkey."KeyExposure" ("keyId", place, "endsAt", "reportedAt") '
        'SELECT made.id, known.place, known."endsAt", known."reportedAt"'
        + _FROM_MADE.format(table="KeyExposure")
    ),
)


async def make_live(
    session: AsyncSession, workspace_id: str, *, user_id: str, tier_id: str
) -> None:
    """Make the workspace's active keys live keys of this account and tier.

    They keep digest, label, age, expiry and networks, and what is known of their last use, of
    leaks and of reports; the time that is left to a reported one is a grace period from now on.
    Revoked ones stay as they are. A digest that is a live key's already (another program was
    quicker) is left to that key, which goes before the trial key at every call as it is.
    """
    active = (
        col(TrialApiKey.workspace_id) == workspace_id,
        col(TrialApiKey.status) == "active",
        col(TrialApiKey.revoked_at).is_(None),
    )
    # Locked, so that no other program revokes one just now; but no call waits for this lock. By
    # id, as reports of exposed keys lock them, so that neither waits for the other crosswise.
    statement = select(TrialApiKey.id).where(*active).order_by(col(TrialApiKey.id))
    trial_ids = (await session.exec(statement.with_for_update(key_share=True))).all()
    pairs = {"trial_ids": list(trial_ids), "ids": [new_id() for _ in trial_ids]}
    await _run(session, _MAKE_LIVE, user_id=user_id, tier_id=tier_id, **pairs)
    for copy in _COPIES:
        await _run(session, copy, **pairs)
    await session.exec(update(TrialApiKey).where(*active).values(status="converted"))


async def _run(session: AsyncSession, statement: TextClause, **params: object) -> None:
    await session.exec(statement, params=params)  # type: ignore[call-overload]  # sqlmodel types exec for its own selects only
