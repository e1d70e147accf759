"""Changing, ending and resuming a plan: Stripe is asked first, and then what it says is written."""

from dataclasses import dataclass
from datetime import datetime

from app.billing.apply import sync
from app.billing.errors import (
    BillingBusy,
    NotSubscribed,
    PaymentDue,
    PlanUnchanged,
    PreviewOutdated,
)
from app.billing.facts import choose, live_ones
from app.billing.lease import Lease, leased
from app.billing.prices import CURRENCY, PlanPrice, get_price
from app.billing.repository import get_account, get_customer_id
from app.core.database import unit_of_work
from app.integrations.stripe import get_gateway
from app.integrations.stripe.objects import StripePreview, StripeSubscription

PREVIEW_SECONDS = 3600
"""How long the sums of a preview may be confirmed."""


@dataclass(frozen=True, slots=True)
class PreviewLine:
    """One line of what a change would cost; a negative amount is given back."""

    description: str
    amount_cents: int


@dataclass(frozen=True, slots=True)
class ChangePreview:
    """What changing to another plan costs now, and from when on how much.

    `proration_at`: the moment, in Unix seconds, that the sums hold for. What is given back and
    not used now stays as credit for the next invoices.
    """

    lines: tuple[PreviewLine, ...]
    due_now_cents: int
    next_cents: int
    next_at: datetime
    proration_at: int
    currency: str


async def preview_change(user_id: str, tier_id: str, interval: str) -> ChangePreview:
    """What changing to this plan would cost now.

    Raises PlanNotSold, NotSubscribed, PlanUnchanged, PaymentDue, StripeError.
    """
    price = get_price(tier_id, interval)
    async with unit_of_work() as session:
        customer_id = await get_customer_id(session, user_id)
    bought = await _changeable(customer_id, price)
    if _is_trial(bought):
        return _trial_preview(bought, price)
    return _preview(await get_gateway().preview_price(bought, price.id), price)


async def change_plan(user_id: str, tier_id: str, interval: str, *, proration_at: int) -> None:
    """Change to this plan, at the sums of the preview; the difference is charged at once.

    Repeated after a crash or a lost answer, it is charged once. Raises as preview_change, and
    PreviewOutdated, PaymentDeclined (then nothing is changed) and BillingBusy.
    """
    price = get_price(tier_id, interval)
    async with unit_of_work() as session:
        customer_id = await get_customer_id(session, user_id)
    async with leased(user_id) as lease:
        try:
            bought = await _changeable(customer_id, price)
        except PlanUnchanged:
            await sync(lease)  # done before, and perhaps not written down
            raise
        await _check_age(bought, price, proration_at)
        act = await _act(user_id)
        await get_gateway().change_price(
            bought,
            price.id,
            proration_at=proration_at,
            idempotency_key=f"change:{bought.id}:{bought.price_id}:{price.id}:{proration_at}:{act}",
        )
        await _finish(lease)


async def cancel(user_id: str) -> None:
    """Let the plan end with its period. Raises NotSubscribed, BillingBusy, StripeError."""
    await _set_ending(user_id, is_ending=True)


async def resume(user_id: str) -> None:
    """Let a plan that was to end go on. Raises NotSubscribed, BillingBusy, StripeError."""
    await _set_ending(user_id, is_ending=False)


async def _set_ending(user_id: str, *, is_ending: bool) -> None:
    async with unit_of_work() as session:
        customer_id = await get_customer_id(session, user_id)
    async with leased(user_id) as lease:
        bought = await _live(customer_id)
        if bought.cancel_at_period_end != is_ending:
            act = await _act(user_id)
            await get_gateway().set_ending(
                bought,
                is_ending=is_ending,
                idempotency_key=f"{'end' if is_ending else 'go-on'}:{bought.id}:{act}",
            )
        await _finish(lease)
        if (await _live(customer_id)).cancel_at_period_end != is_ending:
            raise BillingBusy  # somebody else has changed it just now


async def _act(user_id: str) -> int:
    """The number of this act: the same until it is written down that it was done."""
    async with unit_of_work() as session:
        return (await get_account(session, user_id)).acts


async def _finish(lease: Lease) -> None:
    """Write down what Stripe says after an act, and that the act is done."""
    await sync(lease)
    async with unit_of_work() as session:
        await lease.confirm(session)
        (await get_account(session, lease.user_id)).acts += 1


async def _live(customer_id: str) -> StripeSubscription:
    bought = choose(live_ones(await get_gateway().list_subscriptions(customer_id)))
    if bought is None:
        raise NotSubscribed
    return bought


async def _changeable(customer_id: str, price: PlanPrice) -> StripeSubscription:
    bought = await _live(customer_id)
    if bought.status not in {"active", "trialing"}:
        raise PaymentDue
    if bought.price_id == price.id:
        raise PlanUnchanged
    return bought


async def _check_age(bought: StripeSubscription, price: PlanPrice, proration_at: int) -> None:
    """A preview is not from long ago, by Stripe's clock, nor from before this period.

    The number is anybody's claim, and decides how much of the old plan is given back.
    """
    begins = _begins_at(bought)
    if _is_trial(bought):
        earliest = latest = float(begins)
    else:
        latest = (await get_gateway().preview_price(bought, price.id)).made_at.timestamp()
        earliest = max(begins, latest - PREVIEW_SECONDS)
    if not earliest <= proration_at <= latest:
        raise PreviewOutdated


def _is_trial(bought: StripeSubscription) -> bool:
    """Whether nothing is charged yet: a change then is only of what follows the trial."""
    return bought.status == "trialing"


def _begins_at(bought: StripeSubscription) -> int:
    return int(bought.period_start.timestamp()) if bought.period_start else 0


def _trial_preview(bought: StripeSubscription, price: PlanPrice) -> ChangePreview:
    """Nothing is due now. (Stripe would show the invoice that the trial ends with.)"""
    return ChangePreview(
        lines=(),
        due_now_cents=0,
        next_cents=price.unit_amount,
        next_at=bought.trial_end or bought.created_at,  # Stripe gives each trial an end
        proration_at=_begins_at(bought),
        currency=CURRENCY,
    )


def _preview(found: StripePreview, price: PlanPrice) -> ChangePreview:
    return ChangePreview(
        lines=tuple(PreviewLine(line.description, line.amount_cents) for line in found.lines),
        due_now_cents=found.due_cents,
        next_cents=price.unit_amount,
        next_at=max((line.period_end for line in found.lines), default=found.made_at),
        proration_at=int(found.made_at.timestamp()),
        currency=found.currency,
    )
