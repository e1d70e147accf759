"""Who somebody is at a provider, connected to an account here: rows of the document's `Account`.

An identity is (provider, subject). No token of a provider is kept: nothing here uses one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, delete, func, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from app.accounts.repository import has_address
from app.core.clock import DB_NOW
from app.core.errors import LatchkeyError, NotFound
from app.core.ids import new_id
from app.integrations.oauth import Identity
from app.models import Account, User


class IdentityTaken(LatchkeyError):
    """The identity is connected to somebody else's account."""

    status = 409
    code = "identity_taken"
    title = "This is connected to another account"
    default_detail = (
        "The account that you chose at the provider signs in to another account here. Choose "
        "another one there, or sign in with it and disconnect it first."
    )


class LastWayIn(LatchkeyError):
    """Without this identity nobody could sign in to the account any more."""

    status = 409
    code = "last_way_in"
    title = "This is the only way in"
    default_detail = (
        "Your address is not verified, so this is the only way to sign in to this account. Verify "
        "your address, or connect another provider, then disconnect this one."
    )


@dataclass(frozen=True, slots=True)
class ConnectedIdentity:
    """An identity that signs in to the account. `provider` as it is stored."""

    id: str
    provider: str


async def list_identities(session: AsyncSession, user_id: str) -> Sequence[ConnectedIdentity]:
    """What is connected to the account, by provider."""
    found = await session.exec(
        select(Account.id, Account.provider)
        .where(Account.user_id == user_id)
        .order_by(col(Account.provider), col(Account.id))
    )
    return [ConnectedIdentity(*row) for row in found]


async def find_owner(session: AsyncSession, identity: Identity) -> str | None:
    """The id of the user whom this identity signs in, or None."""
    statement = select(Account.user_id).where(
        Account.provider == identity.provider, Account.provider_account_id == identity.subject
    )
    return (await session.exec(statement)).one_or_none()


async def connect(session: AsyncSession, user_id: str, identity: Identity) -> None:
    """Let the identity sign in to the account from now on; twice is no error.

    Raises IdentityTaken.
    """
    statement = (
        insert(Account)
        .values(
            id=new_id(),
            user_id=user_id,
            type=identity.kind,
            provider=identity.provider,
            provider_account_id=identity.subject,
        )
        .on_conflict_do_nothing(index_elements=["provider", "providerAccountId"])
    )
    await session.exec(statement)
    if await find_owner(session, identity) != user_id:
        raise IdentityTaken
    await note_vouched(session, user_id, identity)


async def note_vouched(session: AsyncSession, user_id: str, identity: Identity) -> None:
    """Count the account's address as verified if the provider says that it is this person's."""
    if not identity.is_verified or identity.email is None:
        return
    await session.exec(
        update(User)
        .where(col(User.id) == user_id, has_address(identity.email))
        .where(col(User.email_verified).is_(None))
        .values(email_verified=DB_NOW, updated_at=DB_NOW)
    )


async def disconnect(session: AsyncSession, user_id: str, identity_id: str) -> None:
    """Let the identity sign in no more. Raises LastWayIn, or NotFound for anybody else's."""
    # the row lock makes counting and deleting one step for two tabs at once
    user = await session.get(User, user_id, with_for_update=True)
    mine = col(Account.user_id) == user_id
    asked = mine & (col(Account.id) == identity_id)
    if user is None or (await session.exec(select(Account.id).where(asked))).first() is None:
        raise NotFound
    count = (await session.exec(select(func.count()).select_from(Account).where(mine))).one()
    if count == 1 and user.email_verified is None:
        raise LastWayIn
    await session.exec(delete(Account).where(asked))
