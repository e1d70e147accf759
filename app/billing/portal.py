"""Stripe's own pages for the card and the invoices."""

from app.billing.checkout import BILLING_PATH
from app.billing.repository import get_customer_id
from app.core.database import unit_of_work
from app.core.ids import new_id
from app.core.settings import get_settings
from app.integrations.stripe import get_gateway


async def open_customer_portal(user_id: str) -> str:
    """The address of Stripe's portal for this account. Raises NotSubscribed, StripeError.

    Each call opens a session of its own: it changes nothing, and an old address works only once.
    """
    async with unit_of_work() as session:
        customer_id = await get_customer_id(session, user_id)
    return await get_gateway().create_portal(
        customer_id=customer_id,
        return_url=get_settings().public_url + BILLING_PATH,
        idempotency_key=f"portal:{new_id()}",
    )
