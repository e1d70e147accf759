"""What the account has bought and what that gives it, from our own database."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from app.billing.access import Access, Standing, get_standing
from app.billing.plans import Tier
from app.billing.prices import Interval, find_interval
from app.core.settings import get_settings

__all__ = ["Access", "BillingOverview", "Interval", "get_overview"]


@dataclass(frozen=True, slots=True)
class BillingOverview:
    """The account's plan now. `status` is Stripe's word; None when nothing was ever bought.

    `access`: `plan`; `ending` (the plan until `ends_at`); `grace` (unpaid, the plan until
    `grace_ends_at`); `blocked` (calls get 402 until paid); `free`.
    """

    tier: Tier
    interval: Interval | None
    status: str | None
    access: Access
    renews_at: datetime | None
    ends_at: datetime | None
    grace_ends_at: datetime | None
    cancel_at_period_end: bool
    has_customer: bool
    is_sandbox: bool


async def get_overview(session: AsyncSession, user_id: str) -> BillingOverview:
    """The account's plan now; asks nobody but the database."""
    standing = await get_standing(session, user_id)
    has_plan = standing.access != "free"
    return BillingOverview(
        tier=standing.tier,
        interval=find_interval(standing.price_id) if has_plan else None,
        status=standing.status,
        access=standing.access,
        renews_at=standing.period_end if standing.access == "plan" else None,
        ends_at=_ends_at(standing),
        grace_ends_at=standing.until if standing.access == "grace" else None,
        cancel_at_period_end=standing.is_ending,
        has_customer=standing.status is not None,
        is_sandbox=get_settings().has_sandbox,
    )


def _ends_at(standing: Standing) -> datetime | None:
    return (standing.until or standing.period_end) if standing.access == "ending" else None
