"""How far a new customer has come: a key, a first call, a look at the log."""

from dataclasses import dataclass

from sqlalchemy import exists
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import DB_NOW
from app.models import (
    ApiCall,
    ApiKeyMetadata,
    TrialApiCall,
    TrialApiKey,
    TrialWorkspace,
    UserDetail,
)


@dataclass(frozen=True, slots=True)
class Progress:
    """The three steps of the overview, each done or not."""

    has_key: bool
    has_call: bool
    has_seen_log: bool

    @property
    def is_complete(self) -> bool:
        """Whether the steps may make room for the figures."""
        return self.has_key and self.has_call and self.has_seen_log


async def get_progress(session: AsyncSession, user_id: str) -> Progress:
    """The account's progress; one statement. A trial's keys, and their calls, count as well."""
    owned = col(ApiKeyMetadata.user_id) == user_id
    in_trial = (col(TrialApiKey.workspace_id) == col(TrialWorkspace.id)) & (
        col(TrialWorkspace.owner_id) == user_id
    )
    called = (col(ApiCall.api_key_id) == col(ApiKeyMetadata.id)) & owned
    called_in_trial = (col(TrialApiCall.api_key_id) == col(TrialApiKey.id)) & in_trial
    seen = (col(UserDetail.user_id) == user_id) & col(UserDetail.log_seen_at).is_not(None)
    statement = select(
        exists().where(owned, col(ApiKeyMetadata.status) != "revoked")
        | exists().where(in_trial, col(TrialApiKey.status) != "revoked"),
        exists().where(called) | exists().where(called_in_trial),
        exists().where(seen),
    )
    return Progress(*(await session.exec(statement)).one())


async def note_log_seen(session: AsyncSession, user_id: str) -> None:
    """Remember that the person has seen a call of theirs in the log; the first time counts."""
    seen_at = col(UserDetail.log_seen_at)
    statement = insert(UserDetail).values(user_id=user_id, log_seen_at=DB_NOW)
    await session.exec(
        statement.on_conflict_do_update(
            index_elements=["userId"], set_={"logSeenAt": DB_NOW}, where=seen_at.is_(None)
        )
    )
