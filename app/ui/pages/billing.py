"""The billing page: the plan, what is used of it, other plans, and invoices."""

import reflex as rx

from app.billing.overview import Interval
from app.billing.plans import FREE, Tier, get_plans
from app.ui.components import (
    badge,
    banner,
    button,
    day_time,
    leave_for,
    link_button,
    meter,
    notice,
    plain_link,
    skeleton,
    waiting,
)
from app.ui.pages.billing_dialogs import buy_dialog, cancel_dialog, change_dialog
from app.ui.pages.billing_invoices import invoices
from app.ui.pages.billing_state import BillingState
from app.ui.pages.checkout_state import POLL_INTERVAL_MS, CheckoutState
from app.ui.pages.frame import portal_page
from app.ui.pages.plan_state import PlanState
from app.ui.pages.plan_table import plan_table

REFRESH_INTERVAL_MS = 3000
SANDBOX_CLOCK = "/sandbox/clock"


def billing_page() -> rx.Component:
    """The page itself."""
    return portal_page(
        "Billing",
        _passing(PlanState.leaving_to != "", "Opening the payment page…"),
        _checkout_wait(),
        notice(
            BillingState.message,
            action=rx.cond(BillingState.has_new_keys, link_button("See your keys", "/keys/")),
        ),
        rx.cond(
            BillingState.is_loaded,
            rx.el.div(_sandbox_mark(), _plan(), _plans(), invoices(), class_name="stack-l"),
            skeleton("tile", "row", "row", "row"),
        ),
        rx.moment(interval=REFRESH_INTERVAL_MS, on_change=BillingState.refresh, display="none"),
        leave_for(PlanState.leaving_to),
        buy_dialog(),
        change_dialog(),
        cancel_dialog(),
        purpose="Your plan, what you have used of it, and your invoices.",
        active="/billing/",
        pay_action=_pay_now(),
        action=rx.cond(
            BillingState.plan.has_customer,
            button(
                "Manage card and invoices",
                on_click=PlanState.open_portal,
                busy=(PlanState.busy == "portal") | (PlanState.leaving_to != ""),
            ),
        ),
    )


def _pay_now() -> rx.Component:
    """To the open invoice's own page, or to where the card is changed."""
    return rx.cond(
        BillingState.open_invoice_url,
        plain_link("Pay now", BillingState.open_invoice_url, class_name="button"),
        button("Pay now", on_click=PlanState.open_portal, busy=PlanState.busy == "portal"),
    )


def _passing(is_so: bool | rx.Var[bool], words: str) -> rx.Component:
    """What the page waits for, while it does."""
    return rx.el.div(rx.cond(is_so, banner(waiting(words), tone="accent")), class_name="notice")


def _checkout_wait() -> rx.Component:
    """What becomes of the checkout that the customer has just come from."""
    again = button("Check again", on_click=CheckoutState.ask_again)
    return rx.fragment(
        _passing(CheckoutState.is_waiting, "Waiting until your payment is confirmed…"),
        rx.cond(
            CheckoutState.is_waiting,
            rx.moment(interval=POLL_INTERVAL_MS, on_change=CheckoutState.check, display="none"),
        ),
        notice(
            CheckoutState.trouble,
            tone="warn",
            action=rx.cond(CheckoutState.can_ask_again, again),
        ),
    )


def _sandbox_mark() -> rx.Component:
    return rx.cond(
        BillingState.plan.is_sandbox,
        banner(
            rx.el.strong("Sandbox: no money moves."),
            " Cards are test cards. Move its clock to see renewals and failed payments.",
            action=plain_link("Open the clock", SANDBOX_CLOCK),
        ),
    )


def _plan() -> rx.Component:
    """What the account has, until when, and how much of it is used."""
    plan = BillingState.plan
    return rx.el.section(
        rx.el.div(
            rx.el.div(
                rx.el.div(
                    rx.el.h2(plan.name),
                    rx.cond(plan.status, badge(plan.status, plan.tone)),
                    class_name="row",
                ),
                rx.el.p(plan.price),
                rx.el.p(_note(), class_name="muted"),
                class_name="stack-s",
            ),
            _plan_actions(),
            class_name="row row-between row-top",
        ),
        meter(
            plan.used_percent,
            plan.used,
            rx.fragment("Resets on ", day_time(plan.resets_at, plan.resets_day)),
        ),
        aria_label="Your plan",
        class_name="card stack",
    )


def _note() -> rx.Component:
    plan = BillingState.plan
    return rx.fragment(
        plan.note_before,
        rx.cond(plan.note_at, day_time(plan.note_at, plan.note_day)),
        plan.note_after,
    )


def _plan_actions() -> rx.Component:
    plan = BillingState.plan
    resume = button(
        "Resume plan",
        on_click=PlanState.resume_plan,
        variant="primary",
        busy=PlanState.busy == "resume",
    )
    cancel = button("Cancel plan", on_click=PlanState.choose_plan(FREE, ""))
    return rx.cond(plan.can_resume, resume, rx.cond(plan.is_subscribed, cancel, rx.fragment()))


def _plans() -> rx.Component:
    return rx.el.section(
        rx.el.h2("Plans"),
        plan_table(
            get_plans().tiers,
            _plan_action,
            unsold=BillingState.unsold,
            is_yearly=BillingState.plan.interval == "year",
        ),
        class_name="stack",
        aria_label="Plans",
    )


def _plan_action(tier: Tier, interval: Interval) -> rx.Component:
    plan = BillingState.plan
    is_theirs = plan.tier == tier.id
    if tier.id == FREE:
        return rx.cond(is_theirs, badge("Your plan", "accent"))
    choose = button(
        "Choose",
        on_click=PlanState.choose_plan(tier.id, interval),
        aria_label=f"Choose {tier.name}",
    )
    return rx.cond(is_theirs & (plan.interval == interval), badge("Your plan", "accent"), choose)
