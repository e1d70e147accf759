"""A trial goes on as part of a paid plan: its keys are live keys then, without an outage."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, func
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.billing.access import Standing, get_standing
from app.billing.apply import NO_PLAN
from app.billing.checkout import start_checkout
from app.billing.errors import AlreadySubscribed
from app.core.clock import DB_NOW
from app.core.database import unit_of_work
from app.core.errors import LatchkeyError
from app.core.settings import get_settings
from app.flows.trial_keys import make_live
from app.models import Subscription, TrialApiKey, TrialDetail, TrialWorkspace
from app.trials.service import lock_trial
from app.trials.states import Life, Move, Status

WISH_DAYS = 4
"""How long a wish is remembered: Stripe's page is open for a day, its events come for three."""

_UNPAID = "Your plan is not paid. Pay its open invoice on the Billing page; then convert the trial."

logger = logging.getLogger(__name__)


class PlanNeeded(LatchkeyError):
    """There is no paid plan that the trial's keys could go on with."""

    status = 402
    code = "plan_needed"
    title = "A plan is needed"
    default_detail = (
        "Your account has no paid plan yet. Choose one: once it is paid, the trial's keys go on "
        "with it."
    )


@dataclass(frozen=True, slots=True)
class Converted:
    """A trial that is converted: how many of its keys are live keys, and the account's plan."""

    slug: str
    name: str
    keys: int
    tier_id: str


async def convert_trial(session: AsyncSession, user_id: str, slug: str) -> Converted:
    """Let the trial's active keys be live keys of the account's plan; the trial is converted.

    Their secrets stay, and they change from one kind to the other at the one moment of the
    commit, so a program that calls throughout is refused nothing. From then on it has what the
    plan gives, whichever tier the trial was of. All keys go, also beyond the number that the plan
    gives; another is made only when there is room, as ever.
    The workspace and its keys' rows stay where they are, for the trial's calls are theirs, and
    are kept as long as the plan keeps its own.

    Said again when it was converted before. Raises NotFound, TrialMoveRefused and PlanNeeded.
    """
    workspace, life = await lock_trial(session, user_id, slug)
    # The account's row is locked by now, so its plan does not change before the commit.
    standing = await get_standing(session, user_id)
    if life.status is not Status.CONVERTED:
        await _convert(session, workspace, life, standing)
    keys = await _count_converted(session, workspace.id)
    return Converted(workspace.slug, workspace.name, keys, standing.tier_id)


async def buy_and_convert(user_id: str, slug: str, tier_id: str, interval: str) -> str:
    """The address of Stripe's page where the plan is bought that the trial is to go on with.

    What is left of the trial stays free. The wish is remembered, so whoever hears first of the
    payment converts the trial. With a plan there already that happens at once, and the address
    is the trial's own. Raises NotFound, TrialMoveRefused, PlanNeeded when an invoice is open, and
    as `start_checkout`.
    """
    async with unit_of_work() as session:
        workspace, life = await lock_trial(session, user_id, slug)
        has_plan = (await get_standing(session, user_id)).has_paid_plan
        if not has_plan:
            life.after(Move.CONVERT)
            await _remember_wish(session, workspace.id)
    if not has_plan:
        leftover_until = life.expires_at if life.status is Status.ACTIVE else None
        with suppress(AlreadySubscribed):  # in another tab, just now
            return await start_checkout(user_id, tier_id, interval, trial_ends_at=leftover_until)
    async with unit_of_work() as session:
        await convert_trial(session, user_id, slug)
    return f"{get_settings().public_url}/trials/{slug}/"


async def convert_wished(user_id: str) -> Sequence[Converted]:
    """Convert every trial of the account whose wish is remembered, if it has a paid plan now.

    Each in a transaction of its own; what cannot be converted is left as it is. Those that were
    converted since they were wished are said too, so that whoever comes second can tell of them.
    """
    async with unit_of_work() as session:
        has_plan = (await get_standing(session, user_id)).has_paid_plan
        slugs = await _list_wished(session, user_id) if has_plan else []
    converted = []
    for slug in slugs:
        try:
            async with unit_of_work() as session:
                converted.append(await convert_trial(session, user_id, slug))
        except LatchkeyError as error:
            logger.info("trial %s was to be converted, and cannot be: %s", slug, error.code)
    return converted


async def list_wishing_owners(session: AsyncSession) -> Sequence[str]:
    """The accounts that may have a plan by now and a wish that nobody has fulfilled yet."""
    statement = (
        select(TrialWorkspace.owner_id)
        .join(TrialDetail, col(TrialDetail.workspace_id) == col(TrialWorkspace.id))
        .join(Subscription, col(Subscription.user_id) == col(TrialWorkspace.owner_id))
        .where(
            _is_remembered(),
            col(TrialWorkspace.status).in_((Status.ACTIVE, Status.EXPIRED)),
            col(Subscription.status).not_in(NO_PLAN),
        )
        .distinct()
    )
    return (await session.exec(statement)).all()


async def _convert(
    session: AsyncSession, workspace: TrialWorkspace, life: Life, standing: Standing
) -> None:
    status = life.after(Move.CONVERT)
    if not standing.has_paid_plan:
        raise PlanNeeded(_UNPAID if standing.access == "blocked" else None)
    await make_live(session, workspace.id, user_id=workspace.owner_id, tier_id=standing.tier_id)
    workspace.status = status
    workspace.converted_at = DB_NOW  # type: ignore[assignment]  # the database's clock fills it in
    await session.flush()


async def _count_converted(session: AsyncSession, workspace_id: str) -> int:
    statement = (
        select(func.count())
        .select_from(TrialApiKey)
        .where(TrialApiKey.workspace_id == workspace_id, TrialApiKey.status == "converted")
    )
    return (await session.exec(statement)).one()


async def _remember_wish(session: AsyncSession, workspace_id: str) -> None:
    statement = insert(TrialDetail).values(workspace_id=workspace_id, wished_at=DB_NOW)
    await session.exec(
        statement.on_conflict_do_update(index_elements=["workspaceId"], set_={"wishedAt": DB_NOW})
    )


async def _list_wished(session: AsyncSession, user_id: str) -> Sequence[str]:
    statement = (
        select(TrialWorkspace.slug)
        .join(TrialDetail, col(TrialDetail.workspace_id) == col(TrialWorkspace.id))
        .where(TrialWorkspace.owner_id == user_id, _is_remembered())
        .order_by(col(TrialDetail.wished_at), col(TrialWorkspace.id))
    )
    return (await session.exec(statement)).all()


def _is_remembered() -> ColumnElement[bool]:
    return col(TrialDetail.wished_at) > DB_NOW - timedelta(days=WISH_DAYS)
