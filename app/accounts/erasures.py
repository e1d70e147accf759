"""Which accounts are being erased, and when work on each is due.

What is to be done follows from the row and from what is still there: whoever is killed at it
leaves nothing behind but a row that is due again a little later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, delete, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import outbox
from app.core.clock import DB_NOW
from app.core.errors import LatchkeyError
from app.core.ids import new_id
from app.models import Erasure, User

ERASE_TASK = "erasure:erase"

SETTLE = timedelta(minutes=2)
"""How long the account itself stays at least: until then every node has written what it had."""

PATIENCE = timedelta(days=3)
"""How long the account waits for Stripe and the mail server, at most."""

LEASE = timedelta(minutes=8)
"""When whoever is at work on an erasure must have died; longer than a job's budget."""

_FIRST_WAIT_SECONDS = 10
_LONGEST_WAIT_SECONDS = 3600
_MOST_DOUBLINGS = 20
_AT_ONCE = 100


class AccountBeingErased(LatchkeyError):
    """Nobody signs in to an account that its owner has deleted."""

    status = 409
    code = "account_being_erased"
    title = "This account is being deleted"
    default_detail = (
        "Its owner asked for that. A mail says when it is done; then the address is free, and "
        "you can sign up with it anew."
    )


@dataclass(frozen=True, slots=True)
class Due:
    """An erasure to work on now. `email` is None once the account itself is gone.

    `is_settled`: all nodes have written what they had of its calls. `is_late`: it has waited for
    others long enough.
    """

    id: str
    user_id: str
    email: str | None
    is_told: bool
    is_customer_gone: bool
    stripe_customer_id: str | None
    is_settled: bool
    is_late: bool


async def refuse_erased(session: AsyncSession, user_id: str) -> None:
    """Raise AccountBeingErased if the account is.

    Ask it after a row that references the user was written: that waits for an erasure that is
    just being noted, and one that is noted later ends what was written.
    """
    if (await session.exec(select(Erasure.id).where(Erasure.user_id == user_id))).first():
        raise AccountBeingErased


async def note(session: AsyncSession, user_id: str) -> None:
    """Note that the account is to be erased, and queue that; noting it twice changes nothing."""
    values = {"id": new_id(), "user_id": user_id, "requested_at": DB_NOW, "next_try_at": DB_NOW}
    statement = (
        insert(Erasure)
        .values(values)
        .on_conflict_do_nothing(index_elements=["userId"])
        .returning(col(Erasure.id))
    )
    if (erasure_id := (await session.exec(statement)).scalar()) is not None:
        await queue(session, erasure_id)


async def queue(session: AsyncSession, erasure_id: str) -> None:
    """Queue work on it; jobs of the same erasure follow each other."""
    await outbox.defer(
        session, ERASE_TASK, lock=f"{ERASE_TASK}:{erasure_id}", erasure_id=erasure_id
    )


async def list_due(session: AsyncSession) -> Sequence[str]:
    """Erasures that somebody should be at work on: at most a hundred, longest due first."""
    statement = (
        select(Erasure.id)
        .where(col(Erasure.next_try_at) <= DB_NOW)
        .order_by(col(Erasure.next_try_at))
        .limit(_AT_ONCE)
    )
    return (await session.exec(statement)).all()


async def claim(session: AsyncSession, erasure_id: str) -> Due | None:
    """Take the erasure if work on it is due; nobody else gets it before `LEASE` is over."""
    statement = (
        update(Erasure)
        .where(col(Erasure.id) == erasure_id, col(Erasure.next_try_at) <= DB_NOW)
        .values(next_try_at=DB_NOW + LEASE)
        .returning(col(Erasure.id))
    )
    if (await session.exec(statement)).scalar() is None:
        return None
    asked_at = col(Erasure.requested_at)
    found = await session.exec(
        select(Erasure, User.email, asked_at <= DB_NOW - SETTLE, asked_at <= DB_NOW - PATIENCE)
        .join(User, col(User.id) == col(Erasure.user_id), isouter=True)
        .where(Erasure.id == erasure_id)
    )
    row, email, is_settled, is_late = found.one()
    return Due(
        id=row.id,
        user_id=row.user_id,
        email=email,
        is_told=row.told_at is not None,
        is_customer_gone=row.customer_gone_at is not None,
        stripe_customer_id=row.stripe_customer_id,
        is_settled=bool(is_settled),
        is_late=bool(is_late),
    )


async def mark_told(session: AsyncSession, erasure_id: str) -> None:
    """The mail that says it has begun was handed on."""
    await _set(session, erasure_id, told_at=DB_NOW)


async def mark_customer_gone(session: AsyncSession, erasure_id: str) -> None:
    """Stripe has no customer of this account any more."""
    await _set(session, erasure_id, customer_gone_at=DB_NOW)


async def keep_customer(session: AsyncSession, erasure_id: str, customer_id: str | None) -> None:
    """Remember whom Stripe has yet to delete, for the account that knew it goes."""
    await _set(session, erasure_id, stripe_customer_id=customer_id)


async def go_on(session: AsyncSession, erasure_id: str) -> None:
    """Let the next job go on at once: the time of this one is up."""
    await _set(session, erasure_id, next_try_at=DB_NOW, attempts=0)
    await queue(session, erasure_id)


async def wait_until_settled(session: AsyncSession, erasure_id: str) -> None:
    """Let it rest until all nodes have written what they had."""
    await _set(session, erasure_id, next_try_at=col(Erasure.requested_at) + SETTLE, attempts=0)


async def put_off(session: AsyncSession, erasure_id: str) -> None:
    """Try again later, ever more seldom: somebody else did not answer."""
    doubled = _FIRST_WAIT_SECONDS * func.power(2, func.least(Erasure.attempts, _MOST_DOUBLINGS))
    seconds = func.least(doubled, _LONGEST_WAIT_SECONDS)
    wait = func.make_interval(0, 0, 0, 0, 0, 0, seconds)
    attempts = col(Erasure.attempts) + 1
    await _set(session, erasure_id, next_try_at=DB_NOW + wait, attempts=attempts)


async def forget(session: AsyncSession, erasure_id: str) -> None:
    """Nothing is left to be done."""
    await session.exec(delete(Erasure).where(col(Erasure.id) == erasure_id))


async def _set(session: AsyncSession, erasure_id: str, **values: Any) -> None:
    await session.exec(update(Erasure).where(col(Erasure.id) == erasure_id).values(**values))
