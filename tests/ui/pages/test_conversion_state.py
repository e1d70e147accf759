"""Converting a trial from its page: with a plan, without one, and with one that is not paid."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import delete

from app.billing.errors import PlanNotSold
from app.core.clock import utc_now
from app.models import BillingAccount, Subscription
from app.ui.figures import day
from app.ui.pages.conversion_state import ConversionState
from app.ui.pages.trial_state import TrialState
from tests.conftest import UnitOfWork
from tests.ui.pages.trial_world import TrialPages, make_customer, make_trial, pay_for

CHOICE = {"tier_id": "enterprise", "interval": "year"}
ADDRESS = "https://pay.example/c/1"


@pytest.fixture
async def pages(unit_of_work: UnitOfWork, monkeypatch: pytest.MonkeyPatch) -> TrialPages:
    """The page of a trial with two keys, of a customer on the free plan."""
    pages = TrialPages(monkeypatch, await make_customer())
    await make_trial(pages.user, keys=2)
    await pages.open("/trials/acme/")
    return pages


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the purchase is asked; what it answers or raises is put first, at index 0."""
    asked: list[Any] = [ADDRESS]

    async def buy_and_convert(*args: str) -> str:
        asked.append(args)
        if isinstance(asked[0], Exception):
            raise asked[0]
        if callable(asked[0]):
            await asked[0]()
            return ADDRESS
        return str(asked[0])

    monkeypatch.setattr("app.ui.pages.conversion_state.buy_and_convert", buy_and_convert)
    return asked


async def test_with_a_plan_one_word_is_enough(pages: TrialPages) -> None:
    await pay_for(pages.user, "enterprise")
    await pages.call(ConversionState.open_convert)
    state, page = await pages.state(ConversionState), await pages.state(TrialState)
    assert (state.way, state.plan_name) == ("convert", "Enterprise")
    await pages.call(ConversionState.convert_trial)
    assert (state.way, page.trial.status) == ("", "converted")
    assert page.message == ("Your trial Acme is converted: its 2 keys are live now, on Enterprise.")
    assert {key.status for key in page.keys} == {"converted"}


async def test_plan_that_ended_under_the_open_dialog_leads_to_buying_one(
    pages: TrialPages, unit_of_work: UnitOfWork
) -> None:
    await pay_for(pages.user, "standard")
    await pages.call(ConversionState.open_convert)
    async with unit_of_work() as session:
        await session.exec(delete(Subscription))
    await pages.call(ConversionState.convert_trial)
    state = await pages.state(ConversionState)
    assert (state.way, "no paid plan" in state.problem) == ("buy", True)
    assert (await pages.state(TrialState)).trial.status == "active"


async def test_unpaid_plan_is_to_be_paid_first(pages: TrialPages) -> None:
    await pay_for(pages.user, "standard", status="unpaid")
    await pages.call(ConversionState.open_convert)
    state = await pages.state(ConversionState)
    assert (state.way, state.plan_name) == ("pay", "Standard")


async def test_without_a_plan_the_rest_of_the_trial_stays_free_once(
    pages: TrialPages, unit_of_work: UnitOfWork
) -> None:
    await pages.call(ConversionState.open_convert)
    state = await pages.state(ConversionState)
    assert (state.way, state.free_until) == ("buy", day(utc_now() + timedelta(days=9)))
    async with unit_of_work() as session:
        session.add(BillingAccount(user_id=pages.user.id, trial_given_at=utc_now()))
    await pages.call(ConversionState.open_convert)
    assert (state.way, state.free_until) == ("buy", "")


@pytest.mark.parametrize("left", [timedelta(hours=47), timedelta(seconds=-1)])
async def test_less_than_two_days_are_not_said_to_stay_free(
    unit_of_work: UnitOfWork, monkeypatch: pytest.MonkeyPatch, left: timedelta
) -> None:
    pages = TrialPages(monkeypatch, await make_customer())
    await make_trial(pages.user, left=left)
    await pages.open("/trials/acme/")
    await pages.call(ConversionState.open_convert)
    state = await pages.state(ConversionState)
    assert (state.way, state.free_until) == ("buy", "")


async def test_chosen_plan_is_bought_on_the_next_page(pages: TrialPages, asked: list[Any]) -> None:
    await pages.call(ConversionState.open_convert)
    await pages.call(ConversionState.buy_and_convert, CHOICE)
    state = await pages.state(ConversionState)
    assert asked[1:] == [(pages.user.id, "acme", "enterprise", "year")]
    assert (pages.shown, state.leaving_to) == ([("leaving_to", ADDRESS)], "")
    assert (state.way, state.is_busy) == ("", False)


async def test_what_cannot_be_bought_is_told_in_the_dialog(
    pages: TrialPages, asked: list[Any]
) -> None:
    asked[0] = PlanNotSold()
    await pages.call(ConversionState.open_convert)
    await pages.call(ConversionState.buy_and_convert, {"tier_id": ["x"]})
    state = await pages.state(ConversionState)
    assert asked[1:] == [(pages.user.id, "acme", "['x']", "")]
    assert (state.way, state.problem, state.is_busy) == ("buy", PlanNotSold.default_detail, False)
    assert pages.shown == []


async def test_dialog_that_was_left_meanwhile_leads_nowhere(
    pages: TrialPages, asked: list[Any]
) -> None:
    async def leave() -> None:
        await pages.call(ConversionState.close_convert)

    asked[0] = leave
    await pages.call(ConversionState.open_convert)
    await pages.call(ConversionState.buy_and_convert, CHOICE)
    assert pages.shown == []


async def test_pressing_again_asks_once(pages: TrialPages, asked: list[Any]) -> None:
    async def press_again() -> None:
        await pages.call(ConversionState.buy_and_convert, CHOICE)

    asked[0] = press_again
    await pages.call(ConversionState.open_convert)
    await pages.call(ConversionState.buy_and_convert, CHOICE)
    assert len(asked) == 2


async def test_trial_of_a_stranger_is_not_converted(pages: TrialPages) -> None:
    await pay_for(pages.user, "standard")
    await make_trial(await make_customer(), slug="theirs", name="Theirs", keys=1)
    await pages.open("/trials/theirs/")
    await pages.call(ConversionState.convert_trial)
    state, page = await pages.state(ConversionState), await pages.state(TrialState)
    assert (state.way, page.is_missing, page.message) == ("", True, "")


async def test_dialog_of_an_earlier_visit_is_closed(pages: TrialPages) -> None:
    await pages.call(ConversionState.open_convert)
    await pages.open("/trials/acme/")
    assert (await pages.state(ConversionState)).way == ""
