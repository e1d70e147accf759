"""What Stripe could say, for tests: each takes overrides for what the test is about."""

from datetime import UTC, datetime, timedelta
from typing import Any

from app.billing.facts import Facts
from app.integrations.stripe.objects import StripeInvoice, StripeSubscription

MONTH = timedelta(days=30)
BEGUN = datetime(2026, 11, 1, tzinfo=UTC)


def subscription(**overrides: Any) -> StripeSubscription:
    """A running subscription of the plan standard, by the month."""
    values: dict[str, Any] = {
        "id": "sub_1",
        "customer_id": "cus_1",
        "status": "active",
        "item_id": "si_1",
        "price_id": "sandbox_price_standard_month",
        "price_tier": None,
        "period_start": BEGUN,
        "period_end": BEGUN + MONTH,
        "cancel_at_period_end": False,
        "ends_on_a_day": False,
        "created_at": BEGUN,
        "canceled_at": None,
        "ended_at": None,
        "trial_end": None,
        "is_payment_failure": False,
        "latest_invoice_id": "in_1",
    }
    return StripeSubscription(**{**values, **overrides})


def invoice(**overrides: Any) -> StripeInvoice:
    """An open invoice of that subscription."""
    values: dict[str, Any] = {
        "id": "in_1",
        "subscription_id": "sub_1",
        "number": "A-1",
        "status": "open",
        "created_at": BEGUN,
        "amount_cents": 4_900,
        "currency": "usd",
        "hosted_url": None,
        "pdf_url": None,
    }
    return StripeInvoice(**{**values, **overrides})


def facts(**overrides: Any) -> Facts:
    """That Stripe has just this subscription, and nothing is owed."""
    return Facts(subscription(**overrides))
