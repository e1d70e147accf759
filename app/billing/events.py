"""Applying events: what an event says is not believed, but a reason to ask Stripe anew."""

import logging
from collections.abc import Sequence

from sqlalchemy.exc import SQLAlchemyError

from app.billing import event_store
from app.billing.apply import sync
from app.billing.errors import BillingBusy, words_of
from app.billing.lease import JOB_PATIENCE_SECONDS, leased
from app.billing.repository import find_owner
from app.core.database import unit_of_work
from app.core.errors import LatchkeyError

FOREIGN = "of a customer that no account here has"

logger = logging.getLogger(__name__)


async def apply_events(customer_id: str) -> None:
    """Apply all of the customer's events that wait; what fails is noted, and tried again later.

    May run twice, at the same time too: the second finds nothing to do.
    """
    ids: Sequence[str] = ()
    try:
        async with unit_of_work() as session:
            ids = await event_store.list_pending(session, customer_id)
            owner = await find_owner(session, customer_id) if ids else None
            if ids and owner is None:
                await event_store.mark_ignored(session, ids, FOREIGN)
                logger.warning("%d events are %s: %s", len(ids), FOREIGN, customer_id)
        if owner is not None:
            await _apply(owner, customer_id)
    except BillingBusy:
        logger.info("events of %s wait for another act on the same account", customer_id)
    except Exception as error:  # whatever it is, the events are kept, and tried again
        is_expected = isinstance(error, LatchkeyError | SQLAlchemyError)
        logger.warning(
            "events of %s could not be applied: %r", customer_id, error, exc_info=not is_expected
        )
        await _note_failure(customer_id, error)


async def apply_due() -> None:
    """Apply what was not applied in its time: tried in vain before, or its job was lost."""
    async with unit_of_work() as session:
        customers = await event_store.list_due_customers(session)
    for customer_id in customers:
        await apply_events(customer_id)


async def _apply(user_id: str, customer_id: str) -> None:
    async with leased(user_id, patience_seconds=JOB_PATIENCE_SECONDS) as lease:
        async with unit_of_work() as session:
            ids = await event_store.list_pending(session, customer_id)
        if ids:
            await sync(lease, event_ids=ids)


async def _note_failure(customer_id: str, error: Exception) -> None:
    note = f"{type(error).__name__}: {words_of(error)}"
    async with unit_of_work() as session:
        ids = await event_store.list_pending(session, customer_id)
        await event_store.mark_failed(session, ids, note)
