"""Buying a plan on Stripe's own page."""

from datetime import datetime
from enum import StrEnum


class CheckoutOutcome(StrEnum):
    """What became of a checkout session, as far as the account's plan goes."""

    WAITING = "waiting"
    ACTIVE = "active"
    FAILED = "failed"
    EXPIRED = "expired"


async def start_checkout(
    user_id: str, tier_id: str, interval: str, *, trial_ends_at: datetime | None = None
) -> str:
    """The address of Stripe's page where the account can buy this plan."""
    raise NotImplementedError


async def is_checkout_settled(user_id: str, checkout_session_id: str) -> CheckoutOutcome:
    """What became of the account's checkout session. Raises NotFound for anybody else's."""
    raise NotImplementedError
