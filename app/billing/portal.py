"""Stripe's own pages for the card and the invoices."""


async def open_customer_portal(user_id: str) -> str:
    """The address of Stripe's portal for this account."""
    raise NotImplementedError
