"""What an account's subscription gives it now: the one reading of `latchkey.plan_until`.

The rule itself is SQL, for the key cache and the periods ask it too. Here it gets its words.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Row, text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.billing.plans import FREE, Tier, get_plans
from app.models import User

Access = Literal["free", "plan", "grace", "blocked", "ending"]
_GIVEN = frozenset({"plan", "grace", "ending"})

_STANDING = text("""
WITH bought AS (
  SELECT bought.*, billed.tier, latchkey.plan_until(bought.status, bought."currentPeriodStart",
      bought."currentPeriodEnd", bought."updatedAt", billed."unpaidSince", billed."isOver")
    AS until,
    latchkey.is_payment_required(bought.status) AS is_owing,
    now() AT TIME ZONE 'UTC' AS now
  FROM public."Subscription" AS bought
  LEFT JOIN latchkey."BillingAccount" AS billed ON billed."userId" = bought."userId"
  WHERE bought."userId" = :user_id
)
SELECT status, coalesce(tier, 'free') AS tier, now < until AS has_plan, is_owing,
  CASE WHEN isfinite(until) THEN until AT TIME ZONE 'UTC' END AS until,
  "cancelAtPeriodEnd" AS is_ending, "stripePriceId" AS price_id,
  "currentPeriodEnd" AT TIME ZONE 'UTC' AS period_end
FROM bought
""")


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an account stands. `until`: when that changes by itself, if it does."""

    access: Access
    tier_id: str
    status: str | None
    until: datetime | None
    is_ending: bool
    price_id: str | None
    period_end: datetime | None

    @property
    def has_paid_plan(self) -> bool:
        """Whether calls get what a plan gives that costs something, be it in its days of grace."""
        return self.access in _GIVEN and self.tier_id != FREE

    @property
    def tier(self) -> Tier:
        """What the account may use; what the plans file does not have gives what is free."""
        plans = get_plans()
        try:
            return plans.get_tier(self.tier_id)
        except KeyError:
            return plans.get_tier(FREE)


_NOTHING_BOUGHT = Standing("free", FREE, None, None, False, None, None)


async def get_standing(session: AsyncSession, user_id: str) -> Standing:
    """Where the account stands now, by the database's clock. One statement."""
    rows = await session.exec(_STANDING, params={"user_id": user_id})  # type: ignore[call-overload]  # sqlmodel types exec for its own selects only
    row = rows.one_or_none()
    return _NOTHING_BOUGHT if row is None else _standing(row)


async def lock_tier(session: AsyncSession, user_id: str) -> Tier:
    """The account's plan, which nobody changes before this transaction ends.

    For what is made by the plan: a key made now and a change of the plan wait for each other.
    """
    await session.get(User, user_id, with_for_update=True)
    return (await get_standing(session, user_id)).tier


def _standing(row: Row[tuple[object, ...]]) -> Standing:
    access = _access(row)
    has_plan = access in _GIVEN
    return Standing(
        access=access,
        # calls of a blocked account are refused; what it sees is the plan that it has to pay
        tier_id=row.tier if has_plan or access == "blocked" else FREE,
        status=row.status,
        until=row.until if has_plan else None,
        is_ending=row.is_ending,
        price_id=row.price_id,
        period_end=row.period_end,
    )


def _access(row: Row[tuple[object, ...]]) -> Access:
    if not row.has_plan:
        return "blocked" if row.is_owing else "free"
    if row.is_owing:
        return "grace"
    return "ending" if row.status == "canceled" or row.is_ending else "plan"
