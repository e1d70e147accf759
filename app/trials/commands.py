"""What `python -m app trials …` does: lines to print, and the exit code."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.billing.plans import get_plans
from app.core.clock import DB_NOW
from app.core.database import dispose, unit_of_work
from app.models import TrialExtension, TrialWorkspace, User
from app.trials.extend import extend_trial, get_owner_id
from app.trials.repository import TrialView, get_trial
from app.trials.states import read_life

Outcome = tuple[Sequence[str], int]
MOST_LISTED = 200


async def list_trials() -> Outcome:
    """The newest trials, one line each."""
    try:
        async with unit_of_work() as session:
            lines = await _list(session)
    finally:
        await dispose()
    return lines or ["There are no trials."], 0


async def show(slug: str) -> Outcome:
    """One trial, its keys and extensions."""
    try:
        async with unit_of_work() as session:
            owner_id = await get_owner_id(session, slug)
            owner = await session.get_one(User, owner_id)
            trial = await get_trial(session, owner_id, slug)
            extensions = await _extensions(session, trial.summary.id)
    finally:
        await dispose()
    return [*_facts(trial, owner.email), *_keys(trial), *map(_extension, extensions)], 0


async def extend(slug: str, *, days: int, reason: str) -> Outcome:
    """Make a trial longer, and say from when to when."""
    try:
        async with unit_of_work() as session:
            done = await extend_trial(session, slug, days=days, reason=reason)
    finally:
        await dispose()
    before = (
        f"was over since {_time(done.ended_at)}"
        if done.was_over
        else (f"was to end {_time(done.ended_at)}")
    )
    return [f"{done.slug}: {before}, runs until {_time(done.ends_at)} now"], 0


async def _list(session: AsyncSession) -> Sequence[str]:
    statement = (
        select(TrialWorkspace, User.email, DB_NOW)
        .join(User, col(User.id) == col(TrialWorkspace.owner_id))
        .order_by(col(TrialWorkspace.created_at).desc(), col(TrialWorkspace.id))
        .limit(MOST_LISTED)
    )
    found = (await session.exec(statement)).all()
    return [_line(workspace, email, now) for workspace, email, now in found]


async def _extensions(session: AsyncSession, workspace_id: str) -> Sequence[TrialExtension]:
    statement = select(TrialExtension).where(TrialExtension.workspace_id == workspace_id)
    return (await session.exec(statement.order_by(col(TrialExtension.created_at)))).all()


def _line(workspace: TrialWorkspace, email: str, now: datetime) -> str:
    life = read_life(workspace, now=now, data_days=get_plans().trials.data_days)
    parts = [_time(workspace.expires_at), workspace.slug, f"{life.status:<9}", workspace.tier]
    return "  ".join([*parts, email, workspace.name])


def _facts(trial: TrialView, email: str) -> Sequence[str]:
    summary, life = trial.summary, trial.summary.life
    lines = [
        f"{summary.slug}  {summary.name}",
        f"Owner    {email}",
        f"Tier     {summary.tier_id}",
        f"Status   {life.status}",
        f"Started  {_time(summary.created_at)}",
        f"Ends     {_time(life.expires_at)}",
        f"Units    {summary.units_used} of {summary.units_limit}",
    ]
    if life.data_goes_at is not None:
        lines.append(f"Deleted  {_time(life.data_goes_at)}, its keys and calls")
    return lines


def _keys(trial: TrialView) -> Sequence[str]:
    return [f"Key      {key.start or '-'}…  {key.status}  {key.label or ''}" for key in trial.keys]


def _extension(extension: TrialExtension) -> str:
    made = f"{_time(extension.created_at)}, {extension.days} days, until {_time(extension.ends_at)}"
    return f"Longer   {made}: {extension.reason}"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
