"""The call log of one account, read back newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Lateral, func, true, tuple_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import DB_NOW
from app.models import ApiCall, ApiKeyDetail, ApiKeyMetadata, CallNote

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class CallSummary:
    """One recorded call, as the log shows it. `latency_ms` is whole milliseconds.

    `times`: how many refusals of a flood the row stands for. `is_aborted`: its streamed answer
    did not get to its end.
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
    newest = _newest_of_each_key(before, limit)
    statement = (
        select(  # type: ignore[call-overload]  # sqlmodel types selects of up to four columns
            *newest.c,
            ApiKeyMetadata.label,
            ApiKeyDetail.start,
            func.coalesce(CallNote.times, 1),
            func.coalesce(CallNote.aborted, False),
        )
        .select_from(ApiKeyMetadata)
        .join(newest, true())
        .join(ApiKeyDetail, col(ApiKeyDetail.key_id) == col(ApiKeyMetadata.id), isouter=True)
        .join(CallNote, col(CallNote.call_id) == newest.c.id, isouter=True)
        .where(col(ApiKeyMetadata.user_id) == user_id)
        .order_by(newest.c.created_at.desc(), newest.c.id.desc())
        .limit(limit)
    )
    return [CallSummary(*row) for row in (await session.exec(statement)).all()]


def _newest_of_each_key(before: Cursor | None, limit: int) -> Lateral:
    statement = (
        select(  # type: ignore[call-overload]  # sqlmodel types selects of up to four columns
            ApiCall.id,
            ApiCall.created_at,
            ApiCall.method,
            ApiCall.endpoint,
            ApiCall.status_code,
            ApiCall.latency_ms,
            ApiCall.units,
        )
        .where(ApiCall.api_key_id == ApiKeyMetadata.id)
        .order_by(col(ApiCall.created_at).desc(), col(ApiCall.id).desc())
        .limit(limit)
    )
    if before is not None:
        place = tuple_(col(ApiCall.created_at), col(ApiCall.id))
        # a plain pair takes the columns' types: tuple_ would follow the session's time zone
        statement = statement.where(place < (before.created_at, before.id))
    newest: Lateral = statement.correlate(ApiKeyMetadata).lateral("newest")
    return newest


async def summarise_day(session: AsyncSession, user_id: str) -> DaySummary:
    """The account's last 24 hours; one statement, which reads no other account's calls."""
    recent = (
        select(ApiCall.status_code, ApiCall.latency_ms)
        .where(
            ApiCall.api_key_id == ApiKeyMetadata.id,
            col(ApiCall.created_at) > DB_NOW - timedelta(days=1),
        )
        .correlate(ApiKeyMetadata)
        .lateral("recent")
    )
    statement = (
        select(
            func.count(),
            func.count().filter(recent.c.status_code < 400),  # noqa: PLR2004  # HTTP's errors begin there
            func.percentile_disc(0.95).within_group(recent.c.latency_ms),
        )
        .select_from(ApiKeyMetadata)
        .join(recent, true())
        .where(col(ApiKeyMetadata.user_id) == user_id)
    )
    return DaySummary(*(await session.exec(statement)).one())


async def count_recent_calls(session: AsyncSession, user_id: str, key_id: str) -> int:
    """How many calls the account's key made in the last 24 hours."""
    statement = (
        select(func.count())
        .select_from(ApiCall)
        .join(ApiKeyMetadata, col(ApiKeyMetadata.id) == col(ApiCall.api_key_id))
        .where(
            ApiCall.api_key_id == key_id,
            ApiKeyMetadata.user_id == user_id,
            col(ApiCall.created_at) > DB_NOW - timedelta(days=1),
        )
    )
    return (await session.exec(statement)).one()
