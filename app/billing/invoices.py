"""The account's invoices, as Stripe has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


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
    """The account's invoices, newest first; none without a customer at Stripe."""
    raise NotImplementedError
