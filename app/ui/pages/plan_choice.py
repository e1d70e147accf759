"""Which plans can be chosen, and how the sums of a change of plan read."""

from dataclasses import dataclass

from app.billing.changes import ChangePreview
from app.billing.plans import Tier, get_plans
from app.billing.prices import INTERVALS, Interval, list_prices
from app.ui.figures import amount, day, tier_cents

CREDIT_KEPT = "Kept as credit for your next invoices"
CREDIT_USED = "From your credit"


@dataclass(frozen=True)
class LineView:
    """One line of what a change costs."""

    description: str
    amount: str


@dataclass(frozen=True)
class PreviewView:
    """What a change of plan costs, in words; `lines` is empty until Stripe has said it."""

    lines: tuple[LineView, ...] = ()
    due_now: str = ""
    is_charged: bool = False
    next_amount: str = ""
    next_at: str = ""
    next_day: str = ""


def offer_id(tier: Tier, interval: Interval) -> str:
    """What an offer of the plan table is called in a state's list."""
    return f"{tier.id}-{interval}"


def list_unsold() -> list[str]:
    """The offers of the plan table that nobody can buy now: Stripe knows no price for them."""
    sold = {offer_id(one.tier, one.interval) for one in list_prices()}
    offers = [(tier, interval) for tier in get_plans().tiers for interval in INTERVALS]
    shown = [offer_id(*offer) for offer in offers if tier_cents(*offer)]
    return [offer for offer in shown if offer not in sold]


def preview_view(found: ChangePreview) -> PreviewView:
    """The sums of a change, in words: the lines add up to what is due now."""
    currency = found.currency
    lines = [(line.description, line.amount_cents) for line in found.lines]
    credit = found.due_now_cents - sum(cents for _, cents in lines)
    if credit:
        lines.append((CREDIT_KEPT if credit > 0 else CREDIT_USED, credit))
    return PreviewView(
        lines=tuple(LineView(words, amount(cents, currency)) for words, cents in lines),
        due_now=amount(found.due_now_cents, currency),
        is_charged=found.due_now_cents > 0,
        next_amount=amount(found.next_cents, currency),
        next_at=found.next_at.isoformat(),
        next_day=day(found.next_at),
    )
