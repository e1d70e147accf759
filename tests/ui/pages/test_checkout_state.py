"""The wait after a checkout: for Stripe's word, with an end, and never by the address alone."""

import pytest

from app.billing.checkout import CheckoutOutcome
from app.core.errors import LatchkeyError, NotFound
from app.flows.trial_conversion import Converted
from app.ui.pages.checkout_state import FAILED, MOST_POLLS, SLOW, UNKNOWN, CheckoutState
from tests.conftest import UnitOfWork
from tests.factories import make_user
from tests.ui.pages.billing_world import BillingPage, make_overview


@pytest.fixture
async def page(unit_of_work: UnitOfWork, monkeypatch: pytest.MonkeyPatch) -> BillingPage:
    """The page as a customer comes back to it from the checkout `cs_1`."""
    async with unit_of_work() as session:
        user = await make_user(session)
    page = BillingPage(monkeypatch, user)
    page.answers["is_checkout_settled"] = CheckoutOutcome.WAITING
    await page.open("/billing/?checkout=cs_1")
    return page


async def test_page_waits_and_gives_no_plan_before_stripe_has_spoken(page: BillingPage) -> None:
    await page.call(CheckoutState.check)
    checkout, billing = await page.checkout(), await page.billing()
    assert (checkout.is_waiting, checkout.trouble) == (True, "")
    assert (billing.plan.tier, billing.message) == ("free", "")
    assert page.calls == [("is_checkout_settled", page.user.id, "cs_1")]


async def test_page_says_so_once_it_is_paid_and_the_address_is_cleaned(
    page: BillingPage,
) -> None:
    page.answers["is_checkout_settled"] = CheckoutOutcome.ACTIVE
    page.overview = make_overview(tier="standard")
    cleaned = await page.call(CheckoutState.check)
    assert cleaned is not None
    assert not (await page.checkout()).is_waiting
    billing = await page.billing()
    assert billing.plan.tier == "standard"
    await page.open("/billing/")
    assert billing.message == "Paid. You are on Standard now."
    await page.open("/billing/")
    assert billing.message == ""


async def test_page_says_which_trials_the_plan_has_taken_over(page: BillingPage) -> None:
    page.answers["is_checkout_settled"] = CheckoutOutcome.ACTIVE
    page.answers["convert_wished"] = [Converted("acme", "Acme", 2, "standard")]
    page.overview = make_overview(tier="standard", status="trialing")
    await page.call(CheckoutState.check)
    assert page.calls[1:] == [("convert_wished", page.user.id)]
    await page.open("/billing/")
    billing = await page.billing()
    assert billing.has_new_keys
    assert billing.message == (
        "Done. You are on Standard now. Your trial Acme is converted: its 2 keys are live now, "
        "on Standard."
    )
    await page.open("/billing/")
    assert (billing.message, billing.has_new_keys) == ("", False)


@pytest.mark.parametrize("outcome", [CheckoutOutcome.FAILED, CheckoutOutcome.EXPIRED])
async def test_checkout_that_came_to_nothing_says_so(
    page: BillingPage, outcome: CheckoutOutcome
) -> None:
    page.answers["is_checkout_settled"] = outcome
    await page.call(CheckoutState.check)
    checkout = await page.checkout()
    assert (checkout.is_waiting, checkout.trouble) == (False, FAILED[outcome])


async def test_checkout_of_somebody_else_is_unknown(page: BillingPage) -> None:
    page.answers["is_checkout_settled"] = NotFound()
    await page.call(CheckoutState.check)
    checkout = await page.checkout()
    assert (checkout.is_waiting, checkout.trouble) == (False, UNKNOWN)


async def test_wait_ends_with_words_and_can_be_begun_again(page: BillingPage) -> None:
    for _ in range(MOST_POLLS + 5):
        await page.call(CheckoutState.check)
    checkout = await page.checkout()
    assert len(page.calls) == MOST_POLLS
    assert (checkout.is_waiting, checkout.trouble) == (False, SLOW)
    assert checkout.can_ask_again
    await page.call(CheckoutState.ask_again)
    assert (checkout.is_waiting, checkout.trouble) == (True, "")


async def test_stripe_that_does_not_answer_is_asked_again_before_the_page_tells(
    page: BillingPage,
) -> None:
    page.answers["is_checkout_settled"] = LatchkeyError("Stripe does not answer. Try again.")
    await page.call(CheckoutState.check)
    checkout = await page.checkout()
    assert (checkout.is_waiting, checkout.trouble) == (True, "")
    for _ in range(MOST_POLLS):
        await page.call(CheckoutState.check)
    assert checkout.trouble == "Stripe does not answer. Try again."


async def test_page_without_a_checkout_in_its_address_asks_stripe_nothing(
    page: BillingPage,
) -> None:
    await page.open("/billing/")
    await page.call(CheckoutState.check)
    await page.call(CheckoutState.ask_again)
    assert not (await page.checkout()).is_waiting
    assert page.calls == []


async def test_reload_asks_anew_after_a_server_was_killed_as_it_asked(page: BillingPage) -> None:
    (await page.checkout())._is_asking = True  # as Redis keeps it
    await page.open("/billing/?checkout=cs_1")
    await page.call(CheckoutState.check)
    assert page.calls == [("is_checkout_settled", page.user.id, "cs_1")]
