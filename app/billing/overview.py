"""What the account has bought and what that gives it, from our own database."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlmodel.ext.asyncio.session import AsyncSession

from app.billing.plans import Tier

Access = Literal["free", "plan", "grace", "blocked", "ending"]
Interval = Literal["month", "year"]


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
    raise NotImplementedError
