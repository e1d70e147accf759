"""Subscriptions and their items, which carry the periods."""

from dataclasses import dataclass, field

from app.sandbox.document import Json, new_object_id
from app.sandbox.shapes.catalog import plan_of


@dataclass(frozen=True)
class Wish:
    """What a new subscription is to be like."""

    price: Json
    quantity: int = 1
    trial_end: int | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    default_payment_method: str | None = None
    description: str | None = None
    missing_payment_method: str = "create_invoice"


def subscription(
    wish: Wish, customer: Json, *, now: int, status: str, anchor: int, period_ends: int
) -> Json:
    """A new subscription with one item, whose first period begins now."""
    subscription_id = new_object_id("sub")
    item = _item(wish, subscription_id, now=now, period_ends=period_ends)
    return {
        "id": subscription_id,
        "object": "subscription",
        **_defaults(),
        "billing_cycle_anchor": anchor,
        "created": now,
        "currency": wish.price["currency"],
        "customer": customer["id"],
        "default_payment_method": wish.default_payment_method,
        "description": wish.description,
        "items": {
            "object": "list",
            "data": [item],
            "has_more": False,
            "total_count": 1,
            "url": f"/v1/subscription_items?subscription={subscription_id}",
        },
        "latest_invoice": None,
        "metadata": dict(wish.metadata),
        "start_date": now,
        "status": status,
        "test_clock": customer["test_clock"],
        "trial_end": wish.trial_end,
        "trial_settings": {"end_behavior": {"missing_payment_method": wish.missing_payment_method}},
        "trial_start": now if wish.trial_end else None,
    }


def _item(wish: Wish, subscription_id: str, *, now: int, period_ends: int) -> Json:
    return {
        "id": new_object_id("si"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": now,
        "current_period_end": period_ends,
        "current_period_start": now,
        "discounts": [],
        "metadata": {},
        "plan": plan_of(wish.price),
        "price": wish.price,
        "quantity": wish.quantity,
        "subscription": subscription_id,
        "tax_rates": [],
    }


def _defaults() -> Json:
    return {
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor_config": None,
        "billing_mode": {"type": "classic", "flexible": None},
        "billing_schedules": [],
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically",
        "customer_account": None,
        "days_until_due": None,
        "default_source": None,
        "default_tax_rates": [],
        "discounts": [],
        "ended_at": None,
        "invoice_settings": {
            "account_tax_ids": None,
            "custom_fields": None,
            "description": None,
            "footer": None,
            "issuer": {"type": "self"},
        },
        "livemode": False,
        "managed_payments": {"enabled": False},
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "transfer_data": None,
    }
