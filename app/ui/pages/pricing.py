"""The plans side by side, as the plans file has them, and the terms of trials."""

from urllib.parse import urlencode

import reflex as rx

from app.billing.overview import Interval, get_overview
from app.billing.plans import FREE, Plans, Tier, get_plans
from app.core.database import unit_of_work
from app.ui.components import link_button
from app.ui.figures import count
from app.ui.guard import find_caller, public
from app.ui.layouts import public_layout
from app.ui.pages.plan_choice import list_unsold
from app.ui.pages.plan_table import plan_table

ROUTE = "/pricing"
TITLE = "Pricing"
DESCRIPTION = (
    "What each plan gives: units a month, requests a second, keys, and how long the log is kept."
)
BILLING, TRIALS = "/billing/", "/trials/"


class PricingState(rx.State):
    """Who looks at the prices: a stranger, or a customer with a plan."""

    unsold: list[str] = []
    is_customer: bool = False
    tier: str = ""
    interval: str = ""

    @public
    async def load(self) -> None:
        """Lead customers to their billing page, and strangers to sign up."""
        caller = find_caller()
        self.unsold = list_unsold()
        self.is_customer = caller is not None
        if caller is None:
            return
        async with unit_of_work() as session:
            overview = await get_overview(session, caller.user_id)
        self.tier, self.interval = overview.tier.id, overview.interval or ""


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
            rx.el.section(
                rx.el.h2("Plans", class_name="sr-only"),
                plan_table(plans.tiers, _action, unsold=PricingState.unsold),
            ),
            _trial_terms(plans),
            class_name="wrap section",
        ),
        active="/pricing/",
    )


def plan_address(tier: Tier, interval: Interval) -> str:
    """Where a customer goes to take this plan."""
    return f"{BILLING}?{urlencode({'plan': tier.id, 'interval': interval})}"


def trial_address(tier: Tier) -> str:
    """Where a customer goes to try this plan."""
    return f"{TRIALS}?{urlencode({'tier': tier.id})}"


def _action(tier: Tier, interval: Interval) -> rx.Component:
    """Prerendered for strangers; a customer's socket puts the other in its place."""
    return rx.cond(
        PricingState.is_customer, _customer_action(tier, interval), _stranger_action(tier, interval)
    )


def _stranger_action(tier: Tier, interval: Interval) -> rx.Component:
    if tier.id == FREE:
        return link_button("Sign up", "/sign-up/", variant="primary", aria_label="Sign up for Free")
    return _paid_actions(
        tier, _sign_up_for(plan_address(tier, interval)), _sign_up_for(trial_address(tier))
    )


def _sign_up_for(address: str) -> str:
    return f"/sign-up/?{urlencode({'next': address})}"


def _customer_action(tier: Tier, interval: Interval) -> rx.Component:
    is_theirs = PricingState.tier == tier.id
    if tier.id != FREE:
        is_theirs &= PricingState.interval == interval
    choice = _choose(tier, plan_address(tier, interval))
    if tier.id != FREE:
        choice = _paid_actions(tier, plan_address(tier, interval), trial_address(tier))
    return rx.cond(is_theirs, link_button("Your plan", BILLING), choice)


def _paid_actions(tier: Tier, plan: str, trial: str) -> rx.Component:
    """The plan, or a trial of it first."""
    return rx.el.div(
        _choose(tier, plan),
        rx.el.a("Start a trial", href=trial, aria_label=f"Start a trial of {tier.name}"),
        class_name="plan-ways",
    )


def _choose(tier: Tier, address: str) -> rx.Component:
    return link_button("Choose", address, aria_label=f"Choose {tier.name}")


def _trial_terms(plans: Plans) -> rx.Component:
    terms = plans.trials
    return rx.el.div(
        rx.el.h2("Trials"),
        rx.el.p(
            f"A trial lasts {terms.days} days and has {count(terms.units)} units, with the limits "
            "of the plan that you try. No card is asked for. Convert it to the plan and the same "
            "keys go on without an outage. Otherwise its keys stop when it ends, you can still "
            f"read its log, and {terms.data_days} days later its data is deleted. There is one "
            "trial of each plan in twelve months.",
            class_name="muted",
        ),
        class_name="stack-s section-head",
    )
