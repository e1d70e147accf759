"""Who has had a trial: one of each tier in twelve months, for an account and for its address."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.billing.plans import Tier
from app.core.clock import day_words
from app.core.crypto import sha256_hex
from app.core.errors import LatchkeyError
from app.models import User
from app.trials.mailboxes import fold_address
from app.trials.tiers import list_trial_tiers

# Sorted, so that no two wait for each other. One that another transaction is taking is waited
# for, and is there or not once that one has ended.
_TAKE = text("""
INSERT INTO latchkey."TrialClaim" AS known (subject, tier, "takenAt")
SELECT subject, :tier, now() AT TIME ZONE 'UTC'
FROM unnest(CAST(:subjects AS text[])) AS subject ORDER BY subject
ON CONFLICT (subject, tier) DO UPDATE SET "takenAt" = excluded."takenAt"
WHERE known."takenAt" + interval '12 months' <= excluded."takenAt"
RETURNING subject
""")
_TAKEN = text("""
SELECT tier, max("takenAt" + interval '12 months') FROM latchkey."TrialClaim"
WHERE subject = ANY (CAST(:subjects AS text[]))
  AND "takenAt" + interval '12 months' > now() AT TIME ZONE 'UTC'
GROUP BY tier
""")
# By the index, and never too early: 12 months before 28 February may be before the 29th.
_DELETE_OLD = text("""
DELETE FROM latchkey."TrialClaim"
WHERE "takenAt" <= now() AT TIME ZONE 'UTC' - interval '12 months'
""")


class TrialTaken(LatchkeyError):
    """This trial runs already, or was had in the last twelve months.

    `next_at`: from when on there is another one; None as long as this one runs.
    """

    status = 409
    code = "trial_taken"
    title = "You have had this trial"
    default_detail = "You have had this trial. Choose a plan to go on."

    def __init__(self, detail: str | None = None, *, next_at: datetime | None = None):
        super().__init__(detail)
        self.next_at = next_at


async def take_claim(session: AsyncSession, owner: User, tier: Tier) -> None:
    """Note that the account and its address have this trial now.

    Raises TrialTaken, with nothing noted, when either had one in the last twelve months.
    """
    subjects = subjects_of(owner)
    async with session.begin_nested():
        rows = await session.exec(_TAKE, params={"subjects": subjects, "tier": tier.id})  # type: ignore[call-overload]  # sqlmodel types exec for its own selects only
        if len(rows.all()) < len(subjects):
            raise await _taken(session, subjects, tier)


async def delete_old_claims(session: AsyncSession) -> int:
    """Forget the claims that refuse nobody any more; how many there were."""
    result = await session.exec(_DELETE_OLD)  # type: ignore[call-overload]  # sqlmodel types exec for its own selects only
    return int(result.rowcount)


async def _taken(session: AsyncSession, subjects: Sequence[str], tier: Tier) -> TrialTaken:
    rows = await session.exec(_TAKEN, params={"subjects": subjects})  # type: ignore[call-overload]  # sqlmodel types exec for its own selects only
    next_at = {tier_id: moment.replace(tzinfo=UTC) for tier_id, moment in rows}
    others = [one.name for one in list_trial_tiers() if one.id not in next_at]
    way_on = "Choose a plan to go on"
    if others:
        way_on += f", or try {' or '.join(others)}"
    return TrialTaken(
        f"The {tier.name} trial was taken with this account or address before. There is another "
        f"one from {day_words(next_at[tier.id])} on. {way_on}.",
        next_at=next_at[tier.id],
    )


def subjects_of(owner: User) -> list[str]:
    """What the two claims are kept under.

    Plain digests: one with SECRET_KEY would forget them all when that key is replaced.
    """
    account = sha256_hex(f"account:{owner.id}")
    return sorted([account, sha256_hex(f"address:{fold_address(owner.email)}")])
