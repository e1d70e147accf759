"""Finding what belongs to an account's billing."""

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.billing.errors import NotSubscribed
from app.models import BillingAccount, Subscription, User


async def find_subscription(session: AsyncSession, user_id: str) -> Subscription | None:
    """The account's row, there since it became a customer at Stripe."""
    found = await session.exec(select(Subscription).where(Subscription.user_id == user_id))
    return found.one_or_none()


async def get_customer_id(session: AsyncSession, user_id: str) -> str:
    """The account's customer at Stripe. Raises NotSubscribed when it never was one."""
    row = await find_subscription(session, user_id)
    if row is None:
        raise NotSubscribed
    return row.stripe_customer_id


async def find_owner(session: AsyncSession, customer_id: str) -> str | None:
    """The user whose customer at Stripe this is."""
    statement = select(Subscription.user_id).where(Subscription.stripe_customer_id == customer_id)
    return (await session.exec(statement)).one_or_none()


async def find_account(session: AsyncSession, user_id: str) -> BillingAccount | None:
    """The account's side row, there since it first asked Stripe for something."""
    found = await session.exec(select(BillingAccount).where(BillingAccount.user_id == user_id))
    return found.one_or_none()


async def get_account(session: AsyncSession, user_id: str) -> BillingAccount:
    """The account's side row, which taking its lease has made."""
    return (
        await session.exec(select(BillingAccount).where(BillingAccount.user_id == user_id))
    ).one()


async def lock_user(session: AsyncSession, user_id: str) -> User:
    """The user's row, locked: keys are made under the same lock."""
    statement = select(User).where(col(User.id) == user_id).with_for_update()
    return (await session.exec(statement)).one()
