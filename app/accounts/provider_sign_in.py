"""Signing in by a provider: by the identity, and by an address only where both sides vouch."""

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.accounts.addresses import parse_address
from app.accounts.identities import connect, find_owner, note_vouched
from app.accounts.service import find_user_id
from app.accounts.sessions import start_session
from app.core.clock import DB_NOW
from app.core.errors import InvalidRequest, LatchkeyError
from app.core.ids import new_id
from app.integrations.oauth import Identity
from app.integrations.oauth.errors import AddressNotShared
from app.models import User


class ConnectFirst(LatchkeyError):
    """There is an account with this address, and nothing proves that it is this person's."""

    status = 409
    code = "connect_first"
    title = "Sign in first, then connect"
    default_detail = (
        "The provider's word alone does not open an account with this address. Sign in by a link "
        "that we mail you, then connect the provider under Settings."
    )


async def sign_in_by_identity(
    session: AsyncSession, identity: Identity, *, user_agent: str | None, ip_address: str | None
) -> str:
    """Sign the identity's person in; the token of the new session.

    Who is new gets an account, whose address counts as verified only if the provider says so.
    Raises ConnectFirst, or AddressNotShared.
    """
    user_id = await find_owner(session, identity)
    if user_id is None:
        user_id = await _admit(session, identity)
    await note_vouched(session, user_id, identity)
    return await start_session(session, user_id, user_agent=user_agent, ip_address=ip_address)


async def _admit(session: AsyncSession, identity: Identity) -> str:
    """The account that an identity not seen before signs in to, now and from now on."""
    email = _address(identity)
    user_id = await find_user_id(session, email)
    if user_id is None:
        user_id = await _create_user(session, identity, email)
    elif not (identity.is_verified and await _is_verified(session, user_id)):
        raise ConnectFirst
    await connect(session, user_id, identity)
    return user_id


def _address(identity: Identity) -> str:
    try:
        return parse_address(identity.email or "")
    except InvalidRequest as error:
        raise AddressNotShared from error


async def _is_verified(session: AsyncSession, user_id: str) -> bool:
    statement = select(User.email_verified).where(User.id == user_id)
    return (await session.exec(statement)).one() is not None


async def _create_user(session: AsyncSession, identity: Identity, email: str) -> str:
    """Insert the user. Raises ConnectFirst if another sign-in did so meanwhile."""
    statement = (
        insert(User)
        .values(
            id=new_id(),
            email=email,
            name=identity.name,
            email_verified=DB_NOW if identity.is_verified else None,
            created_at=DB_NOW,
            updated_at=DB_NOW,
        )
        .on_conflict_do_nothing(index_elements=["email"])
        .returning(col(User.id))
    )
    made = (await session.exec(statement)).scalar_one_or_none()
    if made is None:
        raise ConnectFirst
    return str(made)
