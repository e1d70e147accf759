"""Deleting trials that ended and were not converted, once the day has come that was announced.

Their calls go in batches, so that no transaction is long. The counters of a trial whose calls
are partly gone follow in the same transaction, so they never differ from the log.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Text, any_, bindparam, case, delete, func, literal, text, true
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.billing.plans import get_plans
from app.core.clock import DB_NOW, UtcTimestamp
from app.core.database import unit_of_work
from app.models import DeletedKey, TrialApiCall, TrialApiKey, TrialWorkspace
from app.trials.states import Status, read_life

BATCH = 2000
"""Calls that are deleted in one transaction, at most."""

MARGIN = timedelta(minutes=1)
"""For a conversion that began before the day came, and still waits for the trial's row."""

_AT_ONCE = 100
_FOLLOW_HOURS = text("""
    SELECT count(*) FROM latchkey.repair_hours(
        date_trunc('hour', CAST(:first AS timestamp)),
        date_trunc('hour', CAST(:last AS timestamp)) + interval '1 hour', :key_id)
""").bindparams(bindparam("first", type_=UtcTimestamp()), bindparam("last", type_=UtcTimestamp()))


@dataclass
class Report:
    """How many were deleted. `reached`: where to go on, when the time was up before the end."""

    trials: int = 0
    calls: int = 0
    reached: str | None = None


@dataclass(frozen=True, slots=True)
class _Call:
    id: str
    key_id: str
    created_at: datetime


async def delete_ended(
    *,
    after: str = "",
    batch: int = BATCH,
    budget_seconds: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Report:
    """Delete the trials whose data day has come, with their keys and calls, by id from `after` on.

    What somebody else holds locked, or has just saved, is left to the next time.
    """
    late_at = math.inf if budget_seconds is None else clock() + budget_seconds
    report = Report()
    while due := await _list_due(after):
        for trial_id in due:
            is_more = True
            while is_more:
                is_more = await _delete_some(trial_id, batch, report)
                if clock() >= late_at:
                    report.reached = after
                    return report
            after = trial_id
    return report


async def _list_due(after: str) -> Sequence[str]:
    """Trials whose data day has come, as `read_life` says it; at most a hundred."""
    status, expires_at = col(TrialWorkspace.status), col(TrialWorkspace.expires_at)
    ended_at = case(
        (status.in_([Status.ACTIVE, Status.EXPIRED]), expires_at),
        else_=func.coalesce(TrialWorkspace.cancelled_at, expires_at),
    )
    last = DB_NOW - (timedelta(days=get_plans().trials.data_days) + MARGIN)
    statement = (
        select(TrialWorkspace.id)
        .where(status != Status.CONVERTED, ended_at <= last, col(TrialWorkspace.id) > after)
        .order_by(col(TrialWorkspace.id))
        .limit(_AT_ONCE)
    )
    async with unit_of_work() as session:
        return (await session.exec(statement)).all()


async def _delete_some(trial_id: str, batch: int, report: Report) -> bool:
    """One transaction: some calls of the trial, and with the last ones itself; is there more?"""
    async with unit_of_work() as session:
        if not await _lock_due(session, trial_id):
            return False
        calls = await _list_calls(session, trial_id, batch)
        await session.exec(_delete_calls([call.id for call in calls]))
        is_more = len(calls) == batch
        if is_more:
            await _follow(session, trial_id, calls)
        else:
            await session.exec(
                delete(TrialWorkspace)
                .where(col(TrialWorkspace.id) == trial_id)
                .execution_options(synchronize_session=False)
            )
    report.calls += len(calls)
    report.trials += not is_more
    return is_more


async def _lock_due(session: AsyncSession, trial_id: str) -> bool:
    """Whether the trial is still to be deleted, and nobody else is at it; its row is locked."""
    statement = (
        select(TrialWorkspace, DB_NOW)
        .where(TrialWorkspace.id == trial_id)
        .with_for_update(of=TrialWorkspace, skip_locked=True)
    )
    found = (await session.exec(statement)).one_or_none()
    if found is None:
        return False
    trial, now = found
    days = get_plans().trials.data_days
    return read_life(trial, now=now - MARGIN, data_days=days).is_data_due


async def _list_calls(session: AsyncSession, trial_id: str, most: int) -> Sequence[_Call]:
    """Calls of the trial's keys, each key's newest first, from its own part of the index."""
    newest = (
        select(TrialApiCall.id, TrialApiCall.api_key_id, TrialApiCall.created_at)
        .where(TrialApiCall.api_key_id == TrialApiKey.id)
        .order_by(col(TrialApiCall.created_at).desc(), col(TrialApiCall.id).desc())
        .limit(most)
        .correlate(TrialApiKey)
        .lateral("newest")
    )
    statement = (
        select(*newest.c)
        .select_from(TrialApiKey)
        .join(newest, true())
        .where(TrialApiKey.workspace_id == trial_id)
        .limit(most)
    )
    return [_Call(*row) for row in (await session.exec(statement)).all()]


def _delete_calls(ids: Sequence[str]) -> Any:
    # By an array of ids, each is found in its own month's index.
    wanted = any_(literal(list(ids), ARRAY(Text)))
    statement = delete(TrialApiCall).where(col(TrialApiCall.id) == wanted)
    return statement.execution_options(synchronize_session=False)


async def _follow(session: AsyncSession, trial_id: str, calls: Sequence[_Call]) -> None:
    """Let the counters of keys that stay for now follow: hours go, what was used stays used."""
    keys = select(TrialApiKey.id, TrialApiKey.workspace_id, DB_NOW).where(
        TrialApiKey.workspace_id == trial_id
    )
    await session.exec(
        insert(DeletedKey)
        .from_select(["keyId", "scopeId", "deletedAt"], keys)
        .on_conflict_do_nothing()
    )
    for key_id in {call.key_id for call in calls}:
        moments = [call.created_at for call in calls if call.key_id == key_id]
        params = {"first": min(moments), "last": max(moments), "key_id": key_id}
        await session.exec(_FOLLOW_HOURS, params=params)  # type: ignore[call-overload]  # sqlmodel types exec for its own selects only
