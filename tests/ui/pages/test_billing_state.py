"""What the billing page shows of the plan, of payments that failed, and of invoices."""

from typing import Any

import pytest

from app.billing.invoices import InvoiceRow
from app.core.errors import LatchkeyError
from app.ui.pages.billing_state import BillingState
from app.ui.pages.pricing import PricingState
from app.ui.plan_words import PlanView
from app.ui.state import PortalState
from tests.conftest import UnitOfWork
from tests.factories import make_user
from tests.ui.pages.billing_world import PERIOD_END, BillingPage, in_days, make_overview


@pytest.fixture
async def page(unit_of_work: UnitOfWork, monkeypatch: pytest.MonkeyPatch) -> BillingPage:
    async with unit_of_work() as session:
        user = await make_user(session)
    return BillingPage(monkeypatch, user)


def sentence(plan: PlanView) -> str:
    return plan.note_before + plan.note_day + plan.note_after


@pytest.mark.parametrize(
    ("overview", "status", "words"),
    [
        ({}, "", "No card needed. Choose a plan below for more units."),
        ({"tier": "standard"}, "Active", "Renews on 25 December 2026."),
        (
            {"tier": "standard", "status": "trialing"},
            "Trial",
            "The first payment is due on 25 December 2026.",
        ),
        (
            {"tier": "standard", "access": "ending", "ends_at": PERIOD_END},
            "Ends",
            "Ends on 25 December 2026. Then the account is on Free.",
        ),
        (
            {"tier": "standard", "access": "grace", "grace_ends_at": in_days(7)},
            "Payment failed",
            "Works until 1 January 2027; then calls are refused.",
        ),
        (
            {"tier": "standard", "access": "blocked"},
            "Unpaid",
            "Calls are refused until the open invoice is paid.",
        ),
    ],
)
async def test_plan_says_what_comes_next(
    page: BillingPage, overview: dict[str, Any], status: str, words: str
) -> None:
    page.overview = make_overview(**overview)
    await page.open()
    plan = (await page.billing()).plan
    assert (plan.status, sentence(plan)) == (status, words)
    assert plan.name == page.overview.tier.name


async def test_price_that_is_no_longer_sold_is_not_told_as_the_present_one(
    page: BillingPage,
) -> None:
    page.overview = make_overview(tier="standard", interval=None)
    await page.open()
    assert (await page.billing()).plan.price == "At a price that is no longer sold"
    page.overview = make_overview()
    await page.open()
    assert (await page.billing()).plan.price == "$0 a month"


async def test_ending_plan_can_be_resumed_until_stripe_has_ended_it(page: BillingPage) -> None:
    ending = {"tier": "standard", "access": "ending", "ends_at": PERIOD_END}
    page.overview = make_overview(**ending, cancel_at_period_end=True)
    await page.open()
    billing = await page.billing()
    assert (billing.plan.is_subscribed, billing.plan.can_resume) == (True, True)
    page.overview = make_overview(**ending, cancel_at_period_end=True, status="canceled")
    await page.open()
    assert (billing.plan.is_subscribed, billing.plan.can_resume) == (False, False)


async def test_failed_payment_is_told_on_every_page_with_the_day_access_ends(
    page: BillingPage,
) -> None:
    page.overview = make_overview(tier="standard", access="grace", grace_ends_at=in_days(7))
    await page.open()
    state = await page.billing()
    await PortalState.load_user.fn(state)
    assert state.payment_alert == (
        "Your last payment failed. Your plan works until 1 January 2027; then calls are refused."
    )
    page.overview = make_overview(tier="standard")
    await state.refresh()
    assert state.payment_alert == ""


async def test_invoices_are_asked_for_again_only_when_the_plan_has_changed(
    page: BillingPage,
) -> None:
    await page.open()
    state = await page.billing()
    assert await state.refresh() is None
    page.overview = make_overview(tier="standard")
    assert await state.refresh() is not None
    assert state.plan.tier == "standard"


async def test_invoices_are_listed_and_the_open_one_can_be_paid(page: BillingPage) -> None:
    row = InvoiceRow("LK-0002", PERIOD_END, 4_900, "usd", "open", "https://pay.example", None)
    paid = InvoiceRow(None, PERIOD_END, 49_000, "eur", "paid", None, "https://pdf.example")
    page.answers["list_invoices"] = [row, paid]
    await page.call(BillingState.load_invoices)
    state = await page.billing()
    first, second = state.invoices
    assert (first.number, first.amount, first.status) == ("LK-0002", "$49.00", "Open")
    assert (second.number, second.amount, second.status) == ("Draft", "EUR 490.00", "Paid")
    assert (first.day, first.pdf_url) == ("25 December 2026", "")
    assert state.open_invoice_url == "https://pay.example"
    assert page.calls == [("list_invoices", page.user.id)]


async def test_invoice_of_what_was_given_back_is_a_credit(page: BillingPage) -> None:
    back = InvoiceRow("LK-0003", PERIOD_END, -45_000, "usd", "paid", None, None)
    page.answers["list_invoices"] = [back]
    await page.call(BillingState.load_invoices)
    [row] = (await page.billing()).invoices
    assert (row.status, row.amount) == ("Credit", "\N{MINUS SIGN}$450.00")


async def test_invoices_that_were_there_stay_when_stripe_does_not_answer(page: BillingPage) -> None:
    page.answers["list_invoices"] = [
        InvoiceRow("LK-1", PERIOD_END, 4_900, "usd", "paid", None, None)
    ]
    await page.call(BillingState.load_invoices)
    page.answers["list_invoices"] = LatchkeyError("Stripe does not answer. Try again.")
    await page.call(BillingState.load_invoices)
    state = await page.billing()
    assert state.invoices_problem == "Stripe does not answer. Try again."
    assert [row.number for row in state.invoices] == ["LK-1"]


async def test_pricing_knows_its_customers_and_strangers(
    page: BillingPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = PricingState(_reflex_internal_init=True)
    await state.load()
    assert (state.is_customer, state.tier) == (False, "")
    page.overview = make_overview(tier="standard", interval="year")
    monkeypatch.setattr(
        "app.ui.pages.pricing.find_caller", lambda: type("Caller", (), {"user_id": page.user.id})
    )
    await state.load()
    assert (state.is_customer, state.tier, state.interval) == (True, "standard", "year")
