"""Signing in by a mailed link: the account is found, or made, when the link is used."""

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, delete, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from app.accounts.links import LinkRequest, use_link
from app.accounts.repository import has_address
from app.accounts.sessions import find_session, start_session
from app.core.clock import DB_NOW
from app.core.ids import new_id
from app.models import Account, Session, User


async def confirm_link(
    session: AsyncSession,
    token: str,
    *,
    browser: str | None,
    knowingly: bool,
    user_agent: str | None,
    ip_address: str | None,
    session_hash: str | None = None,
) -> tuple[str, str]:
    """Use the link up and sign its person in: (session token, path to go on to).

    The address counts as verified from now on. `session_hash` is the digest of the session that
    this browser has: whoever verifies the address from within the account keeps what came before
    (see `verify_address`). Raises LinkInvalid or OtherBrowser.
    """
    request = await use_link(session, token, browser=browser, knowingly=knowingly)
    user_id = await _find_or_create_user(session, request, session_hash)
    session_token = await start_session(
        session, user_id, user_agent=user_agent, ip_address=ip_address
    )
    return session_token, request.next


async def find_user_id(session: AsyncSession, email: str) -> str | None:
    """The id of the user with this address, compared without case; the exact spelling first."""
    statement = (
        select(User.id)
        .where(has_address(email))
        .order_by((col(User.email) == email).desc(), col(User.created_at))
        .limit(1)
    )
    return (await session.exec(statement)).one_or_none()


async def verify_address(session: AsyncSession, user_id: str, session_hash: str | None) -> None:
    """Count the account's address as verified; the caller has proof that it is this person's.

    Until now anybody could have made the account with that address. So the first time, its
    sessions and identities end, unless the person is signed in to it in this very browser; keys
    made before wait for approval in any case.
    """
    statement = (
        update(User)
        .where(col(User.id) == user_id, col(User.email_verified).is_(None))
        .values(email_verified=DB_NOW, updated_at=DB_NOW)
        .returning(col(User.id))
    )
    if (await session.exec(statement)).one_or_none() is None:
        return
    present = await find_session(session, session_hash or "")
    if present is None or present.user_id != user_id:
        await session.exec(delete(Account).where(col(Account.user_id) == user_id))
        await session.exec(delete(Session).where(col(Session.user_id) == user_id))


async def _find_or_create_user(
    session: AsyncSession, request: LinkRequest, session_hash: str | None
) -> str:
    user_id = await find_user_id(session, request.email)
    if user_id is None:
        return await _create_user(session, request)
    await verify_address(session, user_id, session_hash)
    return user_id


async def _create_user(session: AsyncSession, request: LinkRequest) -> str:
    """Insert the user, or take the one that another confirmation inserted meanwhile."""
    statement = (
        insert(User)
        .values(
            id=new_id(),
            email=request.email,
            name=request.name,
            company=request.company,
            email_verified=DB_NOW,
            created_at=DB_NOW,
            updated_at=DB_NOW,
        )
        .on_conflict_do_update(index_elements=["email"], set_={"updatedAt": DB_NOW})
        .returning(col(User.id))
    )
    return str((await session.exec(statement)).scalar_one())
