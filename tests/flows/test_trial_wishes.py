"""Who has no plan buys one, and the trial is converted by whoever hears of the payment first."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from app.accounts import erasures
from app.accounts.erasures import AccountBeingErased
from app.billing.checkout import CheckoutOutcome, is_checkout_settled, start_checkout
from app.billing.errors import AlreadySubscribed, PlanNotSold
from app.core.clock import utc_now
from app.core.errors import NotFound
from app.core.settings import get_settings
from app.flows import trial_conversion
from app.flows.trial_conversion import (
    WISH_DAYS,
    Converted,
    PlanNeeded,
    buy_and_convert,
    convert_wished,
)
from app.jobs import accounts
from app.jobs import app as jobs_app
from app.models import TrialDetail
from app.trials.service import cancel_trial, start_trial
from app.trials.states import TrialMoveRefused
from tests.billing.shop import Shop, keep, session_of
from tests.flows.trials import Trial, add_trial, ago, give_plan, live_keys, make_trial
from tests.jobs.test_billing import until
from tests.metering.conftest import Tables


@pytest.fixture
async def trial(shop: Shop, unit_of_work: Any) -> Trial:
    """A trial of the shop's customer, who has no plan yet."""
    async with unit_of_work() as session:
        return await add_trial(session, shop.user_id)


async def wish(trial: Trial, tier: str = "standard", interval: str = "month") -> str:
    """Go to the checkout: its session's id."""
    return session_of(await buy_and_convert(trial.user_id, trial.slug, tier, interval))


def converted(trial: Trial, tier: str = "standard") -> Converted:
    return Converted(trial.slug, trial.name, len(trial.keys), tier)


