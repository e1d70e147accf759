"""Which plans can be tried."""

from app.billing.plans import Tier, get_plans


def list_trial_tiers() -> tuple[Tier, ...]:
    """The plans that cost something, in the order of the pricing page: those can be tried."""
    return tuple(tier for tier in get_plans().tiers if tier.monthly_usd_cents > 0)


def find_trial_tier(tier_id: str) -> Tier | None:
    """The plan with this id, if it can be tried."""
    return next((tier for tier in list_trial_tiers() if tier.id == tier_id), None)
