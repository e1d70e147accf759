"""Suspending an account: its calls are refused, it makes no keys or trials, and nothing is deleted.

The meter reads the same row, and learns of a change within a second.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import DB_NOW
from app.core.errors import LatchkeyError
from app.core.settings import get_settings
from app.models import User, UserDetail


class Suspended(LatchkeyError):
    """The operator has suspended the account that the caller is signed in to."""

    status = 403
    code = "account_suspended"
    title = "Account suspended"

    def __init__(self) -> None:
        super().__init__(
            "Your account is suspended, and can make no new keys or trials. "
            f"Write to {get_settings().operator_address} to have it opened."
        )


@dataclass(frozen=True, slots=True)
class Suspension:
    """Since when an account is suspended, and why and by whom, which only the operator sees.

    Neither is known where another program did it.
    """

    since: datetime
    reason: str | None
    suspended_by: str | None


async def suspend(session: AsyncSession, user_id: str, *, reason: str, suspended_by: str) -> None:
    """Suspend the account. One that is suspended already stays so since then, for this reason."""
    # who makes a key holds this row too: whichever comes second sees what the first did
    await session.get_one(User, user_id, with_for_update=True)
    statement = insert(UserDetail).values(
        user_id=user_id, suspended_at=DB_NOW, suspension_reason=reason, suspended_by=suspended_by
    )
    changes = {
        "suspendedAt": func.coalesce(UserDetail.suspended_at, DB_NOW),
        "suspensionReason": reason,
        "suspendedBy": suspended_by,
    }
    await session.exec(statement.on_conflict_do_update(index_elements=["userId"], set_=changes))


async def restore(session: AsyncSession, user_id: str) -> bool:
    """Open the account again, with all that it had; whether it was suspended."""
    statement = (
        update(UserDetail)
        .where(col(UserDetail.user_id) == user_id, col(UserDetail.suspended_at).is_not(None))
        .values(suspended_at=None, suspension_reason=None, suspended_by=None)
    )
    return (await session.exec(statement)).rowcount > 0


async def find_suspension(session: AsyncSession, user_id: str) -> Suspension | None:
    """The account's suspension, or None."""
    statement = select(
        UserDetail.suspended_at, UserDetail.suspension_reason, UserDetail.suspended_by
    ).where(UserDetail.user_id == user_id)
    since, reason, suspended_by = (await session.exec(statement)).one_or_none() or (None,) * 3
    return Suspension(since, reason, suspended_by) if since else None


async def require_open(session: AsyncSession, user_id: str) -> None:
    """Raise Suspended if it is; for what gives an account something new."""
    if await find_suspension(session, user_id) is not None:
        raise Suspended
