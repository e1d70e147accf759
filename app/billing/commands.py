"""What `python -m app billing …` does: lines to print, and the exit code."""

from collections.abc import Sequence

from sqlmodel import col, or_, select

from app.accounts.repository import has_address
from app.billing import event_store, events
from app.billing.reconcile import Reconciled, reconcile, reconcile_user
from app.core.database import dispose, unit_of_work
from app.core.errors import NotFound
from app.models import StripeEvent, User

Outcome = tuple[Sequence[str], int]
MOST_LISTED = 200


async def list_events(*, only_failed: bool) -> Outcome:
    """The newest events, one line each."""
    try:
        async with unit_of_work() as session:
            found = await event_store.list_events(
                session, only_failed=only_failed, most=MOST_LISTED
            )
    finally:
        await dispose()
    what = "events whose application failed" if only_failed else "events"
    return [_line(event) for event in found] or [f"There are no {what}."], 0


async def replay(event_id: str) -> Outcome:
    """Apply an event again, now."""
    try:
        async with unit_of_work() as session:
            customer_id = (await event_store.replay(session, event_id)).stripe_customer_id
        await events.apply_events(customer_id or "")
        async with unit_of_work() as session:
            event = await session.get(StripeEvent, event_id)
    finally:
        await dispose()
    if event is None:
        raise NotFound
    return [_line(event)], 0 if event.state != "pending" else 1


async def sync_user(user: str) -> Outcome:
    """Compare one account, by its id or address, with Stripe, and repair it."""
    try:
        async with unit_of_work() as session:
            statement = select(User.id).where(or_(col(User.id) == user, has_address(user)))
            user_id = (await session.exec(statement.limit(1))).first()
        if user_id is None:
            raise NotFound("There is no account with this id or address.")
        differences = await reconcile_user(user_id)
    finally:
        await dispose()
    if differences is None:
        return [f"{user_id}: is no customer at Stripe"], 0
    return [f"{user_id}: {_said(differences)}"], 0


async def reconcile_all() -> Outcome:
    """Compare every account with Stripe, and repair what differs."""
    try:
        report = await reconcile()
    finally:
        await dispose()
    return [*_lines(report)], 1 if report.failed else 0


def _lines(report: Reconciled) -> Sequence[str]:
    lines = [f"{user_id}: {_said(fields)}" for user_id, fields in report.repaired.items()]
    lines += [f"{user_id}: could not be compared: {why}" for user_id, why in report.failed.items()]
    total = f"{report.accounts} accounts compared, {len(report.repaired)} repaired"
    return [*lines, f"{total}, {len(report.failed)} could not be compared"]


def _said(differences: Sequence[str]) -> str:
    return f"repaired: {', '.join(differences)}" if differences else "as Stripe has it"


def _line(event: StripeEvent) -> str:
    parts = [
        f"{event.received_at:%Y-%m-%d %H:%M:%S}",
        event.id,
        f"{event.state:<8}",
        event.type,
        event.stripe_customer_id or "-",
    ]
    if event.attempts:
        parts.append(f"tried {event.attempts} times")
    return "  ".join([*parts, event.note or ""]).rstrip()
