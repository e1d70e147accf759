"""How an account's plan, its payments and its use read on the pages."""

import math
from dataclasses import dataclass, replace
from datetime import datetime

from app.billing.overview import BillingOverview
from app.ui.components.kinds import Tone
from app.ui.figures import count, day, price, tier_cents
from app.usage.quota import QuotaUse

GRACE, BLOCKED, ENDING, FREE_ACCESS = "grace", "blocked", "ending", "free"
TRIALING, CANCELED = "trialing", "canceled"
TRIAL = "Trial"
"""The badge of a plan whose first payment is still to come."""


@dataclass(frozen=True)
class PlanView:
    """An account's plan as the billing page shows it. `interval` is "" on the free plan.

    `note_before`, a day and `note_after` are one sentence; `note_at` (ISO 8601) is the
    day's moment, and "" when the sentence has no day.
    """

    tier: str = ""
    interval: str = ""
    name: str = ""
    price: str = ""
    status: str = ""
    tone: Tone = "neutral"
    note_before: str = ""
    note_at: str = ""
    note_day: str = ""
    note_after: str = ""
    paid_until_day: str = ""
    is_subscribed: bool = False
    can_resume: bool = False
    has_customer: bool = False
    is_sandbox: bool = False
    used: str = ""
    used_percent: int = 0
    resets_at: str = ""
    resets_day: str = ""


def plan_view(overview: BillingOverview, use: QuotaUse) -> PlanView:
    """What the billing page says of a plan and of what was used of it."""
    tier = overview.tier
    is_subscribed = overview.access != FREE_ACCESS and overview.status != CANCELED
    view = PlanView(
        tier=tier.id,
        interval=overview.interval or "",
        name=tier.name,
        price=_price(overview),
        paid_until_day=day(overview.renews_at),
        is_subscribed=is_subscribed,
        can_resume=is_subscribed and overview.cancel_at_period_end,
        has_customer=overview.has_customer,
        is_sandbox=overview.is_sandbox,
        used=f"{count(use.units)} of {count(tier.units_per_month)} units used",
        used_percent=math.ceil(use.units * 100 / tier.units_per_month),
        resets_at=use.resets_at.isoformat(),
        resets_day=day(use.resets_at),
    )
    return _with_status(view, overview)


def payment_alert(overview: BillingOverview) -> str:
    """What every page says while an invoice waits; "" when none does."""
    if overview.access == BLOCKED:
        return "Your last payment failed, and calls with your keys are refused until it is paid."
    if overview.access != GRACE:
        return ""
    until = day(overview.grace_ends_at)
    if not until:
        return "Your last payment failed. Pay it to keep your plan."
    return f"Your last payment failed. Your plan works until {until}; then calls are refused."


def _price(overview: BillingOverview) -> str:
    if overview.interval is None and overview.tier.monthly_usd_cents:
        return "At a price that is no longer sold"
    interval = overview.interval or "month"
    return price(tier_cents(overview.tier, interval), interval)


def _with_status(view: PlanView, overview: BillingOverview) -> PlanView:
    """The view with its badge, and the sentence that says what comes next."""
    if overview.access == BLOCKED:
        view = replace(view, status="Unpaid", tone="bad")
        return replace(view, note_before="Calls are refused until the open invoice is paid.")
    if overview.access == GRACE:
        view = replace(view, status="Payment failed", tone="warn")
        return _noted(view, "Works until ", overview.grace_ends_at, "; then calls are refused.")
    if overview.access == ENDING:
        view = replace(view, status="Ends", tone="warn")
        return _noted(view, "Ends on ", overview.ends_at, ". Then the account is on Free.")
    if overview.access == FREE_ACCESS:
        return replace(view, note_before="No card needed. Choose a plan below for more units.")
    if overview.status == TRIALING:
        view = replace(view, status=TRIAL, tone="accent")
        return _noted(view, "The first payment is due on ", overview.renews_at, ".")
    view = replace(view, status="Active", tone="ok")
    return _noted(view, "Renews on ", overview.renews_at, ".")


def _noted(view: PlanView, before: str, at: datetime | None, after: str) -> PlanView:
    if at is None:
        return view
    return replace(
        view, note_before=before, note_at=at.isoformat(), note_day=day(at), note_after=after
    )
