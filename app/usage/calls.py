"""The call log of one account, its trials' calls among them, read back newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, Text, func, literal, true, tuple_, union_all
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import DB_NOW
from app.models import (
    ApiCall,
    ApiKeyDetail,
    ApiKeyMetadata,
    CallNote,
    TrialApiCall,
    TrialApiKey,
    TrialApiKeyDetail,
    TrialWorkspace,
)

PAGE_SIZE = 50

Log = type[ApiCall] | type[TrialApiCall]


@dataclass(frozen=True, slots=True)
class CallSummary:
    """One recorded call, as the log shows it. `latency_ms` is whole milliseconds.

    `times`: how many refusals of a flood the row stands for. `is_aborted`: its streamed answer
    did not get to its end. `trial_slug`: the trial that its key was of.
    """

    id: str
    created_at: datetime
    method: str
    endpoint: str
    status_code: int
    latency_ms: int
    units: int
    key_label: str | None
    key_start: str | None
    trial_slug: str | None
    times: int
    is_aborted: bool


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last call of a page; the next page begins after it."""

    created_at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class DaySummary:
    """The last 24 hours of an account: calls, those answered 2xx or 3xx, and p95 in ms."""

    calls: int
    succeeded: int
    p95_ms: int | None


async def list_calls(
    session: AsyncSession, user_id: str, *, before: Cursor | None = None, limit: int = PAGE_SIZE
) -> Sequence[CallSummary]:
    """The account's calls, newest first, at most `limit`; one statement.

    Each key gives its newest calls from its own part of the index, so a page costs the
    number of keys, however many calls there are.
    """
    newest = (_newest_of_each(keys, log, before, limit) for keys, log in _logs(user_id))
    call = union_all(*newest).subquery("call")
    statement = (
        select(  # type: ignore[call-overload]  # sqlmodel types selects of up to four columns
            *call.c,
            func.coalesce(CallNote.times, 1),
            func.coalesce(CallNote.aborted, False),
        )
        .select_from(call)
        .join(CallNote, col(CallNote.call_id) == call.c.id, isouter=True)
        .order_by(call.c.created_at.desc(), call.c.id.desc())
        .limit(limit)
    )
    return [CallSummary(*row) for row in (await session.exec(statement)).all()]


def _newest_of_each(keys: Subquery, log: Log, before: Cursor | None, limit: int) -> Select[Any]:
    call = (
        select(  # type: ignore[call-overload]  # sqlmodel types selects of up to four columns
            log.id,
            log.created_at,
            log.method,
            log.endpoint,
            log.status_code,
            log.latency_ms,
            log.units,
        )
        .where(log.api_key_id == keys.c.id)
        .order_by(col(log.created_at).desc(), col(log.id).desc())
        .limit(limit)
    )
    if before is not None:
        place = tuple_(col(log.created_at), col(log.id))
        # a plain pair takes the columns' types: tuple_ would follow the session's time zone
        call = call.where(place < (before.created_at, before.id))
    newest = call.correlate(keys).lateral("newest")
    statement: Select[Any] = (
        select(*newest.c, keys.c.label, keys.c.start, keys.c.trial_slug)  # type: ignore[call-overload]  # as above
        .select_from(keys)
        .join(newest, true())
    )
    return statement


async def summarise_day(session: AsyncSession, user_id: str) -> DaySummary:
    """The account's last 24 hours; one statement, which reads no other account's calls."""
    days = (_day_of_each(keys, log) for keys, log in _logs(user_id))
    call = union_all(*days).subquery("call")
    statement = select(
        func.count(),
        func.count().filter(call.c.status_code < 400),  # noqa: PLR2004  # HTTP's errors begin there
        func.percentile_disc(0.95).within_group(call.c.latency_ms),
    ).select_from(call)
    return DaySummary(*(await session.exec(statement)).one())


def _day_of_each(keys: Subquery, log: Log) -> Select[Any]:
    recent = (
        select(log.status_code, log.latency_ms)
        .where(log.api_key_id == keys.c.id, _is_of_last_day(log))
        .correlate(keys)
        .lateral("recent")
    )
    statement: Select[Any] = select(*recent.c).select_from(keys).join(recent, true())
    return statement


async def count_recent_calls(session: AsyncSession, user_id: str, key_id: str) -> int:
    """How many calls the account's key, a live or a trial's, made in the last 24 hours."""
    ids = (
        select(log.id)
        .join(keys, keys.c.id == col(log.api_key_id))
        .where(log.api_key_id == key_id, _is_of_last_day(log))
        for keys, log in _logs(user_id)
    )
    statement = select(func.count()).select_from(union_all(*ids).subquery("call"))
    return (await session.exec(statement)).one()


def _is_of_last_day(log: Log) -> ColumnElement[bool]:
    return col(log.created_at) > DB_NOW - timedelta(days=1)


def _logs(user_id: str) -> tuple[tuple[Subquery, Log], ...]:
    """Both logs, each with the account's keys whose calls it holds.

    A key that was a trial's is in both, each time with the calls of that time.
    """
    live = (
        select(
            ApiKeyMetadata.id,
            ApiKeyMetadata.label,
            ApiKeyDetail.start,
            literal(None, Text).label("trial_slug"),
        )
        .join(ApiKeyDetail, col(ApiKeyDetail.key_id) == col(ApiKeyMetadata.id), isouter=True)
        .where(ApiKeyMetadata.user_id == user_id)
    )
    trial: Any = (
        select(
            TrialApiKey.id,
            TrialApiKey.label,
            TrialApiKeyDetail.start,
            col(TrialWorkspace.slug).label("trial_slug"),
        )
        .join(TrialWorkspace, col(TrialWorkspace.id) == col(TrialApiKey.workspace_id))
        .join(TrialApiKeyDetail, col(TrialApiKeyDetail.key_id) == col(TrialApiKey.id), isouter=True)
        .where(TrialWorkspace.owner_id == user_id)
    )
    return (live.subquery("key"), ApiCall), (trial.subquery("key"), TrialApiCall)
