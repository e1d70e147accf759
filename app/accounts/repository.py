"""Reading customers."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.models import ApiKeyMetadata, Subscription, User


@dataclass(frozen=True, slots=True)
class Customer:
    """A user with what they may use: the subscription, if there is one, and all live keys."""

    user: User
    subscription: Subscription | None
    keys: Sequence[ApiKeyMetadata]


async def find_customer(session: AsyncSession, email: str) -> Customer | None:
    """The user with this address, with subscription and keys (oldest first). Two statements.

    Addresses compare without case. Where another program made two users whose addresses
    differ in case only, the one spelt exactly so is found, else the older.
    """
    found = await session.exec(
        select(User, Subscription)
        .join(Subscription, col(Subscription.user_id) == col(User.id), isouter=True)
        .where(has_address(email))
        .order_by((col(User.email) == email).desc(), col(User.created_at))
        .limit(1)
    )
    row = found.one_or_none()
    keys = await session.exec(
        select(ApiKeyMetadata)
        .where(ApiKeyMetadata.user_id == (row[0].id if row else None))
        .order_by(col(ApiKeyMetadata.created_at), col(ApiKeyMetadata.id))
    )
    return Customer(row[0], row[1], keys.all()) if row else None


def has_address(email: str) -> ColumnElement[bool]:
    """The condition that a `User` has this address, in whatever case. An index serves it."""
    # The database folds both sides: Python's idea of lower case is not always the database's.
    return func.lower(col(User.email)) == func.lower(email)
