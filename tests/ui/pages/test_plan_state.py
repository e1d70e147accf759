"""Buying, changing, canceling and resuming a plan on the billing page, before any browser."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from app.billing.changes import ChangePreview, PreviewLine
from app.billing.errors import AlreadySubscribed, PaymentDue, PlanNotSold
from app.billing.plans import get_plans
from app.core.settings import Settings
from app.ui.pages.billing_state import BillingState
from app.ui.pages.plan_choice import CREDIT_KEPT, CREDIT_USED, LineView, preview_view
from app.ui.pages.plan_state import CANCELED, PlanState
from tests.conftest import UnitOfWork
from tests.factories import make_user
from tests.ui.pages.billing_world import PERIOD_END, BillingPage, make_overview

PREVIEW = ChangePreview(
    lines=(PreviewLine("Unused time", -4_733), PreviewLine("Remaining time", 48_212)),
    due_now_cents=43_479,
    next_cents=49_900,
    next_at=PERIOD_END,
    proration_at=1_795_000_000,
    currency="usd",
)


@pytest.fixture
async def page(unit_of_work: UnitOfWork, monkeypatch: pytest.MonkeyPatch) -> BillingPage:
    async with unit_of_work() as session:
        user = await make_user(session)
    return BillingPage(monkeypatch, user)


@pytest.fixture
async def subscriber(page: BillingPage) -> BillingPage:
    """The page of a customer on Standard."""
    page.overview = make_overview(tier="standard")
    page.answers["preview_change"] = PREVIEW
    await page.open()
    return page


async def test_free_customer_is_sent_to_the_checkout_of_the_chosen_plan(page: BillingPage) -> None:
    page.answers["start_checkout"] = "https://checkout.example/cs_1"
    await page.open()
    await page.call(PlanState.choose_plan, "standard", "year")
    plan = await page.plan()
    assert (plan.dialog, plan.chosen_price) == ("buy", "$490 a year")
    await page.call(PlanState.begin_checkout)
    assert page.calls == [("start_checkout", page.user.id, "standard", "year")]
    assert page.shown == [("leaving_to", "https://checkout.example/cs_1")]
    assert (plan.busy, plan.leaving_to, plan.dialog) == ("", "", "")


async def test_address_with_a_plan_opens_its_choice_and_buys_nothing(page: BillingPage) -> None:
    await page.open("/billing/?plan=enterprise&interval=month")
    plan = await page.plan()
    assert (plan.dialog, plan.chosen_tier) == ("buy", "enterprise")
    assert page.calls == []


@pytest.mark.parametrize(
    ("tier_id", "interval"),
    [("platinum", "month"), ("standard", "week"), ("standard", ["month"]), (None, "month")],
)
async def test_plan_that_is_not_sold_is_refused_in_words(
    page: BillingPage, tier_id: Any, interval: Any
) -> None:
    await page.open()
    with pytest.raises(PlanNotSold):
        await page.call(PlanState.choose_plan, tier_id, interval)
    assert (await page.plan()).dialog == ""


async def test_plan_without_a_yearly_price_is_not_sold_by_the_year(
    page: BillingPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monthly = replace(get_plans().get_tier("standard"), yearly_usd_cents=0)
    plans = replace(get_plans(), tiers=(monthly,))
    monkeypatch.setattr("app.billing.prices.get_plans", lambda: plans)
    await page.open()
    with pytest.raises(PlanNotSold):
        await page.call(PlanState.choose_plan, "standard", "year")
    await page.call(PlanState.choose_plan, "standard", "month")
    assert (await page.plan()).dialog == "buy"


async def test_plans_that_stripe_has_no_price_for_are_marked_not_hidden(
    page: BillingPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await page.open()
    billing = await page.billing()
    assert billing.unsold == []
    settings = Settings(stripe_secret_key="sk_test_x", stripe_webhook_secret="whsec_x")
    priced = replace(get_plans().get_tier("standard"), monthly_price_id="price_1")
    plans = replace(get_plans(), tiers=(get_plans().get_tier("free"), priced))
    for module in ("app.billing.prices", "app.ui.pages.plan_choice"):
        monkeypatch.setattr(f"{module}.get_plans", lambda: plans)
    monkeypatch.setattr("app.billing.prices.get_settings", lambda: settings)
    await page.open()
    assert billing.unsold == ["standard-year"]


async def test_subscriber_sees_the_sums_before_anything_changes(subscriber: BillingPage) -> None:
    chained = await subscriber.call(PlanState.choose_plan, "enterprise", "month")
    assert chained.handler.fn is PlanState.load_preview.fn
    plan = await subscriber.plan()
    assert (plan.dialog, plan.is_previewed) == ("change", False)
    await subscriber.call(PlanState.load_preview)
    assert plan.is_previewed
    assert plan.preview.lines == (
        LineView("Unused time", "\N{MINUS SIGN}$47.33"),
        LineView("Remaining time", "$482.12"),
    )
    assert (plan.preview.due_now, plan.preview.is_charged) == ("$434.79", True)
    assert (plan.preview.next_amount, plan.preview.next_day) == ("$499.00", "25 December 2026")
    assert [call[0] for call in subscriber.calls] == ["preview_change"]


@pytest.mark.parametrize(
    ("lines", "due_now", "last"),
    [
        ((-49_900, 4_900), 0, LineView(CREDIT_KEPT, "$450.00")),
        ((-4_900, 49_900), 5_000, LineView(CREDIT_USED, "\N{MINUS SIGN}$400.00")),
        ((-4_900, 49_900), 45_000, LineView("line", "$499.00")),
    ],
)
def test_lines_of_the_sums_add_up_to_what_is_due(
    lines: tuple[int, ...], due_now: int, last: LineView
) -> None:
    found = replace(
        PREVIEW, lines=tuple(PreviewLine("line", cents) for cents in lines), due_now_cents=due_now
    )
    view = preview_view(found)
    assert view.lines[-1] == last
    assert view.is_charged == (due_now > 0)


async def test_change_is_made_at_the_moment_that_the_sums_hold_for(subscriber: BillingPage) -> None:
    await subscriber.call(PlanState.choose_plan, "enterprise", "month")
    await subscriber.call(PlanState.load_preview)
    subscriber.overview = make_overview(tier="enterprise")
    chained = await subscriber.call(PlanState.confirm_change)
    assert chained.handler.fn is BillingState.load_invoices.fn
    assert subscriber.calls[-1] == (
        "change_plan",
        subscriber.user.id,
        "enterprise",
        "month",
        PREVIEW.proration_at,
    )
    billing = await subscriber.billing()
    assert billing.plan.tier == "enterprise"
    assert billing.message == "You are on Enterprise now, for $499 a month."
    assert (await subscriber.plan()).dialog == ""


async def test_change_is_not_made_by_the_sums_of_another_choice(subscriber: BillingPage) -> None:
    await subscriber.call(PlanState.choose_plan, "standard", "year")
    await subscriber.call(PlanState.load_preview)
    await subscriber.call(PlanState.choose_plan, "enterprise", "month")
    await subscriber.call(PlanState.confirm_change)  # by the socket: the button is not there yet
    assert [call[0] for call in subscriber.calls] == ["preview_change"]


async def test_change_that_fails_says_why_and_wants_new_sums(subscriber: BillingPage) -> None:
    await subscriber.call(PlanState.choose_plan, "enterprise", "month")
    await subscriber.call(PlanState.load_preview)
    subscriber.answers["change_plan"] = PaymentDue()
    await subscriber.call(PlanState.confirm_change)
    plan = await subscriber.plan()
    assert (plan.dialog, plan.problem) == ("change", PaymentDue.default_detail)
    assert (plan.is_previewed, plan.busy) == (False, "")


@pytest.mark.parametrize("error", [None, PaymentDue()])
async def test_answer_for_a_choice_that_was_left_is_not_shown_for_the_next(
    subscriber: BillingPage, error: PaymentDue | None
) -> None:
    asked = asyncio.Event()
    go_on = asyncio.Event()

    async def slow() -> ChangePreview:
        asked.set()
        await go_on.wait()
        if error:
            raise error
        return PREVIEW

    await subscriber.call(PlanState.choose_plan, "enterprise", "month")
    subscriber.answers["preview_change"] = slow
    first = asyncio.create_task(subscriber.call(PlanState.load_preview))
    await asked.wait()
    await subscriber.call(PlanState.choose_plan, "standard", "year")
    go_on.set()
    await first
    plan = await subscriber.plan()
    assert (plan.is_previewed, plan.problem) == (False, "")


async def test_second_press_does_nothing_while_the_first_is_at_work(page: BillingPage) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> str:
        asked.set()
        await go_on.wait()
        return "https://checkout.example/cs_1"

    page.answers["start_checkout"] = slow
    await page.open("/billing/?plan=standard&interval=month")
    first = asyncio.create_task(page.call(PlanState.begin_checkout))
    await asked.wait()
    assert (await page.plan()).busy == "checkout"
    await page.call(PlanState.begin_checkout)
    go_on.set()
    await first
    assert len(page.calls) == len(page.shown) == 1


async def test_customer_who_left_the_dialog_meanwhile_is_not_sent_away(page: BillingPage) -> None:
    async def slow() -> str:
        await page.call(PlanState.close_dialog)
        return "https://checkout.example/cs_1"

    page.answers["start_checkout"] = slow
    await page.open("/billing/?plan=standard&interval=month")
    await page.call(PlanState.begin_checkout)
    assert len(page.calls) == 1
    assert page.shown == []


async def test_tab_that_knows_nothing_of_the_plan_learns_of_it_when_it_is_refused(
    page: BillingPage,
) -> None:
    await page.open("/billing/?plan=standard&interval=month")
    # meanwhile another tab has bought it
    page.overview = make_overview(tier="standard")
    page.answers["start_checkout"] = AlreadySubscribed()
    await page.call(PlanState.begin_checkout)
    assert (await page.plan()).problem == AlreadySubscribed.default_detail
    assert (await page.billing()).plan.tier == "standard"
    assert page.shown == []


async def test_choosing_free_asks_before_it_cancels(subscriber: BillingPage) -> None:
    await subscriber.call(PlanState.choose_plan, "free", "month")
    assert (await subscriber.plan()).dialog == "cancel"
    assert subscriber.calls == []
    await subscriber.call(PlanState.confirm_cancel)
    assert subscriber.calls == [("cancel", subscriber.user.id)]
    assert (await subscriber.billing()).message == CANCELED


async def test_customer_on_free_has_nothing_to_cancel(page: BillingPage) -> None:
    await page.open("/billing/?plan=free")
    assert (await page.plan()).dialog == ""


async def test_failure_outside_of_a_dialog_stands_at_the_top_of_the_page(
    subscriber: BillingPage,
) -> None:
    subscriber.answers["resume"] = AlreadySubscribed("Nothing to resume. Reload the page.")
    await subscriber.call(PlanState.resume_plan)
    plan = await subscriber.plan()
    assert plan.failure == "Nothing to resume. Reload the page."
    assert (plan.problem, plan.busy) == ("", "")


async def test_unexpected_failure_ends_the_busy_state(subscriber: BillingPage) -> None:
    subscriber.answers["open_customer_portal"] = RuntimeError("a bug")
    with pytest.raises(RuntimeError):
        await subscriber.call(PlanState.open_portal)
    assert (await subscriber.plan()).busy == ""


async def test_portal_address_is_kept_nowhere(subscriber: BillingPage) -> None:
    subscriber.answers["open_customer_portal"] = "https://portal.example/secret"
    await subscriber.call(PlanState.open_portal)
    assert subscriber.shown == [("leaving_to", "https://portal.example/secret")]
    assert "secret" not in str((await subscriber.plan()).dict())
