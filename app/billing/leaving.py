"""Leaving Stripe: an account that goes takes its customer along."""

from sqlmodel.ext.asyncio.session import AsyncSession

from app.billing.lease import JOB_PATIENCE_SECONDS, leased
from app.billing.repository import find_subscription, get_account
from app.core.database import unit_of_work
from app.integrations.stripe import get_gateway
from app.integrations.stripe.errors import StripeNotFound


async def delete_customer(user_id: str) -> None:
    """Delete the account's customer at Stripe; its subscriptions end at once, uncharged.

    May be repeated. Raises StripeError when Stripe does not do it, and BillingBusy.
    """
    async with leased(user_id, patience_seconds=JOB_PATIENCE_SECONDS):
        async with unit_of_work() as session:
            known = await find_known_customer(session, user_id)
            was_asked = (await get_account(session, user_id)).customer_asked_at is not None
        if known is not None or was_asked:
            await delete_left_customer(user_id, known)


async def delete_left_customer(user_id: str, known: str | None) -> None:
    """The same when the account is gone already: `known` is what it knew its customer by."""
    stripe = get_gateway()
    # one that was made just before a crash is known to Stripe alone
    found = await stripe.find_customer(user_id)
    for customer_id in {known, found} - {None}:
        try:
            await stripe.delete_customer(str(customer_id))
        except StripeNotFound:
            continue


async def find_known_customer(session: AsyncSession, user_id: str) -> str | None:
    """The account's customer at Stripe, as far as we know of one."""
    row = await find_subscription(session, user_id)
    return None if row is None else row.stripe_customer_id
