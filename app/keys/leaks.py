"""Keys that were seen in URLs, and telling their owners: one mail for each key and day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Date, cast, func
from sqlmodel import col, or_, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import outbox
from app.core.clock import DB_NOW
from app.models import (
    ApiKeyDetail,
    ApiKeyMetadata,
    KeyLeak,
    TrialApiKey,
    TrialApiKeyDetail,
    TrialWorkspace,
    User,
)

NOTICE_TASK = "accounts:send_leak_notice"
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class LeakNotice:
    """What the owner is told: which key, a live one or a trial's; how often, and when last."""

    is_trial: bool
    to: str
    label: str | None
    start: str | None
    last_seen_at: datetime
    times: int


async def queue_notices(session: AsyncSession) -> int:
    """Queue the mails that are due: of keys seen on a day that nobody was told about.

    At most a hundred; call it again while it returns any.
    """
    seen_on = cast(KeyLeak.last_seen_at, Date)
    due = (
        select(KeyLeak.key_id)
        .where(or_(col(KeyLeak.told_on).is_(None), col(KeyLeak.told_on) < seen_on))
        .limit(_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    told = (
        update(KeyLeak)
        .where(col(KeyLeak.key_id).in_(due))
        .values(told_on=seen_on)
        .returning(col(KeyLeak.key_id), col(KeyLeak.told_on))
    )
    rows: Sequence[Any] = (await session.exec(told)).all()
    for key_id, day in rows:
        await outbox.defer(session, NOTICE_TASK, key_id=key_id, day=day.isoformat())
    return len(rows)


async def find_notice(session: AsyncSession, key_id: str) -> LeakNotice | None:
    """What to tell whom of a leaked key; None when there is no need or nobody to tell.

    No need: it is revoked, over by time, or gone. Nobody: its owner's address is not verified.
    """
    for statement, is_trial in ((_of_live_key(key_id), False), (_of_trial_key(key_id), True)):
        found = (await session.exec(statement)).one_or_none()
        if found is not None:
            return LeakNotice(is_trial, *found)
    return None


def _of_live_key(key_id: str) -> Any:
    ends_at = func.least(col(ApiKeyDetail.expires_at), col(ApiKeyDetail.grace_ends_at))
    return (
        select(  # type: ignore[call-overload]  # sqlmodel types selects of up to four columns
            User.email, ApiKeyMetadata.label, ApiKeyDetail.start,
            KeyLeak.last_seen_at, KeyLeak.times,
        )
        .join(ApiKeyMetadata, col(ApiKeyMetadata.id) == col(KeyLeak.key_id))
        .join(User, col(User.id) == col(ApiKeyMetadata.user_id))
        .join(ApiKeyDetail, col(ApiKeyDetail.key_id) == col(KeyLeak.key_id), isouter=True)
        .where(
            KeyLeak.key_id == key_id,
            ApiKeyMetadata.status != "revoked",
            col(ApiKeyMetadata.revoked_at).is_(None),
            or_(ends_at.is_(None), ends_at > DB_NOW),
            col(User.email_verified).is_not(None),
        )
    )  # fmt: skip


def _of_trial_key(key_id: str) -> Any:
    ends_at = func.least(col(TrialApiKeyDetail.expires_at), col(TrialWorkspace.expires_at))
    return (
        select(  # type: ignore[call-overload]  # sqlmodel types selects of up to four columns
            User.email, TrialApiKey.label, TrialApiKeyDetail.start,
            KeyLeak.last_seen_at, KeyLeak.times,
        )
        .join(TrialApiKey, col(TrialApiKey.id) == col(KeyLeak.key_id))
        .join(TrialWorkspace, col(TrialWorkspace.id) == col(TrialApiKey.workspace_id))
        .join(User, col(User.id) == col(TrialWorkspace.owner_id))
        .join(TrialApiKeyDetail, col(TrialApiKeyDetail.key_id) == col(KeyLeak.key_id), isouter=True)
        .where(
            KeyLeak.key_id == key_id,
            TrialApiKey.status == "active",
            col(TrialApiKey.revoked_at).is_(None),
            ends_at > DB_NOW,
            col(User.email_verified).is_not(None),
        )
    )  # fmt: skip
