"""The plans side by side, as the plans file has them, and the terms of trials."""

from collections.abc import Callable

import reflex as rx

from app.billing.plans import FREE, Plans, Tier, get_plans
from app.ui.components import link_button
from app.ui.layouts import public_layout
from app.ui.pages.prices import count, price

ROUTE = "/pricing"
TITLE = "Pricing"
DESCRIPTION = (
    "What each plan gives: units a month, requests a second, keys, and how long the log is kept."
)

_ROWS: tuple[tuple[str, Callable[[Tier], str]], ...] = (
    ("Units a month", lambda tier: count(tier.units_per_month)),
    ("Requests a second, each key", lambda tier: count(tier.requests_per_second)),
    ("Keys", lambda tier: count(tier.keys)),
    ("Calls stay in the log", lambda tier: f"{tier.log_days} days"),
)


def pricing_page() -> rx.Component:
    """A table of the plans; one unit is one answered call of the screening API."""
    plans = get_plans()
    return public_layout(
        rx.el.div(
            rx.el.div(
                rx.el.h1("Pay for answers"),
                rx.el.p(
                    "One answered call costs one unit. Refused and failed calls cost nothing.",
                    class_name="lead",
                ),
                class_name="section-head",
            ),
            _table(plans),
            _trial_terms(plans),
            class_name="wrap section",
        ),
        active="/pricing/",
    )


def _table(plans: Plans) -> rx.Component:
    return rx.el.table(
        rx.el.caption("Plans compared", class_name="sr-only"),
        rx.el.thead(rx.el.tr(rx.el.td(), *[_head(tier) for tier in plans.tiers])),
        rx.el.tbody(*[_row(label, value, plans) for label, value in _ROWS]),
        class_name="plans numeric",
    )


def _head(tier: Tier) -> rx.Component:
    yearly = f"or {price(tier.yearly_usd_cents, 'year')}" if tier.yearly_usd_cents else "no card"
    return rx.el.th(
        rx.el.div(
            rx.el.h2(tier.name),
            rx.el.div(
                rx.el.p(price(tier.monthly_usd_cents)),
                rx.el.p(yearly, class_name="muted"),
            ),
            rx.el.p(tier.description, class_name="muted plan-words"),
            link_button(
                "Sign up",
                "/sign-up/",
                variant="primary" if tier.id == FREE else "secondary",
                aria_label=f"Sign up for {tier.name}",
            ),
            class_name="plan-head",
        ),
        scope="col",
    )


def _row(label: str, value: Callable[[Tier], str], plans: Plans) -> rx.Component:
    return rx.el.tr(rx.el.th(label, scope="row"), *[rx.el.td(value(tier)) for tier in plans.tiers])


def _trial_terms(plans: Plans) -> rx.Component:
    terms = plans.trials
    return rx.el.div(
        rx.el.h2("Trials"),
        rx.el.p(
            "Trials and paid plans are not open yet; every account is on the free plan. "
            f"A trial will last {terms.days} days and have {count(terms.units)} units. No card "
            "will be asked for. When it ends, its keys stop and you can still read its log; "
            f"{terms.data_days} days later its data is deleted, unless you have moved to a plan.",
            class_name="muted",
        ),
        class_name="stack-s section-head",
    )
