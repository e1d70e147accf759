"""The plans side by side, for the pricing page and for the billing page."""

from collections.abc import Callable, Sequence

import reflex as rx

from app.billing.plans import Tier
from app.billing.prices import Interval
from app.ui.figures import count, money, price, tier_cents
from app.ui.pages.plan_choice import offer_id

PlanAction = Callable[[Tier, Interval], rx.Component]
"""What stands under a plan's price: given the plan and how it would be paid."""

NOT_SOLD = "Not for sale yet"
WORDS: dict[Interval, str] = {"month": "Monthly", "year": "Yearly"}
MONTHS_A_YEAR = 12

_ROWS: tuple[tuple[str, Callable[[Tier], str]], ...] = (
    ("Units a month", lambda tier: count(tier.units_per_month)),
    ("Requests a second, each key", lambda tier: count(tier.requests_per_second)),
    ("Keys", lambda tier: count(tier.keys)),
    ("Calls stay in the log", lambda tier: f"{tier.log_days} days"),
)


def plan_table(
    tiers: Sequence[Tier],
    action: PlanAction,
    *,
    unsold: list[str],
    is_yearly: bool | rx.Var[bool] = False,
) -> rx.Component:
    """A column for each plan, and above them the choice between monthly and yearly prices.

    Both prices are drawn and CSS shows one, so that it works before any script has loaded.
    `is_yearly` is the choice that the page begins with; `unsold` a state's list of the offers
    that have no action.
    """

    def sold(tier: Tier, interval: Interval) -> rx.Component:
        is_unsold = rx.Var.create(unsold).contains(offer_id(tier, interval))
        return rx.cond(is_unsold, rx.el.p(NOT_SOLD, class_name="muted"), action(tier, interval))

    return rx.el.div(
        interval_switch(is_yearly) if any(tier.yearly_usd_cents for tier in tiers) else "",
        rx.el.table(
            rx.el.caption("Plans compared", class_name="sr-only"),
            rx.el.thead(rx.el.tr(rx.el.td(), *[_head(tier, sold) for tier in tiers])),
            rx.el.tbody(*[_row(label, value, tiers) for label, value in _ROWS]),
            class_name="plans numeric",
            style={"--plans": str(len(tiers))},
        ),
        class_name="plan-choice",
    )


def interval_switch(is_yearly: bool | rx.Var[bool] = False) -> rx.Component:
    """Radio buttons, which begin anew with each change of `is_yearly`."""
    checked = {"month": ~is_yearly if isinstance(is_yearly, rx.Var) else not is_yearly}
    return rx.el.fieldset(
        rx.el.legend("Billed", class_name="sr-only"),
        rx.el.div(
            *[
                rx.el.label(
                    rx.el.input(
                        type="radio",
                        name="interval",
                        value=value,
                        default_checked=checked.get(value, is_yearly),
                        class_name="sr-only",
                    ),
                    words,
                )
                for value, words in WORDS.items()
            ],
            class_name="segments",
        ),
        key=rx.cond(is_yearly, "yearly", "monthly"),
    )


def _head(tier: Tier, action: PlanAction) -> rx.Component:
    return rx.el.th(
        rx.el.div(
            rx.el.h3(tier.name),
            *_offers(tier, action),
            rx.el.p(tier.description, class_name="muted plan-words"),
            class_name="plan-head",
        ),
        scope="col",
    )


def _offers(tier: Tier, action: PlanAction) -> list[rx.Component]:
    """What the plan costs and what can be done: monthly, then yearly, of which one shows."""
    if not tier.monthly_usd_cents:
        return [_offer(tier, "month", "no card", action)]
    if not tier.yearly_usd_cents:
        return [_offer(tier, "month", "billed monthly", action)]
    saved = MONTHS_A_YEAR * tier.monthly_usd_cents - tier.yearly_usd_cents
    return [
        _offer(tier, "month", "billed monthly", action, shown="per-month"),
        _offer(
            tier,
            "year",
            f"saves {money(saved)}" if saved > 0 else "billed yearly",
            action,
            shown="per-year",
        ),
    ]


def _offer(
    tier: Tier, interval: Interval, note: str, action: PlanAction, *, shown: str = ""
) -> rx.Component:
    """`shown` is the class of the interval that it shows with; "" shows it with both."""
    return rx.el.div(
        rx.el.div(
            rx.el.p(price(tier_cents(tier, interval), interval)),
            rx.el.p(note, class_name="muted"),
        ),
        rx.el.div(action(tier, interval), class_name="plan-action"),
        class_name=f"plan-offer {shown}".strip(),
    )


def _row(label: str, value: Callable[[Tier], str], tiers: Sequence[Tier]) -> rx.Component:
    return rx.el.tr(rx.el.th(label, scope="row"), *[rx.el.td(value(tier)) for tier in tiers])
