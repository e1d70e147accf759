"""The dialogs of the billing page: buy a plan, change it with the sums shown, cancel."""

from typing import Any

import reflex as rx

from app.ui.components import (
    button,
    day_time,
    dialog,
    dialog_actions,
    dialog_close,
    skeleton,
)
from app.ui.components.kinds import Text
from app.ui.pages.billing_state import BillingState
from app.ui.pages.plan_state import PlanState


def buy_dialog() -> rx.Component:
    """Says what is about to be bought, before the page is left for Stripe's."""
    return dialog(
        _problem(),
        dialog_actions(
            dialog_close(),
            button(
                "Continue to payment",
                on_click=PlanState.begin_checkout,
                variant="primary",
                busy=PlanState.busy == "checkout",
                auto_focus=True,
            ),
        ),
        title=f"Choose {PlanState.chosen_name}",
        description=(
            f"{PlanState.chosen_price}, until you cancel. You pay on the next page; the plan "
            "works as soon as the payment is confirmed."
        ),
        open=PlanState.dialog == "buy",
        on_open_change=PlanState.close_dialog,
    )


def change_dialog() -> rx.Component:
    """The sums of the change, line by line, before it is confirmed."""
    return dialog(
        rx.cond(
            PlanState.is_previewed,
            _sums(),
            rx.cond(PlanState.problem, rx.fragment(), skeleton("row", "row", "row")),
        ),
        _problem(),
        dialog_actions(
            dialog_close(),
            rx.cond(
                PlanState.problem,
                button("Try again", on_click=PlanState.load_preview, variant="primary"),
                button(
                    rx.cond(
                        PlanState.is_previewed & PlanState.preview.is_charged,
                        f"Pay {PlanState.preview.due_now} and change",
                        "Change plan",
                    ),
                    on_click=PlanState.confirm_change,
                    variant="primary",
                    busy=PlanState.busy == "change",
                    disabled=~rx.Var.create(PlanState.is_previewed).to(bool),
                ),
            ),
        ),
        title=f"Change to {PlanState.chosen_name}",
        description=rx.cond(
            BillingState.plan.can_resume,
            f"{PlanState.chosen_price}. What is left of your present plan is counted in. It stays "
            "canceled, and ends with its month or year, unless you resume it.",
            f"{PlanState.chosen_price}. What is left of your present plan is counted in.",
        ),
        open=PlanState.dialog == "change",
        on_open_change=PlanState.close_dialog,
    )


def cancel_dialog() -> rx.Component:
    """Says until when the plan works and what becomes of the account then."""
    return dialog(
        _problem(),
        dialog_actions(
            dialog_close("Keep plan", auto_focus=True),
            button(
                "Cancel plan",
                on_click=PlanState.confirm_cancel,
                variant="danger",
                busy=PlanState.busy == "cancel",
            ),
        ),
        title=f"Cancel {BillingState.plan.name}",
        description=rx.cond(
            BillingState.plan.paid_until_day,
            f"It works until {BillingState.plan.paid_until_day}, which is paid for. Then your "
            "account is on Free, and calls beyond its limits are refused. Until that day you can "
            "resume.",
            "It ends with its present month or year. Then your account is on Free, and calls "
            "beyond its limits are refused.",
        ),
        open=PlanState.dialog == "cancel",
        on_open_change=PlanState.close_dialog,
    )


def _sums() -> rx.Component:
    """The lines of the change, what is due now, and what comes next."""
    preview = PlanState.preview
    lines: Any = preview.lines
    return rx.el.dl(
        rx.foreach(lines, lambda line: _sum(line.description, line.amount)),
        _sum(rx.el.strong("Due now"), rx.el.strong(preview.due_now), class_name="sum-total"),
        _sum(
            rx.fragment("Then, from ", day_time(preview.next_at, preview.next_day)),
            preview.next_amount,
        ),
        class_name="sums numeric",
    )


def _sum(
    term: rx.Component | Text, amount: rx.Component | Text, *, class_name: str = ""
) -> rx.Component:
    return rx.el.div(rx.el.dt(term), rx.el.dd(amount), class_name=class_name)


def _problem() -> rx.Component:
    """What went wrong, in the dialog where it did."""
    return rx.el.div(
        rx.cond(PlanState.problem, rx.el.p(PlanState.problem, class_name="field-error")),
        role="alert",
        class_name="dialog-problem",
    )
