"""One at a time: the lock of an account's billing, across processes and behind a pooler.

Stripe is asked while it is held, so it is neither a transaction nor a session's lock but a row
that says who is at work and until when at the latest. What is written carries the proof that
the lease was not lost meanwhile, so that a process that slept overwrites nothing.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlmodel.ext.asyncio.session import AsyncSession

from app.billing.errors import BillingBusy
from app.core.database import unit_of_work
from app.core.errors import NotFound
from app.core.ids import new_id
from app.integrations.stripe.errors import StripeUnavailable

WORK_SECONDS = 30.0
"""How long one act may take, whatever Stripe does."""

LEASE_SECONDS = 40
"""When a lease ends by itself: so long others wait after its holder was killed."""

PATIENCE_SECONDS = 10.0
"""How long a page waits for another act on the same account."""

JOB_PATIENCE_SECONDS = 60.0
"""How long a job waits: longer than any lease."""

_PAUSE_SECONDS = 0.05

_TAKE = text("""
INSERT INTO latchkey."BillingAccount" AS known ("userId", "leaseHolder", "leaseEndsAt")
VALUES (:user_id, :holder,
  clock_timestamp() AT TIME ZONE 'UTC' + make_interval(secs => :seconds))
ON CONFLICT ("userId") DO UPDATE
SET "leaseHolder" = excluded."leaseHolder", "leaseEndsAt" = excluded."leaseEndsAt"
WHERE known."leaseEndsAt" IS NULL OR known."leaseEndsAt" < clock_timestamp() AT TIME ZONE 'UTC'
RETURNING "userId"
""")
_CONFIRM = text("""
SELECT "userId" FROM latchkey."BillingAccount"
WHERE "userId" = :user_id AND "leaseHolder" = :holder FOR UPDATE
""")
_GIVE_BACK = text("""
UPDATE latchkey."BillingAccount" SET "leaseHolder" = NULL, "leaseEndsAt" = NULL
WHERE "userId" = :user_id AND "leaseHolder" = :holder
""")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to change one account's billing."""

    user_id: str
    holder: str

    async def confirm(self, session: AsyncSession) -> None:
        """Keep the lease until this transaction ends. Raises BillingBusy when it was lost."""
        if not await _run(session, _CONFIRM, user_id=self.user_id, holder=self.holder):
            raise BillingBusy


@asynccontextmanager
async def leased(
    user_id: str, *, patience_seconds: float = PATIENCE_SECONDS
) -> AsyncIterator[Lease]:
    """Hold the account's lease, for `WORK_SECONDS` at most.

    Raises BillingBusy when another holds it all the time, NotFound without such an account, and
    StripeUnavailable when the time is up: only Stripe can take so long.
    """
    lease = Lease(user_id, new_id())
    await _take(lease, patience_seconds)
    try:
        async with asyncio.timeout(WORK_SECONDS):
            yield lease
    except TimeoutError as error:
        raise StripeUnavailable from error
    finally:
        await _give_back(lease)


async def _take(lease: Lease, patience_seconds: float) -> None:
    deadline = time.monotonic() + patience_seconds
    while not await _try_to_take(lease):
        pause = _PAUSE_SECONDS * (1 + random.random())  # noqa: S311  # spreads those who wait
        if time.monotonic() + pause > deadline:
            raise BillingBusy
        await asyncio.sleep(pause)


async def _try_to_take(lease: Lease) -> bool:
    try:
        async with unit_of_work() as session:
            return await _run(
                session, _TAKE, user_id=lease.user_id, holder=lease.holder, seconds=LEASE_SECONDS
            )
    except IntegrityError as error:
        raise NotFound("This account does not exist any more.") from error


async def _give_back(lease: Lease) -> None:
    try:
        async with unit_of_work() as session:
            await session.exec(  # type: ignore[call-overload]  # sqlmodel types exec for its own selects only
                _GIVE_BACK, params={"user_id": lease.user_id, "holder": lease.holder}
            )
    except (SQLAlchemyError, OSError) as error:
        logger.warning("a billing lease could not be given back, and ends by itself: %s", error)


async def _run(session: AsyncSession, statement: object, **params: object) -> bool:
    rows = await session.exec(statement, params=params)  # type: ignore[call-overload]  # sqlmodel types exec for its own selects only
    return rows.first() is not None