async def test_wish_is_remembered_across_the_checkout(
    shop: Shop, trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event alone converts it: nobody comes back to the page."""
    monkeypatch.setattr(jobs_app, "POLL_SECONDS", 0.05)
    await shop.pay(await wish(trial, "enterprise"))
    assert await trial.status() == "active"
    async with jobs_app.running_jobs():
        for event in await shop.stage.told():
            await keep(event)

        async def is_converted() -> bool:
            return await trial.status() == "converted"

        await until(is_converted)
    tiers = {key.tier for key in await live_keys(shop.user_id)}
    assert (len(await live_keys(shop.user_id)), tiers) == (3, {"enterprise"})


async def test_page_after_the_checkout_need_not_wait_for_the_event(
    shop: Shop, trial: Trial
) -> None:
    checkout = await wish(trial)
    assert await convert_wished(shop.user_id) == []
    await shop.pay(checkout)
    assert await is_checkout_settled(shop.user_id, checkout) is CheckoutOutcome.ACTIVE
    assert await convert_wished(shop.user_id) == [converted(trial)]
    before = [key.id for key in await live_keys(shop.user_id)]
    await shop.deliver()
    await accounts.plan_started(shop.user_id)
    await accounts.plan_started(shop.user_id)
    assert [key.id for key in await live_keys(shop.user_id)] == before


async def test_page_that_comes_after_the_job_can_tell_of_it(shop: Shop, trial: Trial) -> None:
    await shop.pay(await wish(trial))
    await shop.deliver()
    await accounts.plan_started(shop.user_id)
    assert await trial.status() == "converted"
    assert await convert_wished(shop.user_id) == [converted(trial)]


async def test_leftover_days_stay_free(shop: Shop, trial: Trial) -> None:
    await shop.pay(await wish(trial))
    [bought] = await shop.at_stripe("subscriptions")
    assert bought["status"] == "trialing"
    assert bought["trial_end"] == int(trial.expires_at.timestamp())
    await shop.deliver()
    assert await convert_wished(shop.user_id) == [converted(trial)]


async def test_trial_that_is_over_has_no_days_left(shop: Shop, unit_of_work: Any) -> None:
    async with unit_of_work() as session:
        trial = await add_trial(session, shop.user_id, expires_at=ago(days=3))
    await shop.pay(await wish(trial))
    [bought] = await shop.at_stripe("subscriptions")
    assert (bought["status"], bought["trial_end"]) == ("active", None)
    await shop.deliver()
    assert await convert_wished(shop.user_id) == [converted(trial)]


async def test_with_a_plan_there_already_nothing_is_bought(shop: Shop, trial: Trial) -> None:
    await shop.buy()
    await shop.deliver()
    pages = len(await shop.stage.told())
    address = await buy_and_convert(shop.user_id, trial.slug, "enterprise", "month")
    assert address == f"{get_settings().public_url}/trials/{trial.slug}/"
    assert await trial.status() == "converted"
    assert len(await shop.stage.told()) == pages


async def test_plan_that_was_bought_in_another_tab_just_now_will_do(
    shop: Shop, trial: Trial
) -> None:
    await shop.buy()  # nothing of it has been heard here
    address = await buy_and_convert(shop.user_id, trial.slug, "standard", "month")
    assert address.endswith(f"/trials/{trial.slug}/")
    assert await trial.status() == "converted"


async def test_open_invoice_is_to_be_paid_first(
    unit_of_work: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*args: Any, **kwargs: Any) -> str:
        raise AlreadySubscribed

    monkeypatch.setattr(trial_conversion, "start_checkout", refused)
    unpaid = await make_trial(plan=None)
    async with unit_of_work() as session:
        await give_plan(session, await unpaid.owner(session), status="unpaid")
    with pytest.raises(PlanNeeded, match="open invoice"):
        await buy_and_convert(unpaid.user_id, unpaid.slug, "standard", "month")
    assert await unpaid.status() == "active"


async def test_two_trials_that_were_wished_are_both_converted(
    shop: Shop, trial: Trial, unit_of_work: Any
) -> None:
    async with unit_of_work() as session:
        other = await add_trial(session, shop.user_id, keys=1, tier="enterprise")
    await wish(other)
    await shop.pay(await wish(trial))
    await shop.deliver()
    assert await convert_wished(shop.user_id) == [converted(other), converted(trial)]
    assert len(await live_keys(shop.user_id)) == 4


async def test_trial_that_was_not_wished_is_left_alone(shop: Shop, trial: Trial) -> None:
    await shop.buy()
    await shop.deliver()
    assert await convert_wished(shop.user_id) == []
    assert await trial.status() == "active"


async def test_trial_that_cannot_be_converted_any_more_is_in_nobody_s_way(
    shop: Shop, trial: Trial, unit_of_work: Any
) -> None:
    async with unit_of_work() as session:
        cancelled = await add_trial(session, shop.user_id)
    await wish(cancelled)
    checkout = await wish(trial)
    async with unit_of_work() as session:
        await cancel_trial(session, shop.user_id, cancelled.slug, confirm=cancelled.name)
    await shop.pay(checkout)
    await shop.deliver()
    assert await convert_wished(shop.user_id) == [converted(trial)]
    assert await cancelled.status() == "cancelled"


@pytest.mark.parametrize(("hours", "is_done"), [(-1, True), (1, False)])
async def test_wish_is_remembered_for_four_days(
    shop: Shop, trial: Trial, tables: Tables, hours: int, is_done: bool
) -> None:
    await shop.pay(await wish(trial))
    await shop.deliver()
    age = f"{24 * WISH_DAYS + hours} hours"
    await tables.execute(
        'UPDATE latchkey."TrialDetail" SET "wishedAt" = "wishedAt" - %s::interval', age
    )
    assert await convert_wished(shop.user_id) == ([converted(trial)] if is_done else [])


async def test_later_wish_is_the_one_that_counts(
    unit_of_work: Any, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def opened(*args: Any, **kwargs: Any) -> str:
        return "https://checkout"

    monkeypatch.setattr(trial_conversion, "start_checkout", opened)
    wished = await make_trial(plan=None)
    await wish(wished)
    await tables.execute(
        """UPDATE latchkey."TrialDetail" SET "wishedAt" = now() - interval '9 d'"""
    )
    await wish(wished)
    async with unit_of_work() as session:
        wished_at = (await session.exec(select(TrialDetail.wished_at))).one()
    assert utc_now() - wished_at < timedelta(seconds=60)


async def test_wish_whose_job_was_lost_is_fulfilled_by_the_next_round(
    shop: Shop, trial: Trial, tables: Tables
) -> None:
    await shop.pay(await wish(trial))
    await accounts.convert_overdue(None, 0)  # type: ignore[arg-type]  # it asks nothing of its context
    assert await trial.status() == "active"
    await shop.deliver()
    await accounts.convert_overdue(None, 0)  # type: ignore[arg-type]  # it asks nothing of its context
    assert await trial.status() == "converted"


async def test_account_that_fails_keeps_no_other_waiting(
    unit_of_work: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    trials = [await make_trial() for _ in range(3)]
    async with unit_of_work() as session:
        for one in trials:
            session.add(TrialDetail(workspace_id=one.id, wished_at=utc_now()))
    real, failing = accounts.convert_wished, trials[1].user_id

    async def sometimes(user_id: str) -> Any:
        if user_id == failing:
            raise ZeroDivisionError
        return await real(user_id)

    monkeypatch.setattr(accounts, "convert_wished", sometimes)
    await accounts.convert_overdue(None, 0)  # type: ignore[arg-type]  # it asks nothing of its context
    assert [await one.status() for one in trials] == ["converted", "active", "converted"]
    assert failing in caplog.text


async def test_nobody_wishes_for_another_s_trial(unit_of_work: Any) -> None:
    trial, stranger = await make_trial(plan=None), await make_trial(plan=None)
    with pytest.raises(NotFound):
        await buy_and_convert(stranger.user_id, trial.slug, "standard", "month")
    async with unit_of_work() as session:
        assert (await session.exec(select(TrialDetail))).all() == []


async def test_what_cannot_be_converted_leads_to_no_checkout(unit_of_work: Any) -> None:
    """Stripe, which this test has not, is not asked."""
    cancelled = await make_trial(plan=None, status="cancelled")
    with pytest.raises(TrialMoveRefused):
        await wish(cancelled)


async def test_account_that_is_being_erased_begins_and_buys_nothing(unit_of_work: Any) -> None:
    """Its part at Stripe, which is not asked, may have been done before."""
    trial = await make_trial(plan=None)
    async with unit_of_work() as session:
        await erasures.note(session, trial.user_id)
    with pytest.raises(AccountBeingErased):
        async with unit_of_work() as session:
            await start_trial(session, trial.user_id, name="Acme", tier_id="enterprise")
    for act in (trial.convert(), wish(trial), start_checkout(trial.user_id, "standard", "month")):
        with pytest.raises(AccountBeingErased):
            await act


async def test_plan_that_is_not_sold_is_refused(unit_of_work: Any) -> None:
    with pytest.raises(PlanNotSold):
        await wish(await make_trial(plan=None), "free")
