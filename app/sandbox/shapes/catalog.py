"""Products and prices."""

from dataclasses import dataclass

from app.sandbox.document import Json
from app.sandbox.months import Interval


@dataclass(frozen=True)
class SandboxPrice:
    """A price that the sandbox sells: `unit_amount` in the currency's smallest unit."""

    id: str
    product_name: str
    unit_amount: int
    currency: str
    interval: Interval


def product(product_id: str, name: str, now: int) -> Json:
    """A product on sale."""
    return {
        "id": product_id,
        "object": "product",
        "active": True,
        "created": now,
        "default_price": None,
        "description": None,
        "images": [],
        "livemode": False,
        "marketing_features": [],
        "metadata": {},
        "name": name,
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": None,
        "type": "service",
        "unit_label": None,
        "updated": now,
        "url": None,
    }


def price(sold: SandboxPrice, product_id: str, now: int) -> Json:
    """A recurring price per unit."""
    return {
        "id": sold.id,
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "created": now,
        "currency": sold.currency,
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": {},
        "nickname": None,
        "product": product_id,
        "recurring": {
            "interval": sold.interval,
            "interval_count": 1,
            "meter": None,
            "trial_period_days": None,
            "usage_type": "licensed",
        },
        "tax_behavior": "unspecified",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring",
        "unit_amount": sold.unit_amount,
        "unit_amount_decimal": str(sold.unit_amount),
    }


def plan_of(made: Json) -> Json:
    """The plan that Stripe still shows beside a price."""
    return {
        "id": made["id"],
        "object": "plan",
        "active": made["active"],
        "amount": made["unit_amount"],
        "amount_decimal": made["unit_amount_decimal"],
        "billing_scheme": made["billing_scheme"],
        "created": made["created"],
        "currency": made["currency"],
        "interval": made["recurring"]["interval"],
        "interval_count": made["recurring"]["interval_count"],
        "livemode": False,
        "metadata": {},
        "meter": None,
        "nickname": None,
        "product": made["product"],
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }
