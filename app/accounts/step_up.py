"""Acts that want a fresh sign-in: an open browser that somebody else sits at is not enough."""

from datetime import timedelta

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import DB_NOW
from app.core.errors import LatchkeyError
from app.models import SessionDetail

STEP_UP_MINUTES = 15


class StepUpNeeded(LatchkeyError):
    """The session was begun too long ago for this act."""

    status = 403
    code = "step_up_needed"
    title = "Sign in again first"
    default_detail = (
        f"This needs a sign-in of the last {STEP_UP_MINUTES} minutes. Sign in again, "
        "then repeat it."
    )


async def require_recent(session: AsyncSession, session_id: str) -> None:
    """Raise StepUpNeeded unless this session was begun in the last 15 minutes."""
    if not await is_recent(session, session_id):
        raise StepUpNeeded


async def is_recent(session: AsyncSession, session_id: str) -> bool:
    """Whether this session was begun in the last 15 minutes, by the database's clock.

    Each sign-in begins a session of its own, so signing in again is all that it takes.
    """
    statement = select(SessionDetail.session_id).where(
        SessionDetail.session_id == session_id,
        col(SessionDetail.created_at) > DB_NOW - timedelta(minutes=STEP_UP_MINUTES),
    )
    return (await session.exec(statement)).first() is not None
