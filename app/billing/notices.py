"""Mails about billing: each occasion once, decided where its cause is written down."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.billing.access import Standing
from app.billing.facts import Facts
from app.billing.plans import get_plans
from app.billing.prices import find_interval
from app.core import outbox
from app.core.ids import new_id
from app.models import BillingAccount, BillingNotice, Subscription, User

NOTICE_TASK = "billing:send_notice"


@dataclass(frozen=True, slots=True)
class Look:
    """What of an account's rows calls for a mail when it changes."""

    subscription_id: str | None
    price_id: str | None
    tier_id: str
    status: str
    is_ending: bool
    period_end: datetime | None
    unpaid_invoice_id: str | None

    @property
    def is_paid_for(self) -> bool:
        """Whether a plan goes on, and nothing is owed."""
        return self.status in {"active", "trialing"}

    @property
    def is_owed(self) -> bool:
        """Whether a plan goes on, and its money did not come."""
        return self.status in {"past_due", "unpaid"}


@dataclass(frozen=True, slots=True)
class Notice:
    """A mail that is due: its template, what it is about, and what it says."""

    kind: str
    occasion: str
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class DueMail:
    """A mail as it is to be sent."""

    to: str
    kind: str
    details: dict[str, Any]


def look(row: Subscription, account: BillingAccount) -> Look:
    """The rows as they are now."""
    return Look(
        subscription_id=row.stripe_subscription_id,
        price_id=row.stripe_price_id,
        tier_id=account.tier,
        status=row.status,
        is_ending=row.cancel_at_period_end,
        period_end=row.current_period_end,
        unpaid_invoice_id=account.unpaid_invoice_id,
    )


async def queue(
    session: AsyncSession, user_id: str, before: Look, after: Look, facts: Facts, standing: Standing
) -> None:
    """Queue the mails that the change calls for, in the transaction that writes it."""
    for notice in due_notices(before, after, facts, standing):
        values = {
            "id": new_id(),
            "user_id": user_id,
            "occasion": notice.occasion,
            "kind": notice.kind,
            "details": notice.details,
        }
        statement = (
            insert(BillingNotice)
            .values(values)
            .on_conflict_do_nothing(index_elements=["userId", "occasion"])
            .returning(col(BillingNotice.id))
        )
        notice_id = (await session.exec(statement)).scalar()
        if notice_id is not None:
            await outbox.defer(session, NOTICE_TASK, notice_id=notice_id)


def due_notices(before: Look, after: Look, facts: Facts, standing: Standing) -> Iterator[Notice]:
    """The mails that a change calls for; most call for none. What was sent is not sent again."""
    bought = facts.bought
    if bought is None:
        return
    plan = _plan_name(after)
    if after.is_owed and after.unpaid_invoice_id:
        occasion = f"payment_failed:{after.unpaid_invoice_id}"
        yield Notice("payment_failed", occasion, {"plan": plan, "until": _day(standing.until)})
    if before.is_owed and after.is_paid_for and before.unpaid_invoice_id:
        occasion = f"payment_recovered:{before.unpaid_invoice_id}"
        yield Notice("payment_recovered", occasion, {"plan": plan})
    if after.is_paid_for and _what(before) != _what(after):
        occasion = f"plan:{bought.id}:{bought.price_id}:{bought.latest_invoice_id}"
        details = {"plan": plan, "interval": find_interval(after.price_id)}
        yield Notice("plan_changed", occasion, details)
    if after.is_paid_for and after.is_ending:
        occasion = f"plan_ending:{bought.id}:{bought.canceled_at}"
        yield Notice("plan_ending", occasion, {"plan": plan, "until": _day(after.period_end)})
    if after.status == "canceled":
        details = {"plan": plan, "until": _day(standing.until)}
        yield Notice("plan_ended", f"plan_ended:{bought.id}", details)


async def find_mail(session: AsyncSession, notice_id: str) -> DueMail | None:
    """The mail of this notice; None when its account is gone."""
    statement = (
        select(User.email, BillingNotice.kind, BillingNotice.details)
        .join(BillingNotice, col(BillingNotice.user_id) == col(User.id))
        .where(BillingNotice.id == notice_id)
    )
    row = (await session.exec(statement)).one_or_none()
    return None if row is None else DueMail(row[0], row[1], dict(row[2] or {}))


def _what(one: Look) -> tuple[str | None, str | None] | None:
    """What is bought, as long as it goes on."""
    return (one.subscription_id, one.price_id) if one.is_paid_for or one.is_owed else None


def _plan_name(one: Look) -> str:
    try:
        return get_plans().get_tier(one.tier_id).name
    except KeyError:
        return one.tier_id


def _day(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%d}"
