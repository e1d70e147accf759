"""Whether what the plans file sells is what Stripe would charge, for `doctor`."""

from contextlib import suppress

from app.billing.plans import Plans, Tier, load_plans
from app.billing.prices import CURRENCY
from app.core.settings import Settings
from app.integrations.stripe import Gateway, make_gateway
from app.integrations.stripe.errors import StripeMisconfigured, StripeNotFound, StripeUnavailable
from app.integrations.stripe.objects import StripePrice


async def check_prices(settings: Settings) -> str:
    """In words, what is sold. Raises ValueError that says what to mend."""
    if not settings.stripe_secret_key:
        if settings.has_sandbox:
            return "not set: the billing sandbox stands in for it, no money moves"
        return "not set: nothing can be bought"
    plans = load_plans(settings.plans_file)
    try:
        return await _check(make_gateway(settings), plans)
    except StripeMisconfigured as error:
        raise ValueError("Stripe does not take STRIPE_SECRET_KEY. Copy it again") from error
    except StripeUnavailable as error:
        raise ValueError("Stripe does not answer, or not as Stripe does") from error


async def _check(stripe: Gateway, plans: Plans) -> str:
    faults, checked = [], 0
    for tier in plans.tiers:
        for interval, price_id, cents in _sold(tier):
            fault = await _fault(stripe, price_id, interval, cents)
            checked += 1
            if fault:
                faults.append(f"tiers.{tier.id}: the {interval}'s price {price_id} {fault}")
    if faults:
        raise ValueError("; ".join(faults))
    if not checked:
        await _ask_anything(stripe)
        return "answers, but no plan has a price id, so nothing is sold: set them in PLANS_FILE"
    unsold = [tier.name for tier in plans.tiers if tier.monthly_usd_cents and not _sold(tier)]
    rest = f"; without a price, not sold: {', '.join(unsold)}" if unsold else ""
    return f"answers, {checked} prices are as in the plans file{rest}"


async def _ask_anything(stripe: Gateway) -> None:
    """Whether it answers at all, and takes the key."""
    with suppress(StripeNotFound):
        await stripe.get_price("price_none")


def _sold(tier: Tier) -> list[tuple[str, str, int]]:
    offered = [
        ("month", tier.monthly_price_id, tier.monthly_usd_cents),
        ("year", tier.yearly_price_id, tier.yearly_usd_cents),
    ]
    return [one for one in offered if one[1]]


async def _fault(stripe: Gateway, price_id: str, interval: str, cents: int) -> str | None:
    try:
        price = await stripe.get_price(price_id)
    except StripeNotFound:
        return "is not known to Stripe. Copy its id again; test and live have their own"
    return _difference(price, interval, cents)


def _difference(price: StripePrice, interval: str, cents: int) -> str | None:
    if not price.is_active:
        return "is archived at Stripe. Make it active, or name another"
    if (price.interval, price.interval_count) != (interval, 1):
        return f"is not for one {interval} at a time"
    if (price.unit_amount, price.currency) != (cents, CURRENCY):
        amount = "no fixed amount" if price.unit_amount is None else f"{price.unit_amount} cents"
        return f"charges {amount} of {price.currency}, the plans file says {cents} of {CURRENCY}"
    return None
