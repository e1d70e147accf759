"""Mails about a trial's end: 3 days before, 1 day before and at the end, each once for each end.

What is due follows from the tables. When several are due together, after a time in which no
job ran, only the latest is sent, and the others are noted as settled. An extension makes a new
end, with mails of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Interval, Text, column, func, values
from sqlalchemy.dialects.postgresql import aggregate_order_by, insert
from sqlalchemy.orm import aliased
from sqlmodel import col, exists, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.billing.plans import get_plans
from app.core import outbox
from app.core.clock import DB_NOW
from app.core.ids import new_id
from app.models import TrialExtension, TrialNotice, TrialWorkspace, User
from app.trials.states import Status, read_life

NOTICE_TASK = "trials:send_notice"
ENDED = "ended"
LEADS = {"3_days": timedelta(days=3), "1_day": timedelta(days=1), ENDED: timedelta()}
"""How long before the end each kind of mail is due, in their order."""

_AT_ONCE = 200
_OCCASION = values(column("kind", Text()), column("lead", Interval()), name="occasion")
_OCCASION = _OCCASION.data(list(LEADS.items()))


@dataclass(frozen=True, slots=True)
class DueMail:
    """A mail as it is to be sent. `left` is the time to the end, zero when that has come."""

    to: str
    kind: str
    slug: str
    name: str
    ends_at: datetime
    left: timedelta
    data_goes_at: datetime


@dataclass(frozen=True, slots=True)
class _Due:
    """Kinds of mails of one end that are due and not settled, the latest last."""

    workspace_id: str
    ends_at: datetime
    kinds: Sequence[str]


async def queue_notices(session: AsyncSession) -> int:
    """Settle what is due, and queue its mails; says how many occasions are settled now.

    At most some hundreds of trials; call it again while it returns any.
    """
    due = [_Due(*row) for row in (await session.exec(_list_due())).all()]
    if not due:
        return 0
    rows = [
        {"id": new_id(), "workspace_id": one.workspace_id, "kind": kind, "ends_at": one.ends_at}
        for one in due
        for kind in one.kinds
    ]
    statement = (
        insert(TrialNotice)
        .values(rows)
        .on_conflict_do_nothing(index_elements=["workspaceId", "kind", "endsAt"])
        .returning(col(TrialNotice.id), col(TrialNotice.workspace_id), col(TrialNotice.kind))
    )
    settled: Sequence[Any] = (await session.exec(statement)).all()
    latest = {(one.workspace_id, one.kinds[-1]) for one in due}
    for notice_id, workspace_id, kind in settled:
        if (workspace_id, kind) in latest:
            await outbox.defer(session, NOTICE_TASK, notice_id=notice_id)
    return len(settled)


def _list_due() -> Any:
    """Trials with something due. Their rows are held, so that none is deleted meanwhile."""
    ends_at = col(TrialWorkspace.expires_at)
    gone_at = DB_NOW - timedelta(days=get_plans().trials.data_days)
    unsettled = _unsettled().lateral("unsettled")
    return (
        select(TrialWorkspace.id, ends_at, unsettled.c.kinds)
        .join(unsettled, unsettled.c.kinds.is_not(None))
        .where(
            col(TrialWorkspace.status).in_([Status.ACTIVE, Status.EXPIRED]),
            ends_at <= DB_NOW + max(LEADS.values()),
            ends_at > gone_at,
            # A plain anti-join, which leaves few trials to look at more closely.
            ~exists().where(_is_of_this_end(), col(TrialNotice.kind) == ENDED),
        )
        .order_by(ends_at, col(TrialWorkspace.id))
        .limit(_AT_ONCE)
        .with_for_update(of=TrialWorkspace, read=True, key_share=True, skip_locked=True)
    )


def _unsettled() -> Any:
    """One row: the kinds that are due and not settled, in their order, or null."""
    moment = col(TrialWorkspace.expires_at) - _OCCASION.c.lead
    extended_at = (
        select(func.max(TrialExtension.created_at))
        .where(TrialExtension.workspace_id == TrialWorkspace.id)
        .correlate(TrialWorkspace)
        .scalar_subquery()
    )
    kinds = func.array_agg(aggregate_order_by(_OCCASION.c.kind, _OCCASION.c.lead.desc()))
    return (
        select(kinds.label("kinds"))
        .select_from(_OCCASION)
        .where(
            moment <= DB_NOW,
            # Of a short trial, or extension, some moments come before it begins.
            moment > func.greatest(TrialWorkspace.created_at, extended_at),
            ~exists()
            .where(_is_of_this_end(), col(TrialNotice.kind) == _OCCASION.c.kind)
            .correlate(TrialWorkspace, _OCCASION),
        )
        .correlate(TrialWorkspace)
    )


def _is_of_this_end() -> Any:
    return (col(TrialNotice.workspace_id) == col(TrialWorkspace.id)) & (
        col(TrialNotice.ends_at) == col(TrialWorkspace.expires_at)
    )


async def find_mail(session: AsyncSession, notice_id: str) -> DueMail | None:
    """The mail of this notice; None when it is not true any more, or nobody may be told.

    Not true: the trial is converted, cancelled, extended or gone, a reminder's end has come, or
    a later mail about the same end is due too. Nobody: its owner's address is not verified.
    """
    found = (await session.exec(_of_notice(notice_id))).one_or_none()
    if found is None:
        return None
    kind, settled, trial, to, now = found
    terms = get_plans().trials
    life = read_life(trial, now=now, data_days=terms.data_days)
    is_true = life.status is (Status.EXPIRED if kind == ENDED else Status.ACTIVE)
    if not is_true or life.is_data_due or kind != min(settled, key=LEADS.__getitem__):
        return None
    return DueMail(
        to=to,
        kind=kind,
        slug=trial.slug,
        name=trial.name,
        ends_at=life.expires_at,
        left=max(life.expires_at - now, timedelta()),
        data_goes_at=life.expires_at + timedelta(days=terms.data_days),
    )


def _of_notice(notice_id: str) -> Any:
    """Its kind, the kinds settled of the same end, the trial, its owner's address, the time."""
    of_this_end = aliased(TrialNotice)
    settled = (
        select(func.array_agg(of_this_end.kind))
        .where(
            of_this_end.workspace_id == TrialNotice.workspace_id,
            of_this_end.ends_at == TrialNotice.ends_at,
        )
        .correlate(TrialNotice)
        .scalar_subquery()
    )
    return (
        select(TrialNotice.kind, settled, TrialWorkspace, User.email, DB_NOW)  # type: ignore[call-overload]  # sqlmodel types selects of up to four columns
        .select_from(TrialNotice)
        .join(TrialWorkspace, _is_of_this_end())
        .join(User, col(User.id) == col(TrialWorkspace.owner_id))
        .where(TrialNotice.id == notice_id, col(User.email_verified).is_not(None))
    )
