"""What Stripe says of a customer now: asked anew each time, never taken from an event."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.integrations.stripe.errors import StripeNotFound
from app.integrations.stripe.gateway import Gateway
from app.integrations.stripe.objects import StripeInvoice, StripeSubscription

LIVE = ("active", "trialing", "past_due", "unpaid")
"""Statuses of a subscription that goes on, best first."""

OWING = frozenset({"past_due", "unpaid", "canceled"})
_UNPAID = frozenset({"open", "uncollectible", "draft"})
"""Of an ended subscription: a draft that its end came before is not charged any more."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Facts:
    """A customer's subscription that counts, and since when the oldest open invoice is open."""

    bought: StripeSubscription | None
    unpaid_since: datetime | None = None
    unpaid_invoice_id: str | None = None


async def fetch(stripe: Gateway, customer_id: str) -> Facts:
    """The customer's facts as Stripe has them now. Raises StripeError."""
    try:
        found = await stripe.list_subscriptions(customer_id)
    except StripeNotFound:
        # Of a customer that was never there (the key is of another account) nothing is known.
        if not await stripe.is_deleted(customer_id):
            raise
        found = []
    bought = choose(found)
    _tell_of_second(customer_id, found)
    if bought is None or bought.status not in OWING:
        return Facts(bought)
    invoices = await stripe.list_invoices(customer_id, subscription_id=bought.id)
    return _with_unpaid(bought, invoices)


def choose(found: Sequence[StripeSubscription]) -> StripeSubscription | None:
    """The live one, else the newest; so a late event of an old one changes nothing."""
    return max(found, key=_weight, default=None)


def live_ones(found: Sequence[StripeSubscription]) -> Sequence[StripeSubscription]:
    """Those that go on."""
    return [one for one in found if one.status in LIVE]


def _weight(one: StripeSubscription) -> tuple[int, datetime, str]:
    rank = LIVE.index(one.status) if one.status in LIVE else len(LIVE)
    return -rank, one.created_at, one.id


def _tell_of_second(customer_id: str, found: Sequence[StripeSubscription]) -> None:
    live = live_ones(found)
    if len(live) > 1:
        logger.error(
            "customer %s pays for %d subscriptions (%s): end all but one at Stripe",
            customer_id,
            len(live),
            ", ".join(one.id for one in live),
        )


def _with_unpaid(bought: StripeSubscription, invoices: Sequence[StripeInvoice]) -> Facts:
    """The oldest invoice that waits for its money; of an ended one also what was given up."""
    is_over = bought.status == "canceled"
    waiting = [one for one in invoices if one.status == "open" or (
        is_over and one.status in _UNPAID and one.amount_cents > 0
        and _is_of_last_period(bought, one)
    )]  # fmt: skip
    oldest = min(waiting, key=lambda one: (one.created_at, one.id), default=None)
    if oldest is not None:
        return Facts(bought, oldest.created_at, oldest.id)
    if is_over and bought.is_payment_failure:
        return Facts(bought, bought.ended_at or bought.canceled_at, None)
    return Facts(bought)


def _is_of_last_period(bought: StripeSubscription, one: StripeInvoice) -> bool:
    return bought.period_start is None or one.created_at >= bought.period_start
