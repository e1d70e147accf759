"""Reading trials."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import DB_NOW
from app.models import TrialApiKey, TrialWorkspace


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial's workspace and all its keys."""

    workspace: TrialWorkspace
    keys: Sequence[TrialApiKey]


async def list_active_trials(session: AsyncSession, owner_id: str) -> Sequence[Trial]:
    """The owner's trials that are active and not over by the database's clock, oldest first.

    Each with its keys, revoked ones too, oldest first. Two statements, however many trials.
    """
    workspaces = await session.exec(
        select(TrialWorkspace)
        .where(_is_active_of(owner_id))
        .order_by(col(TrialWorkspace.created_at), col(TrialWorkspace.id))
    )
    keys = await session.exec(
        select(TrialApiKey)
        .join(TrialWorkspace, col(TrialWorkspace.id) == col(TrialApiKey.workspace_id))
        .where(_is_active_of(owner_id))
        .order_by(col(TrialApiKey.created_at), col(TrialApiKey.id))
    )
    by_workspace: dict[str, list[TrialApiKey]] = {}
    for key in keys:
        by_workspace.setdefault(key.workspace_id, []).append(key)
    return [Trial(workspace, by_workspace.get(workspace.id, [])) for workspace in workspaces]


def _is_active_of(owner_id: str) -> ColumnElement[bool]:
    return and_(
        col(TrialWorkspace.owner_id) == owner_id,
        col(TrialWorkspace.status) == "active",
        col(TrialWorkspace.expires_at) > DB_NOW,
    )
