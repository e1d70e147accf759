"""Buying a plan on Stripe's own page."""

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from sqlmodel.ext.asyncio.session import AsyncSession

from app.billing.apply import sync
from app.billing.customers import ensure_customer
from app.billing.errors import AlreadySubscribed
from app.billing.facts import live_ones
from app.billing.lease import Lease, leased
from app.billing.prices import PlanPrice, get_price
from app.billing.repository import find_account, find_subscription
from app.core.clock import utc_now
from app.core.database import unit_of_work
from app.core.errors import NotFound
from app.core.settings import get_settings
from app.integrations.stripe import get_gateway
from app.integrations.stripe.errors import StripeError, StripeNotFound
from app.integrations.stripe.objects import StripeCheckout

SHORTEST_TRIAL = timedelta(hours=48)
"""Stripe's checkout takes no `trial_end` that is nearer."""

BILLING_PATH = "/billing/"

_SESSION_ID = re.compile(r"cs_[A-Za-z0-9_]{1,250}")
"""Anything else in an address would be a question to another part of Stripe's API."""


class CheckoutOutcome(StrEnum):
    """What became of a checkout session, as far as the account's plan goes.

    `waiting`: not paid yet, or Stripe is still at work. `failed`: it was finished, and the
    plan it was for is not there.
    """

    WAITING = "waiting"
    ACTIVE = "active"
    FAILED = "failed"
    EXPIRED = "expired"


async def start_checkout(
    user_id: str, tier_id: str, interval: str, *, trial_ends_at: datetime | None = None
) -> str:
    """The address of Stripe's page where the account can buy this plan.

    `trial_ends_at`: a trial's end, whose leftover days become Stripe's; once for an account,
    and only while two days or more are left. Pages that were opened before are closed, so that
    two tabs buy one plan. Raises PlanNotSold, AlreadySubscribed, BillingBusy, StripeError.
    """
    price = get_price(tier_id, interval)
    async with leased(user_id) as lease:
        customer_id = await ensure_customer(lease)
        trial_end = await _trial_end(user_id, trial_ends_at)
        return await _one_checkout(lease, customer_id, price, trial_end)


async def is_checkout_settled(user_id: str, checkout_session_id: str) -> CheckoutOutcome:
    """What became of the account's checkout session. Raises NotFound for anybody else's.

    Asks Stripe, and writes down what it says, so that nobody has to wait for the event.
    """
    async with unit_of_work() as session:
        row = await find_subscription(session, user_id)
    if row is None:
        raise NotFound
    if not _SESSION_ID.fullmatch(checkout_session_id):
        raise NotFound
    found = await _own_checkout(row.stripe_customer_id, user_id, checkout_session_id)
    if found.status != "complete":
        is_expired = found.status == "expired"
        return CheckoutOutcome.EXPIRED if is_expired else CheckoutOutcome.WAITING
    if row.status not in {"active", "trialing"}:
        async with leased(user_id) as lease:
            applied = await sync(lease)
        if applied is not None:
            return _outcome(applied.standing.status)
    return _outcome(row.status)


async def free_until(
    session: AsyncSession, user_id: str, trial_ends_at: datetime
) -> datetime | None:
    """Until when a plan that the account buys now costs nothing; None when it costs at once.

    What is left of a trial is Stripe's trial then: once for an account, from two days on.
    """
    if trial_ends_at - utc_now() < SHORTEST_TRIAL:
        return None
    account = await find_account(session, user_id)
    is_given = account is not None and account.trial_given_at is not None
    return None if is_given else trial_ends_at


def _outcome(status: str | None) -> CheckoutOutcome:
    match status:
        case "active" | "trialing":
            return CheckoutOutcome.ACTIVE
        case "incomplete_expired" | "canceled" | "unpaid" | "past_due":
            return CheckoutOutcome.FAILED
    return CheckoutOutcome.WAITING


async def _own_checkout(customer_id: str, user_id: str, session_id: str) -> StripeCheckout:
    try:
        found = await get_gateway().get_checkout(session_id)
    except StripeNotFound as error:
        raise NotFound from error
    if (found.customer_id, found.user_id) != (customer_id, user_id):
        raise NotFound
    return found


async def _trial_end(user_id: str, wanted: datetime | None) -> datetime | None:
    if wanted is None:
        return None
    async with unit_of_work() as session:
        return await free_until(session, user_id, wanted)


async def _one_checkout(
    lease: Lease, customer_id: str, price: PlanPrice, trial_end: datetime | None
) -> str:
    """The one open page for just this; those for something else are closed before.

    Raises AlreadySubscribed, with no page left open.
    """
    stripe = get_gateway()
    known = await stripe.list_checkouts(customer_id)
    terms = f"{price.id}:{trial_end.isoformat() if trial_end else ''}"
    found = await _keep_only(known, terms)
    # asked now that no other page is open: a plan that was paid on one until then is seen
    if live_ones(await stripe.list_subscriptions(customer_id)):
        if found is not None:
            await _close(found)
        await sync(lease)  # whatever page led here did not know it either
        raise AlreadySubscribed
    if found is None:
        found = await stripe.create_checkout(
            customer_id=customer_id,
            user_id=lease.user_id,
            price_id=price.id,
            terms=terms,
            trial_end=trial_end,
            success_url=f"{_billing_page()}?checkout={{CHECKOUT_SESSION_ID}}",
            cancel_url=_billing_page(),
            idempotency_key=_key(lease.user_id, terms, known),
        )
    if not found.url:
        # an answer that Stripe kept of a page that was used or closed meanwhile
        raise AlreadySubscribed if found.status == "complete" else StripeNotFound
    return found.url


async def _keep_only(known: Sequence[StripeCheckout], terms: str) -> StripeCheckout | None:
    kept: StripeCheckout | None = None
    for one in known:
        if one.status != "open":
            continue
        if kept is None and one.terms == terms and one.url:
            kept = one
        else:
            await _close(one)
    return kept


async def _close(checkout: StripeCheckout) -> None:
    """Let nobody pay on this page any more; one that was paid on just now is closed too."""
    stripe = get_gateway()
    try:
        await stripe.expire_checkout(checkout.id)
    except StripeError:
        if (await stripe.get_checkout(checkout.id)).status == "open":
            raise


def _key(user_id: str, terms: str, known: Sequence[StripeCheckout]) -> str:
    """The same for an act that is repeated, another once there has been another page since."""
    last = known[0].id if known else ""
    return "checkout:" + hashlib.sha256(f"{user_id}:{terms}:{last}".encode()).hexdigest()


def _billing_page() -> str:
    return get_settings().public_url + BILLING_PATH
