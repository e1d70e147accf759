"""Stripe's events, stored by their id before anything is done about them."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import case, func
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, delete, or_, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import outbox
from app.core.clock import DB_NOW
from app.core.errors import InvalidRequest, NotFound
from app.integrations.stripe.webhooks import SignedEvent
from app.models import StripeEvent

logger = logging.getLogger(__name__)

APPLY_TASK = "billing:apply_events"

USEFUL_TYPES = ("customer.", "invoice.", "checkout.session.")
"""What the types begin with that may say something new of a customer's plan."""

FIRST_WAIT_SECONDS = 10
LONGEST_WAIT_SECONDS = 3600
MOST_ATTEMPTS = 60
"""After so many tries, some two days, an event waits for the operator: `billing replay ID`."""

KEPT_DAYS = 90

_MOST_DOUBLINGS = 20
_AT_ONCE = 100


async def store(session: AsyncSession, event: SignedEvent) -> bool:
    """Keep the event and queue its application; False when it was here before.

    Of one that is ignored the text is not kept: it may be of somebody who is no customer here,
    or not any more, and nothing comes of it.
    """
    note = _why_ignored(event)
    row = {
        "id": event.id,
        "type": event.type,
        "stripe_customer_id": event.customer_id,
        "payload": event.payload if note is None else "",
        "state": "pending" if note is None else "ignored",
        "note": note,
        "created_at": event.created_at,
        "next_try_at": DB_NOW,
    }
    statement = insert(StripeEvent).values(row).on_conflict_do_nothing(index_elements=["id"])
    new = (await session.exec(statement.returning(col(StripeEvent.id)))).first() is not None
    if new and event.account is not None:
        logger.warning("event %s is of another account, %s: ignored", event.id, event.account)
    if new and note is None:
        await _queue(session, event.customer_id)
    return new


def _why_ignored(event: SignedEvent) -> str | None:
    if event.account is not None:
        return "of another account, connected to ours"
    if not event.type.startswith(USEFUL_TYPES):
        return "of a type that says nothing of plans"
    return None if event.customer_id else "of no customer"


async def list_pending(session: AsyncSession, customer_id: str) -> Sequence[str]:
    """The ids of the customer's events that are not applied yet."""
    statement = select(StripeEvent.id).where(
        StripeEvent.stripe_customer_id == customer_id, StripeEvent.state == "pending"
    )
    return (await session.exec(statement)).all()


async def list_due_customers(session: AsyncSession) -> Sequence[str]:
    """Customers whose events were to be applied by now: at most a hundred."""
    statement = (
        select(StripeEvent.stripe_customer_id)
        .where(
            StripeEvent.state == "pending",
            or_(col(StripeEvent.next_try_at).is_(None), col(StripeEvent.next_try_at) <= DB_NOW),
        )
        .distinct()
        .limit(_AT_ONCE)
    )
    return [one for one in (await session.exec(statement)).all() if one is not None]


async def mark_applied(session: AsyncSession, ids: Sequence[str], note: str | None) -> None:
    """These events have had their effect."""
    await _mark(session, ids, state="applied", note=note, applied_at=DB_NOW)


async def mark_ignored(session: AsyncSession, ids: Sequence[str], note: str) -> None:
    """These events have nothing to do with us; their text is not kept."""
    await _mark(session, ids, state="ignored", note=note, payload="")


async def mark_failed(session: AsyncSession, ids: Sequence[str], note: str) -> None:
    """Applying these events did not work; they are tried again later, ever more seldom."""
    tried = col(StripeEvent.attempts) + 1
    doubled = FIRST_WAIT_SECONDS * func.power(2, func.least(tried - 1, _MOST_DOUBLINGS))
    wait = func.make_interval(0, 0, 0, 0, 0, 0, func.least(doubled, LONGEST_WAIT_SECONDS))
    await _mark(
        session,
        ids,
        state=case((tried >= MOST_ATTEMPTS, "failed"), else_="pending"),
        note=note,
        attempts=tried,
        next_try_at=DB_NOW + wait,
    )


async def _mark(session: AsyncSession, ids: Sequence[str], **values: Any) -> None:
    if ids:
        statement = update(StripeEvent).where(col(StripeEvent.id).in_(ids))
        await session.exec(statement.values(**values))


async def delete_old(session: AsyncSession) -> None:
    """Forget events that were applied or ignored long ago; Stripe keeps them for a month itself."""
    is_settled = col(StripeEvent.state).in_(["applied", "ignored"])
    is_old = col(StripeEvent.received_at) < DB_NOW - timedelta(days=KEPT_DAYS)
    await session.exec(delete(StripeEvent).where(is_settled, is_old))


async def list_events(
    session: AsyncSession, *, only_failed: bool, most: int
) -> Sequence[StripeEvent]:
    """The newest events, or those whose application failed, whether or not it is tried again."""
    statement = select(StripeEvent).order_by(col(StripeEvent.received_at).desc()).limit(most)
    if only_failed:
        has_failed = (col(StripeEvent.state) == "pending") & (col(StripeEvent.attempts) > 0)
        statement = statement.where(or_(StripeEvent.state == "failed", has_failed))
    return (await session.exec(statement)).all()


async def replay(session: AsyncSession, event_id: str) -> StripeEvent:
    """Have an event applied again. Raises NotFound, and InvalidRequest for one of no customer."""
    event = await session.get(StripeEvent, event_id, with_for_update=True)
    if event is None:
        raise NotFound("There is no such event. `billing events` lists those that there are.")
    if event.stripe_customer_id is None:
        raise InvalidRequest("This event is of no customer: there is nothing to apply.")
    event.state, event.note, event.attempts = "pending", None, 0
    event.next_try_at = DB_NOW  # type: ignore[assignment]  # the database's clock fills it in
    await _queue(session, event.stripe_customer_id)
    return event


async def _queue(session: AsyncSession, customer_id: str | None) -> None:
    """One worker for a customer: each waits for the account's lease, which the others hold."""
    lock = f"{APPLY_TASK}:{customer_id}"
    await outbox.defer(session, APPLY_TASK, lock=lock, customer_id=customer_id)
