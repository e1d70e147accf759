"""The dialogs that turn a trial into a plan, one for each way that it can take."""

import reflex as rx

from app.billing.plans import Tier
from app.trials.tiers import list_trial_tiers
from app.ui.components import (
    button,
    choice_field,
    dialog,
    dialog_actions,
    dialog_close,
    link_button,
)
from app.ui.figures import price, tier_cents
from app.ui.pages.conversion_state import ConversionState
from app.ui.pages.plan_table import interval_switch
from app.ui.pages.trial_state import TrialState


def convert_dialogs() -> rx.Component:
    """At most one of them is open."""
    return rx.fragment(_convert_dialog(), _buy_dialog(), _pay_dialog())


def _convert_dialog() -> rx.Component:
    """With a plan that is paid for: one word is enough."""
    return dialog(
        _problem(),
        dialog_actions(
            dialog_close(),
            button(
                "Convert trial",
                on_click=ConversionState.convert_trial,
                variant="primary",
                auto_focus=True,
            ),
        ),
        title=_title(),
        description=f"Your plan, {ConversionState.plan_name}, takes over {_taken_over()}",
        open=ConversionState.way == "convert",
        on_open_change=ConversionState.close_convert,
    )


def _buy_dialog() -> rx.Component:
    """Without a plan: which one, and what is charged when."""
    return dialog(
        rx.el.form(
            rx.el.div(
                interval_switch(),
                choice_field(
                    "tier_id",
                    "Plan",
                    [(tier.id, tier.name, _price(tier)) for tier in list_trial_tiers()],
                    chosen=TrialState.trial.tier_id,
                    prefix="buy",
                ),
                class_name="plan-choice",
            ),
            rx.cond(ConversionState.free_until, _free_days()),
            _problem(),
            dialog_actions(
                dialog_close(),
                button(
                    "Continue to payment",
                    kind="submit",
                    variant="primary",
                    busy=ConversionState.is_busy,
                ),
            ),
            on_submit=ConversionState.buy_and_convert,
            class_name="stack",
        ),
        title=_title(),
        description=(f"Once the plan begins, it takes over {_taken_over()}"),
        open=ConversionState.way == "buy",
        on_open_change=ConversionState.close_convert,
    )


def _pay_dialog() -> rx.Component:
    """With a plan whose last payment failed: that comes first."""
    return dialog(
        dialog_actions(
            dialog_close(), link_button("Go to Billing", "/billing/", variant="primary")
        ),
        title=_title(),
        description=(
            f"The last payment of your plan, {ConversionState.plan_name}, failed. Pay it first; "
            "then convert the trial."
        ),
        open=ConversionState.way == "pay",
        on_open_change=ConversionState.close_convert,
    )


def _taken_over() -> rx.Var[str]:
    return rx.cond(
        TrialState.trial.key_count,
        f"{TrialState.trial.its_keys}, live at once: the same secrets, no outage, nothing to "
        "change in your programs.",
        "the trial, which has no keys yet.",
    )


def _title() -> str:
    return f"Convert {TrialState.trial.name}"


def _price(tier: Tier) -> rx.Component:
    """What the plan costs for the interval that is chosen; CSS shows the one of both."""
    monthly = price(tier_cents(tier, "month"), "month")
    if not tier.yearly_usd_cents:
        return rx.fragment(monthly)
    return rx.fragment(
        rx.el.span(monthly, class_name="per-month"),
        rx.el.span(price(tier_cents(tier, "year"), "year"), class_name="per-year"),
    )


def _free_days() -> rx.Component:
    return rx.el.p(
        f"The rest of your trial stays free: nothing is charged before "
        f"{ConversionState.free_until}.",
        class_name="muted",
    )


def _problem() -> rx.Component:
    """What went wrong, in the dialog where it did."""
    problem = ConversionState.problem
    return rx.el.div(
        rx.cond(problem, rx.el.p(problem, class_name="field-error")),
        role="alert",
        class_name="dialog-problem",
    )
