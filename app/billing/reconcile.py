"""Every local subscription against Stripe: what differs is repaired, and said."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.billing.apply import sync
from app.billing.errors import words_of
from app.billing.lease import JOB_PATIENCE_SECONDS, leased
from app.core.database import unit_of_work
from app.core.errors import LatchkeyError
from app.models import Subscription

_AT_ONCE = 100

_END_PLANS = text("""
UPDATE public."ApiKeyMetadata" AS key SET tier = 'free'
FROM public."Subscription" AS bought
LEFT JOIN latchkey."BillingAccount" AS billed ON billed."userId" = bought."userId"
WHERE bought.status = 'canceled' AND bought."userId" = key."userId"
  AND key.tier <> 'free' AND key.status <> 'revoked'
  AND latchkey.plan_until(bought.status, bought."currentPeriodStart", bought."currentPeriodEnd",
    bought."updatedAt", billed."unpaidSince", billed."isOver") <= now() AT TIME ZONE 'UTC'
RETURNING key.id
""")

logger = logging.getLogger(__name__)


@dataclass
class Reconciled:
    """How many accounts were looked at, what differed, what could not be asked.

    `reached`: the account after which to go on, when the time was up; None at the end.
    """

    accounts: int = 0
    repaired: dict[str, Sequence[str]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    reached: str | None = None


async def reconcile(*, after: str = "", budget_seconds: float | None = None) -> Reconciled:
    """Compare all accounts that are customers, in the order of their ids, and repair them."""
    report = Reconciled()
    deadline = None if budget_seconds is None else time.monotonic() + budget_seconds
    reached = after
    while users := await _next_users(reached):
        for user_id in users:
            if deadline is not None and time.monotonic() > deadline:
                report.reached = reached
                return report
            await _reconcile_one(user_id, report)
            reached = user_id
    return report


async def reconcile_user(user_id: str) -> Sequence[str] | None:
    """Compare one account and repair it: what differed. None when it is no customer.

    Raises StripeError and BillingBusy.
    """
    async with leased(user_id, patience_seconds=JOB_PATIENCE_SECONDS) as lease:
        applied = await sync(lease)
    if applied is None:
        return None
    if applied.differences:
        logger.warning(
            "account %s differed from Stripe, and was repaired: %s",
            user_id,
            ", ".join(applied.differences),
        )
    return applied.differences


async def end_plans(session: AsyncSession) -> int:
    """Let the keys of plans whose time is over say so: how many. Calls know it already."""
    rows = await session.exec(_END_PLANS)  # type: ignore[call-overload]  # sqlmodel types exec for its own selects only
    return len(rows.all())


async def _reconcile_one(user_id: str, report: Reconciled) -> None:
    report.accounts += 1
    try:
        differences = await reconcile_user(user_id)
    except (LatchkeyError, LookupError, SQLAlchemyError) as error:
        report.failed[user_id] = words_of(error)
        logger.warning("account %s could not be compared with Stripe: %r", user_id, error)
        return
    if differences:
        report.repaired[user_id] = differences


async def _next_users(after: str) -> Sequence[str]:
    statement = (
        select(Subscription.user_id)
        .where(col(Subscription.user_id) > after)
        .order_by(col(Subscription.user_id))
        .limit(_AT_ONCE)
    )
    async with unit_of_work() as session:
        return (await session.exec(statement)).all()
