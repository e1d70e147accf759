"""Trials of accounts with and without a plan, and what has become of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import col, select

from app.core.clock import utc_now
from app.core.database import unit_of_work
from app.flows.trial_conversion import Converted, convert_trial
from app.models import (
    ApiKeyDetail,
    ApiKeyMetadata,
    BillingAccount,
    TrialApiKey,
    TrialWorkspace,
    User,
)
from tests.factories import make_subscription, make_trial_key, make_user, make_workspace

DAY = timedelta(days=1)


@dataclass
class Trial:
    """A trial with its keys, each an id and a secret."""

    user_id: str
    id: str
    slug: str
    name: str
    expires_at: datetime
    keys: list[tuple[str, str]] = field(default_factory=list)

    async def convert(self, user_id: str | None = None) -> Converted:
        async with unit_of_work() as session:
            return await convert_trial(session, user_id or self.user_id, self.slug)

    async def owner(self, session: Any) -> User:
        owner: User = await session.get_one(User, self.user_id)
        return owner

    async def status(self) -> str:
        async with unit_of_work() as session:
            return (await session.get_one(TrialWorkspace, self.id)).status

    async def key_statuses(self) -> Sequence[str]:
        """Of the trial's own keys, in the order of their making."""
        statement = (
            select(TrialApiKey.status)
            .where(TrialApiKey.workspace_id == self.id)
            .order_by(col(TrialApiKey.created_at), col(TrialApiKey.id))
        )
        async with unit_of_work() as session:
            return (await session.exec(statement)).all()


async def make_trial(*, plan: str | None = "standard", keys: int = 2, **overrides: Any) -> Trial:
    """A new customer's trial, and a plan that is paid for, if so."""
    async with unit_of_work() as session:
        user = await make_user(session)
        if plan is not None:
            await give_plan(session, user, tier=plan)
        return await add_trial(session, user.id, keys=keys, **overrides)


async def add_trial(session: Any, user_id: str, *, keys: int = 2, **overrides: Any) -> Trial:
    """Another trial of a customer."""
    owner = await session.get_one(User, user_id)
    workspace = await make_workspace(session, owner, **overrides)
    made = [await make_trial_key(session, workspace, label=f"Key {n}") for n in range(keys)]
    pairs = [(row.id, secret) for row, secret in made]
    return Trial(user_id, workspace.id, workspace.slug, workspace.name, workspace.expires_at, pairs)


async def give_plan(
    session: Any, user: User, *, tier: str = "standard", status: str = "active", **overrides: Any
) -> None:
    """A subscription of this status, as billing writes it down."""
    account = overrides.pop("account", {})
    await make_subscription(session, user, status=status, **overrides)
    session.add(BillingAccount(user_id=user.id, tier=tier, **account))
    await session.flush()


async def live_keys(user_id: str) -> Sequence[ApiKeyMetadata]:
    """The account's live keys."""
    statement = select(ApiKeyMetadata).where(ApiKeyMetadata.user_id == user_id)
    async with unit_of_work() as session:
        return (await session.exec(statement.order_by(col(ApiKeyMetadata.label)))).all()


async def detail_of(key_id: str) -> ApiKeyDetail | None:
    async with unit_of_work() as session:
        return await session.get(ApiKeyDetail, key_id)


def ago(**parts: float) -> Any:
    """A moment in the past."""
    return utc_now() - timedelta(**parts)
