"""Invoices and their lines."""

from dataclasses import dataclass

from app.sandbox.document import Json, new_object_id


@dataclass(frozen=True)
class Line:
    """What one line charges (or, below 0, gives back), and for which time."""

    amount: int
    description: str
    starts: int
    ends: int
    price: Json
    quantity: int
    item_id: str
    is_proration: bool = False


def line(drawn: Line, *, subscription_id: str, invoice_id: str) -> Json:
    """A line of an invoice that a subscription made."""
    return {
        "id": new_object_id("il"),
        "object": "line_item",
        "amount": drawn.amount,
        "currency": drawn.price["currency"],
        "description": drawn.description,
        "discount_amounts": [],
        "discountable": not drawn.is_proration,
        "discounts": [],
        "invoice": invoice_id,
        "livemode": False,
        "metadata": {},
        "parent": {
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None,
                "proration": drawn.is_proration,
                "proration_details": None,
                "subscription": subscription_id,
                "subscription_item": drawn.item_id,
            },
            "type": "subscription_item_details",
        },
        "period": {"end": drawn.ends, "start": drawn.starts},
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": {"price": drawn.price["id"], "product": drawn.price["product"]},
            "type": "price_details",
            "unit_amount_decimal": str(
                drawn.amount if drawn.is_proration else drawn.price["unit_amount"]
            ),
        },
        "quantity": drawn.quantity,
        "quantity_decimal": str(drawn.quantity),
        "subscription": subscription_id,
        "subtotal": drawn.amount,
        "taxes": [],
    }


def invoice(
    customer: Json,
    subscription: Json,
    drawn: list[Line],
    *,
    now: int,
    reason: str,
    period: tuple[int, int],
    invoice_id: str | None = None,
) -> Json:
    """A draft; its totals follow from its lines and the customer's balance."""
    invoice_id = invoice_id or new_object_id("in")
    lines = [line(one, subscription_id=subscription["id"], invoice_id=invoice_id) for one in drawn]
    total = sum(one.amount for one in drawn)
    due = max(total + customer["balance"], 0)
    return {
        "id": invoice_id,
        "object": "invoice",
        **_defaults(),
        "amount_due": due,
        "amount_remaining": due,
        "billing_reason": reason,
        "created": now,
        "currency": subscription["currency"],
        "customer": customer["id"],
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "lines": {
            "object": "list",
            "data": lines,
            "has_more": False,
            "total_count": len(lines),
            "url": f"/v1/invoices/{invoice_id}/lines",
        },
        "parent": {
            "quote_details": None,
            "subscription_details": {
                "metadata": dict(subscription["metadata"]),
                "subscription": subscription["id"],
            },
            "type": "subscription_details",
        },
        "period_end": period[1],
        "period_start": period[0],
        "starting_balance": customer["balance"],
        "subtotal": total,
        "subtotal_excluding_tax": total,
        "test_clock": customer["test_clock"],
        "total": total,
        "total_excluding_tax": total,
    }


def _defaults() -> Json:
    return {
        "account_country": "US",
        "account_name": "Latchkey sandbox",
        "account_tax_ids": None,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": True,
        "automatic_tax": {
            "disabled_reason": None,
            "enabled": False,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "automatically_finalizes_at": None,
        "collection_method": "charge_automatically",
        "custom_fields": None,
        "customer_account": None,
        "customer_shipping": None,
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "due_date": None,
        "effective_at": None,
        "ending_balance": None,
        "footer": None,
        "from_invoice": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "latest_revision": None,
        "livemode": False,
        "metadata": {},
        "next_payment_attempt": None,
        "number": None,
        "on_behalf_of": None,
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "statement_descriptor": None,
        "status": "draft",
        "status_transitions": {
            "finalized_at": None,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        # Stripe has moved it into `parent`, and shows nothing here
        "subscription": None,
        "total_discount_amounts": [],
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": None,
    }
