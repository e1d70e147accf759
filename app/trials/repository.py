"""Reading trials."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, and_, case, func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.billing.plans import get_plans
from app.core.clock import DB_NOW
from app.core.errors import NotFound
from app.models import (
    ApiKeyDetail,
    KeyExposure,
    KeyLastUse,
    KeyLeak,
    TrialApiKey,
    TrialApiKeyDetail,
    TrialExtension,
    TrialWorkspace,
)
from app.trials.states import Life, Status, read_life


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial's workspace and all its keys."""

    workspace: TrialWorkspace
    keys: Sequence[TrialApiKey]


@dataclass(frozen=True, slots=True)
class TrialKeySummary:
    """What may be shown of a trial's key. `live_key_id`: of the live key that it became.

    `status` is `expired` where its own time is over, as that of a key reported as exposed may be.
    `reported_at`: when others said that it is exposed, so that it ends at `expires_at`.
    `leaked_at`: when it was last seen in a URL.
    """

    id: str
    label: str | None
    start: str | None
    status: str
    created_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None
    live_key_id: str | None
    expires_at: datetime | None
    reported_at: datetime | None
    leaked_at: datetime | None


@dataclass(frozen=True, slots=True)
class TrialSummary:
    """What may be shown of a trial. `key_count`: keys that are not revoked.

    `units_used` of `units_limit`: over its whole length. `extended_days`: all together.
    """

    id: str
    slug: str
    name: str
    tier_id: str
    life: Life
    created_at: datetime
    units_used: int
    units_limit: int
    key_count: int
    extended_days: int


@dataclass(frozen=True, slots=True)
class TrialView:
    """A trial and all its keys: newest first, revoked ones last."""

    summary: TrialSummary
    keys: Sequence[TrialKeySummary]


async def list_trials(session: AsyncSession, user_id: str) -> Sequence[TrialSummary]:
    """All trials of the account: those that run first, then newest first. One statement."""
    statement = (
        _summaries()
        .where(TrialWorkspace.owner_id == user_id)
        .order_by(
            _is_running().desc(), col(TrialWorkspace.created_at).desc(), col(TrialWorkspace.id)
        )
    )
    return [_summary(row) for row in (await session.exec(statement)).all()]


async def get_trial(session: AsyncSession, user_id: str, slug: str) -> TrialView:
    """The account's trial with its keys; two statements. Raises NotFound for anybody else's."""
    statement = _summaries().where(TrialWorkspace.slug == slug, TrialWorkspace.owner_id == user_id)
    found = (await session.exec(statement)).one_or_none()
    if found is None:
        raise NotFound("There is no such trial. Go back to your trials.")
    summary = _summary(found)
    return TrialView(summary, await _list_keys(session, summary.id))


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
        _is_running(),
    )


def _is_running() -> ColumnElement[bool]:
    return and_(
        col(TrialWorkspace.status) == Status.ACTIVE,
        col(TrialWorkspace.expires_at) > DB_NOW,
    )


def _summaries() -> Any:
    used = func.latchkey.period_used(TrialWorkspace.id, TrialWorkspace.created_at, type_=BigInteger)
    keys = (
        select(func.count())
        .where(TrialApiKey.workspace_id == TrialWorkspace.id, TrialApiKey.status != "revoked")
        .scalar_subquery()
    )
    days = (
        select(func.coalesce(func.sum(TrialExtension.days), 0))
        .where(TrialExtension.workspace_id == TrialWorkspace.id)
        .scalar_subquery()
    )
    return select(TrialWorkspace, DB_NOW, used, keys, days)  # type: ignore[call-overload]  # sqlmodel types selects of up to four columns


def _summary(row: tuple[TrialWorkspace, datetime, int, int, int]) -> TrialSummary:
    workspace, now, units_used, key_count, extended_days = row
    terms = get_plans().trials
    return TrialSummary(
        id=workspace.id,
        slug=workspace.slug,
        name=workspace.name,
        tier_id=workspace.tier,
        life=read_life(workspace, now=now, data_days=terms.data_days),
        created_at=workspace.created_at,
        units_used=units_used,
        units_limit=terms.units,
        key_count=key_count,
        extended_days=extended_days,
    )


async def _list_keys(session: AsyncSession, workspace_id: str) -> Sequence[TrialKeySummary]:
    ended: ColumnElement[bool] = col(TrialApiKeyDetail.expires_at) <= DB_NOW
    is_over = (col(TrialApiKey.status) == "active") & ended
    statement = (
        select(  # type: ignore[call-overload]  # sqlmodel types selects of up to four columns
            TrialApiKey.id,
            TrialApiKey.label,
            TrialApiKeyDetail.start,
            case((is_over, "expired"), else_=col(TrialApiKey.status)),
            TrialApiKey.created_at,
            TrialApiKey.revoked_at,
            KeyLastUse.last_used_at,
            ApiKeyDetail.key_id,
            TrialApiKeyDetail.expires_at,
            KeyExposure.reported_at,
            KeyLeak.last_seen_at,
        )
        .join(TrialApiKeyDetail, col(TrialApiKeyDetail.key_id) == TrialApiKey.id, isouter=True)
        .join(KeyLastUse, col(KeyLastUse.key_id) == TrialApiKey.id, isouter=True)
        .join(ApiKeyDetail, col(ApiKeyDetail.trial_key_id) == TrialApiKey.id, isouter=True)
        .join(KeyExposure, col(KeyExposure.key_id) == TrialApiKey.id, isouter=True)
        .join(KeyLeak, col(KeyLeak.key_id) == TrialApiKey.id, isouter=True)
        .where(TrialApiKey.workspace_id == workspace_id)
        .order_by(
            col(TrialApiKey.status) == "revoked",
            col(TrialApiKey.created_at).desc(),
            col(TrialApiKey.id),
        )
    )
    return [TrialKeySummary(*row) for row in (await session.exec(statement)).all()]
