"""The call log of one account, read back newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, tuple_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import DB_NOW
from app.models import ApiCall, ApiKeyDetail, ApiKeyMetadata

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class CallSummary:
    """One recorded call, as the log shows it. `latency_ms` is whole milliseconds."""

    id: str
    created_at: datetime
    method: str
    endpoint: str
    status_code: int
    latency_ms: int
    units: int
    key_label: str | None
    key_start: str | None


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
    """The account's calls, newest first, at most `limit`; one statement."""
    statement = (
        select(  # type: ignore[call-overload]  # sqlmodel types selects of up to four columns
            ApiCall.id,
            ApiCall.created_at,
            ApiCall.method,
            ApiCall.endpoint,
            ApiCall.status_code,
            ApiCall.latency_ms,
            ApiCall.units,
            ApiKeyMetadata.label,
            ApiKeyDetail.start,
        )
        .join(ApiKeyMetadata, col(ApiKeyMetadata.id) == col(ApiCall.api_key_id))
        .join(ApiKeyDetail, col(ApiKeyDetail.key_id) == col(ApiCall.api_key_id), isouter=True)
        .where(_is_of(user_id))
        .order_by(col(ApiCall.created_at).desc(), col(ApiCall.id).desc())
        .limit(limit)
    )
    if before is not None:
        place = tuple_(col(ApiCall.created_at), col(ApiCall.id))
        # a plain pair takes the columns' types: tuple_ would follow the session's time zone
        statement = statement.where(place < (before.created_at, before.id))
    return [CallSummary(*row) for row in (await session.exec(statement)).all()]


async def summarise_day(session: AsyncSession, user_id: str) -> DaySummary:
    """The account's last 24 hours; one statement."""
    p95 = func.percentile_disc(0.95).within_group(col(ApiCall.latency_ms))
    statement = (
        select(
            func.count(),
            func.count().filter(col(ApiCall.status_code) < 400),  # noqa: PLR2004  # HTTP's errors begin there
            p95,
        )
        .join(ApiKeyMetadata, col(ApiKeyMetadata.id) == col(ApiCall.api_key_id))
        .where(_is_of(user_id), col(ApiCall.created_at) > DB_NOW - timedelta(days=1))
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


def _is_of(user_id: str) -> ColumnElement[bool]:
    return col(ApiKeyMetadata.user_id) == user_id
