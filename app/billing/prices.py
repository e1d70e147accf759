"""Which price at Stripe buys which plan, for how long at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from app.billing.errors import PlanNotSold
from app.billing.plans import Tier, get_plans
from app.core.settings import get_settings

Interval = Literal["month", "year"]
INTERVALS: tuple[Interval, ...] = get_args(Interval)
CURRENCY = "usd"
"""What the plans file's cents are of."""


@dataclass(frozen=True, slots=True)
class PlanPrice:
    """A price that is sold. `is_sandboxed`: the plans file names none, so the sandbox makes it."""

    id: str
    tier: Tier
    interval: Interval
    unit_amount: int
    is_sandboxed: bool


def list_prices() -> Sequence[PlanPrice]:
    """Every price that can be bought now, in the order of the plans."""
    found = (_price(tier, interval) for tier in get_plans().tiers for interval in INTERVALS)
    return [price for price in found if price is not None]


def get_price(tier_id: str, interval: str) -> PlanPrice:
    """What buys this plan for this interval. Raises PlanNotSold; both may be anybody's claim."""
    for price in list_prices():
        if (price.tier.id, price.interval) == (tier_id, interval):
            return price
    raise PlanNotSold


def find_tier_id(stripe_price_id: str, *, named: str | None = None) -> str | None:
    """The plan that this price buys, or once bought; None when the plans file does not have it.

    `named`: the plan that the price itself names at Stripe, in its metadata.
    """
    for price in list_prices():
        if price.id == stripe_price_id:
            return price.tier.id
    for tier in get_plans().tiers:
        if stripe_price_id in tier.price_ids or tier.id == named:
            return tier.id
    return None


def find_interval(stripe_price_id: str | None) -> Interval | None:
    """How long this price is for, if it is one that is sold."""
    for price in list_prices():
        if price.id == stripe_price_id:
            return price.interval
    return None


def _price(tier: Tier, interval: Interval) -> PlanPrice | None:
    cents = tier.monthly_usd_cents if interval == "month" else tier.yearly_usd_cents
    named = tier.monthly_price_id if interval == "month" else tier.yearly_price_id
    is_sandboxed = not named and get_settings().has_sandbox
    if not cents or not (named or is_sandboxed):
        return None
    made = f"sandbox_price_{tier.id}_{interval}"
    return PlanPrice(named or made, tier, interval, cents, is_sandboxed)
