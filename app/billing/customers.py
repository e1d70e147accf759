"""One customer at Stripe for each account, also after a crash between its answer and our commit."""

from sqlmodel.ext.asyncio.session import AsyncSession

from app.accounts.erasures import refuse_erased
from app.billing.apply import NOTHING_BOUGHT
from app.billing.lease import Lease
from app.billing.repository import find_subscription, get_account, lock_user
from app.core.clock import DB_NOW
from app.core.database import unit_of_work
from app.integrations.stripe import get_gateway
from app.integrations.stripe.errors import IdempotencyMismatch
from app.models import Subscription


async def ensure_customer(lease: Lease) -> str:
    """The id of the account's customer at Stripe; made if there is none, or none any more."""
    async with unit_of_work() as session:
        row = await find_subscription(session, lease.user_id)
    if row is not None and not await get_gateway().is_deleted(row.stripe_customer_id):
        return row.stripe_customer_id
    before = row.stripe_customer_id if row else None
    async with unit_of_work() as session:
        email, was_asked = await _note_asking(session, lease)
    key = ":".join(filter(None, ["customer", lease.user_id, before]))
    customer_id = await _find_or_create(lease.user_id, email, key=key, was_asked=was_asked)
    async with unit_of_work() as session:
        await lease.confirm(session)
        await _keep(session, lease.user_id, customer_id)
    return customer_id


async def _keep(session: AsyncSession, user_id: str, customer_id: str) -> None:
    row = await find_subscription(session, user_id)
    if row is not None:
        row.stripe_customer_id = customer_id
        return
    session.add(
        Subscription(user_id=user_id, stripe_customer_id=customer_id, status=NOTHING_BOUGHT)
    )


async def _note_asking(session: AsyncSession, lease: Lease) -> tuple[str, bool]:
    """Write down that Stripe is about to be asked; the address, and whether it was before."""
    await lease.confirm(session)
    user = await lock_user(session, lease.user_id)
    await refuse_erased(session, lease.user_id)  # or its job, which was here, would leave it there
    account = await get_account(session, lease.user_id)
    was_asked = account.customer_asked_at is not None
    account.customer_asked_at = DB_NOW  # type: ignore[assignment]  # the database's clock fills it in
    return user.email, was_asked


async def _find_or_create(user_id: str, email: str, *, key: str, was_asked: bool) -> str:
    """The idempotency key covers a day, the look at what is there all that was before."""
    stripe = get_gateway()
    found = await stripe.find_customer(user_id) if was_asked else None
    if found is not None:
        return found
    try:
        return await stripe.create_customer(user_id=user_id, email=email, idempotency_key=key)
    except IdempotencyMismatch:
        # asked before with another address, and too lately to be found by search
        found = await stripe.find_customer(user_id)
        if found is None:
            raise
        return found
