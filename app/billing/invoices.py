"""The account's invoices, as Stripe has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.billing.repository import find_subscription
from app.core.database import unit_of_work
from app.integrations.stripe import get_gateway


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    """An invoice as the page lists it. `status` is Stripe's word: open, paid, void, …"""

    number: str | None
    created_at: datetime
    amount_cents: int
    currency: str
    status: str
    hosted_url: str | None
    pdf_url: str | None


async def list_invoices(user_id: str) -> Sequence[InvoiceRow]:
    """The account's invoices, newest first, without drafts; none without a customer at Stripe.

    Raises StripeError.
    """
    async with unit_of_work() as session:
        row = await find_subscription(session, user_id)
    if row is None:
        return []
    found = await get_gateway().list_invoices(row.stripe_customer_id)
    return [
        InvoiceRow(
            number=one.number,
            created_at=one.created_at,
            amount_cents=one.amount_cents,
            currency=one.currency,
            status=one.status,
            hosted_url=one.hosted_url,
            pdf_url=one.pdf_url,
        )
        for one in found
        if one.status != "draft"
    ]
