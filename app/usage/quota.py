"""What an account has used of its plan in the present month of it."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

# The month is the one that the recorder counts in, by the same functions of the database.
_PRESENT = text("""
    SELECT latchkey.period_used(:user_id, anchor + make_interval(months => n)),
        anchor + make_interval(months => n + 1)
    FROM (SELECT now() AT TIME ZONE 'UTC') AS clock (now),
        LATERAL (SELECT latchkey.period_anchor(:user_id, now)) AS period (anchor),
        LATERAL (SELECT latchkey.months_since(anchor, now)) AS months (n)
""")


@dataclass(frozen=True, slots=True)
class QuotaUse:
    """Units that the account's calls have cost since its month began, and when the next does."""

    units: int
    resets_at: datetime


async def get_quota_use(session: AsyncSession, user_id: str) -> QuotaUse:
    """The account's use in its present month; one statement."""
    result = await session.exec(_PRESENT, params={"user_id": user_id})  # type: ignore[call-overload]  # sqlmodel types exec for its own selects only
    units, resets_at = result.one()
    return QuotaUse(units, resets_at.replace(tzinfo=UTC))
