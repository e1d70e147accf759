"""Writing down what Stripe says, with what it gives and the mails, in one transaction."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import col, update
from sqlmodel.ext.asyncio.session import AsyncSession

from app.billing import event_store, notices
from app.billing.access import Standing, get_standing
from app.billing.facts import Facts, fetch
from app.billing.lease import Lease
from app.billing.plans import FREE
from app.billing.prices import find_tier_id
from app.billing.repository import find_subscription, get_account, lock_user
from app.core import outbox
from app.core.clock import DB_NOW
from app.core.database import unit_of_work
from app.integrations.stripe import get_gateway
from app.integrations.stripe.objects import StripeSubscription
from app.models import ApiKeyMetadata, BillingAccount, Subscription

NO_PLAN = frozenset({"incomplete", "incomplete_expired", "paused"})
"""Statuses that give nothing, whatever the price."""

NOTHING_BOUGHT = "incomplete"
"""The row's status of a customer without any subscription."""

PLAN_STARTED_TASK = "accounts:plan_started"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Applied:
    """What was written: which fields differed, how the account stands, and what is odd, if so."""

    differences: tuple[str, ...]
    standing: Standing
    facts: Facts
    oddity: str | None


async def sync(lease: Lease, *, event_ids: Sequence[str] = ()) -> Applied | None:
    """Ask Stripe anew and write it down; these events are applied by that.

    None for an account that is no customer. Raises StripeError, and BillingBusy when the lease
    was lost meanwhile: then nothing is written.
    """
    async with unit_of_work() as session:
        row = await find_subscription(session, lease.user_id)
    if row is None:
        return None
    facts = await fetch(get_gateway(), row.stripe_customer_id)
    async with unit_of_work() as session:
        await lease.confirm(session)
        applied = await write(session, lease.user_id, facts)
        await event_store.mark_applied(session, event_ids, applied.oddity)
    return applied


async def write(session: AsyncSession, user_id: str, facts: Facts) -> Applied:
    """Make the account's rows say what Stripe says, and queue the mails that this calls for.

    And the job for what waited for the account's plan, when it has one now and had none.
    """
    await lock_user(session, user_id)
    row = await find_subscription(session, user_id)
    if row is None:
        raise LookupError(f"the subscription of {user_id} was deleted just now")
    account = await get_account(session, user_id)
    before, stood = notices.look(row, account), await get_standing(session, user_id)
    tier_id, oddity = _tier_id(account.tier, facts.bought)
    differences = _fill(row, _row_values(facts.bought))
    differences += _fill(account, _account_values(account, tier_id, facts))
    if differences:
        # The key cache watches this row's version, so it gets a new one whatever differed.
        row.updated_at = DB_NOW  # type: ignore[assignment]  # the database's clock fills it in
    await session.flush()
    standing = await get_standing(session, user_id)
    if await _set_key_tiers(session, user_id, standing.tier_id):
        differences.append("keys' tier")
    await notices.queue(session, user_id, before, notices.look(row, account), facts, standing)
    if standing.has_paid_plan and not stood.has_paid_plan:
        await outbox.defer(session, PLAN_STARTED_TASK, user_id=user_id)
    if oddity:
        logger.error("account %s: %s", user_id, oddity)
    return Applied(tuple(differences), standing, facts, oddity)


def _row_values(bought: StripeSubscription | None) -> dict[str, Any]:
    if bought is None:
        return {
            "stripe_subscription_id": None,
            "stripe_price_id": None,
            "status": NOTHING_BOUGHT,
            "current_period_start": None,
            "current_period_end": None,
            "cancel_at_period_end": False,
        }
    return {
        "stripe_subscription_id": bought.id,
        "stripe_price_id": bought.price_id,
        "status": bought.status,
        "current_period_start": bought.period_start,
        "current_period_end": bought.period_end,
        "cancel_at_period_end": bought.cancel_at_period_end,
    }


def _account_values(account: BillingAccount, tier_id: str, facts: Facts) -> dict[str, Any]:
    bought = facts.bought
    given: datetime | None = account.trial_given_at
    if given is None and bought is not None and bought.trial_end is not None:
        given = bought.created_at
    return {
        "tier": tier_id,
        "unpaid_since": facts.unpaid_since,
        "unpaid_invoice_id": facts.unpaid_invoice_id,
        "is_over": bought is not None and bought.is_over,
        "month_anchor": None if bought is None else bought.month_anchor,
        "trial_given_at": given,
    }


def _tier_id(known: str, bought: StripeSubscription | None) -> tuple[str, str | None]:
    """The plan that is paid for, and what is odd about it.

    A price that no plan has takes nothing away from somebody who pays: what the account had
    stays, and it is said what to do.
    """
    if bought is None or bought.status in NO_PLAN:
        return FREE, None
    found = find_tier_id(bought.price_id, named=bought.price_tier)
    if found is not None:
        return found, None
    return known, (
        f"the price {bought.price_id} of {bought.id} is not in the plans file: the plan stays "
        f"{known}. Add it to a tier's older_price_ids (or change the subscription's price at "
        "Stripe), then run: python -m app billing reconcile"
    )


def _fill(record: Subscription | BillingAccount, values: dict[str, Any]) -> list[str]:
    """Set what differs; the names of what did."""
    different = [name for name, value in values.items() if getattr(record, name) != value]
    for name in different:
        setattr(record, name, values[name])
    return different


async def _set_key_tiers(session: AsyncSession, user_id: str, tier_id: str) -> bool:
    statement = (
        update(ApiKeyMetadata)
        .where(
            col(ApiKeyMetadata.user_id) == user_id,
            col(ApiKeyMetadata.tier) != tier_id,
            col(ApiKeyMetadata.status) != "revoked",
        )
        .values(tier=tier_id)
    )
    return bool((await session.exec(statement)).rowcount)
