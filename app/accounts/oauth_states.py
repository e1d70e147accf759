"""A sign-in by a provider comes back once, and within ten minutes, by the database's clock."""

from datetime import datetime, timedelta

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import DB_NOW
from app.core.crypto import sha256_hex
from app.core.errors import LatchkeyError
from app.models import OAuthStateUse

ATTEMPT_MINUTES = 10


class AttemptInvalid(LatchkeyError):
    """What came back was not begun in this browser, came back before, or took too long."""

    status = 400
    code = "sign_in_attempt_invalid"
    title = "This cannot be finished"
    default_detail = (
        "It was finished already, took longer than ten minutes, or began in another browser. "
        "Start again in this one."
    )


async def read_now(session: AsyncSession) -> datetime:
    """The database's clock."""
    return (await session.exec(select(DB_NOW))).one()


async def use_state(session: AsyncSession, state: str, *, began_at: datetime) -> datetime:
    """Note that it came back; the database's clock. Raises AttemptInvalid, the second time too."""
    now = await read_now(session)
    if not began_at <= now <= began_at + timedelta(minutes=ATTEMPT_MINUTES):
        raise AttemptInvalid
    statement = (
        insert(OAuthStateUse)
        .values(state_hash=sha256_hex(state), used_at=DB_NOW)
        .on_conflict_do_nothing()
        .returning(col(OAuthStateUse.state_hash))
    )
    if (await session.exec(statement)).one_or_none() is None:
        raise AttemptInvalid
    return now


async def delete_stale(session: AsyncSession) -> None:
    """Forget what is too old to come back at all."""
    is_stale = col(OAuthStateUse.used_at) < DB_NOW - timedelta(days=1)
    await session.exec(delete(OAuthStateUse).where(is_stale))
