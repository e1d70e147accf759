"""Sessions: a random token in the browser's cookie, its SHA-256 in `Session.sessionToken`.

A session ends after 7 idle days or 30 days in all, by the database's clock.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func
from sqlmodel import col, delete, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from app.accounts.devices import device_name
from app.accounts.erasures import refuse_erased
from app.core.clock import DB_NOW
from app.core.crypto import new_token, sha256_hex
from app.core.ids import new_id
from app.models import Session, SessionDetail, User

IDLE = timedelta(days=7)
ABSOLUTE = timedelta(days=30)
TOUCH_EVERY = timedelta(minutes=5)
_LONGEST_USER_AGENT = 400


@dataclass(frozen=True, slots=True)
class CurrentUser:
    """The signed-in person behind a live session."""

    user_id: str
    session_id: str
    email: str
    name: str | None
    is_verified: bool


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """A live session as its owner sees it. `last_seen_at` is at most 5 minutes behind."""

    id: str
    device: str
    ip_address: str | None
    created_at: datetime
    last_seen_at: datetime
    is_current: bool


async def start_session(
    session: AsyncSession, user_id: str, *, user_agent: str | None, ip_address: str | None
) -> str:
    """A new session of the user; returns the token for its cookie, kept nowhere else.

    Raises AccountBeingErased.
    """
    token = new_token()
    row = Session(
        id=new_id(), session_token=sha256_hex(token), user_id=user_id, expires=DB_NOW + IDLE
    )
    session.add(row)
    await session.flush()
    await refuse_erased(session, user_id)
    session.add(
        SessionDetail(
            session_id=row.id,
            created_at=DB_NOW,
            last_seen_at=DB_NOW,
            user_agent=(user_agent or "")[:_LONGEST_USER_AGENT] or None,
            ip_address=ip_address,
        )
    )
    return token


async def find_session(session: AsyncSession, token_hash: str) -> CurrentUser | None:
    """The person behind a live session, by the digest of its token, or None.

    Being seen prolongs the idle time; that is written at most every 5 minutes.
    """
    stale = col(SessionDetail.last_seen_at) < DB_NOW - TOUCH_EVERY
    statement = (
        select(  # type: ignore[call-overload]  # sqlmodel types selects of up to four columns
            Session.id, User.id, User.email, User.name, User.email_verified, stale
        )
        .join(User, col(User.id) == col(Session.user_id))
        .join(SessionDetail, col(SessionDetail.session_id) == col(Session.id))
        .where(Session.session_token == token_hash, col(Session.expires) > DB_NOW)
    )
    found = (await session.exec(statement)).one_or_none()
    if found is None:
        return None
    session_id, user_id, email, name, verified_at, is_stale = found
    if is_stale:
        await _touch(session, session_id)
    return CurrentUser(user_id, session_id, email, name, verified_at is not None)


async def end_session(session: AsyncSession, token_hash: str) -> None:
    """End the session with this token digest, if there is one."""
    await session.exec(delete(Session).where(col(Session.session_token) == token_hash))


async def list_sessions(
    session: AsyncSession, user_id: str, *, current_id: str
) -> Sequence[SessionSummary]:
    """The user's live sessions, the asking one first, then the last seen; one statement."""
    is_current = col(Session.id) == current_id
    statement = (
        select(Session.id, SessionDetail, is_current)
        .join(SessionDetail, col(SessionDetail.session_id) == col(Session.id))
        .where(Session.user_id == user_id, col(Session.expires) > DB_NOW)
        .order_by(is_current.desc(), col(SessionDetail.last_seen_at).desc(), col(Session.id))
    )
    found = (await session.exec(statement)).all()
    agents = [detail.user_agent or "" for _, detail, _ in found]
    devices = await asyncio.to_thread(lambda: [device_name(agent) for agent in agents])
    return [
        SessionSummary(
            session_id,
            device,
            detail.ip_address,
            detail.created_at,
            detail.last_seen_at,
            bool(is_asking),
        )
        for (session_id, detail, is_asking), device in zip(found, devices, strict=True)
    ]


async def end_own_session(session: AsyncSession, user_id: str, session_id: str) -> None:
    """End this session if it is the user's; one that has ended already, or is not, is no error."""
    owned = (col(Session.id) == session_id, col(Session.user_id) == user_id)
    await session.exec(delete(Session).where(*owned))


async def end_other_sessions(session: AsyncSession, user_id: str, *, kept_id: str) -> int:
    """End all sessions of the user but this one; how many there were."""
    others = (col(Session.user_id) == user_id, col(Session.id) != kept_id)
    return (await session.exec(delete(Session).where(*others))).rowcount


async def end_all_sessions(session: AsyncSession, user_id: str) -> None:
    """End every session of the user."""
    await session.exec(delete(Session).where(col(Session.user_id) == user_id))


async def delete_expired(session: AsyncSession) -> None:
    """Remove sessions that ended by time."""
    await session.exec(delete(Session).where(col(Session.expires) < DB_NOW))


async def _touch(session: AsyncSession, session_id: str) -> None:
    created_at = (
        select(SessionDetail.created_at)
        .where(SessionDetail.session_id == session_id)
        .scalar_subquery()
    )
    await session.exec(
        update(Session)
        .where(col(Session.id) == session_id)
        .values(expires=func.least(DB_NOW + IDLE, created_at + ABSOLUTE))
    )
    await session.exec(
        update(SessionDetail)
        .where(col(SessionDetail.session_id) == session_id)
        .values(last_seen_at=DB_NOW)
    )
