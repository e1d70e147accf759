"""What the owner of a key that was found elsewhere is told."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.models import (
    ApiKeyDetail,
    ApiKeyMetadata,
    KeyExposure,
    TrialApiKey,
    TrialApiKeyDetail,
    TrialWorkspace,
    User,
)


@dataclass(frozen=True, slots=True)
class ExposureNotice:
    """Whom to tell of which key, a live one or a trial's; where it was seen, and when it ends.

    `is_revoked`: it has ended already.
    """

    is_trial: bool
    to: str
    label: str | None
    start: str | None
    place: str | None
    ends_at: datetime
    is_revoked: bool


async def find_exposure_notice(session: AsyncSession, key_id: str) -> ExposureNotice | None:
    """What to tell whom of a reported key; None where it is gone, or nobody can be told.

    Nobody can where the owner's address is not verified.
    """
    for statement, is_trial in ((_of_live_key(), False), (_of_trial_key(), True)):
        told = statement.where(
            col(KeyExposure.key_id) == key_id, col(User.email_verified).is_not(None)
        )
        found: Any = (await session.exec(told)).one_or_none()
        if found is not None:
            return ExposureNotice(is_trial, *found)
    return None


def _is_revoked() -> ColumnElement[bool]:
    return col(KeyExposure.ends_at) <= col(KeyExposure.reported_at)


def _of_live_key() -> Any:
    return (
        select(  # type: ignore[call-overload]  # sqlmodel types selects of up to four columns
            User.email, ApiKeyMetadata.label, ApiKeyDetail.start,
            KeyExposure.place, KeyExposure.ends_at, _is_revoked(),
        )
        .join(ApiKeyMetadata, col(ApiKeyMetadata.id) == col(KeyExposure.key_id))
        .join(User, col(User.id) == col(ApiKeyMetadata.user_id))
        .join(ApiKeyDetail, col(ApiKeyDetail.key_id) == col(KeyExposure.key_id), isouter=True)
    )  # fmt: skip


def _of_trial_key() -> Any:
    detail = col(TrialApiKeyDetail.key_id) == col(KeyExposure.key_id)
    return (
        select(  # type: ignore[call-overload]  # sqlmodel types selects of up to four columns
            User.email, TrialApiKey.label, TrialApiKeyDetail.start,
            KeyExposure.place, KeyExposure.ends_at, _is_revoked(),
        )
        .join(TrialApiKey, col(TrialApiKey.id) == col(KeyExposure.key_id))
        .join(TrialWorkspace, col(TrialWorkspace.id) == col(TrialApiKey.workspace_id))
        .join(User, col(User.id) == col(TrialWorkspace.owner_id))
        .join(TrialApiKeyDetail, detail, isouter=True)
    )  # fmt: skip
