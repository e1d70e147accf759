"""Making a trial longer: the operator's act."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import DB_NOW
from app.core.errors import InvalidRequest, NotFound
from app.models import TrialExtension, TrialWorkspace
from app.trials.service import find_running, lock_trial
from app.trials.states import Move, Status, TrialMoveRefused

MOST_DAYS = 365
LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class Extended:
    """A trial that was made longer: from which end to which. `was_over`: it had ended."""

    slug: str
    was_over: bool
    ended_at: datetime
    ends_at: datetime


async def extend_trial(session: AsyncSession, slug: str, *, days: int, reason: str) -> Extended:
    """Let a trial run so many days longer; one that is over, so many days from now.

    The reason is kept. Raises InvalidRequest on the fields `days` and `reason`, NotFound, and
    TrialMoveRefused: for one that was converted or cancelled, whose data is gone, or whose
    owner has another running one of the same tier.
    """
    reason = _parse(days, reason)
    workspace, life = await lock_trial(session, await get_owner_id(session, slug), slug)
    status = life.after(Move.EXTEND)
    other = await find_running(session, workspace.owner_id, workspace.tier, but=workspace.id)
    if other is not None:
        raise TrialMoveRefused("Its owner has another running trial of the same tier.")
    was_over, ended_at = life.status is Status.EXPIRED, workspace.expires_at
    begin = DB_NOW if was_over else ended_at
    workspace.expires_at = begin + timedelta(days=days)  # type: ignore[assignment]  # SQL, where the database's clock decides
    workspace.status = status
    await session.flush()
    await session.refresh(workspace)
    session.add(
        TrialExtension(
            workspace_id=workspace.id, days=days, reason=reason,
            ended_at=ended_at, ends_at=workspace.expires_at,
        )
    )  # fmt: skip
    return Extended(slug, was_over, ended_at, workspace.expires_at)


async def get_owner_id(session: AsyncSession, slug: str) -> str:
    """Whose trial this is, asked by the operator. Raises NotFound."""
    owner_id = (
        await session.exec(select(TrialWorkspace.owner_id).where(TrialWorkspace.slug == slug))
    ).one_or_none()
    if owner_id is None:
        raise NotFound("There is no trial with this slug. See: python -m app trials list")
    return owner_id


def _parse(days: int, reason: str) -> str:
    fields = {}
    reason = " ".join(reason.split())
    if not 1 <= days <= MOST_DAYS:
        fields["days"] = f"Give 1 to {MOST_DAYS} days."
    if not 1 <= len(reason) <= LONGEST_REASON or not reason.isprintable():
        fields["reason"] = f"Say why, in 1 to {LONGEST_REASON} characters."
    if fields:
        raise InvalidRequest(" ".join(fields.values()), fields=fields)
    return reason
