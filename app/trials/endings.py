"""Trials that are over, written down: enforcement does not wait for it, other programs read it."""

from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import DB_NOW
from app.models import TrialWorkspace
from app.trials.states import Status

_AT_ONCE = 500


async def follow_ends(session: AsyncSession) -> int:
    """Write `expired` on active trials that are over by the database's clock; says on how many.

    At most some hundreds; call it again while it returns any. One that somebody else holds
    locked is left: it is being converted, cancelled or extended, or the next round's work.
    """
    over = (
        select(TrialWorkspace.id)
        .where(TrialWorkspace.status == Status.ACTIVE, col(TrialWorkspace.expires_at) <= DB_NOW)
        .order_by(col(TrialWorkspace.expires_at))
        .limit(_AT_ONCE)
        .with_for_update(skip_locked=True)
        .cte("over")  # or a plan might take more than the limit
    )
    written = await session.exec(
        update(TrialWorkspace)
        .where(col(TrialWorkspace.id).in_(select(over.c.id)))
        .values(status=Status.EXPIRED)
        .execution_options(synchronize_session=False)
    )
    return written.rowcount
