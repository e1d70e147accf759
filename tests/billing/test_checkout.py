"""Buying: once, whoever asks how often, and never by the word of a page."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from app.billing.checkout import CheckoutOutcome, is_checkout_settled, start_checkout
from app.billing.errors import AlreadySubscribed, PlanNotSold
from app.core.clock import utc_now
from app.core.errors import NotFound
from app.integrations.stripe import Gateway
from tests.billing.shop import Shop, session_of
from tests.factories import make_user
from tests.sandbox.stage import DECLINED, WORKS


async def test_bought_plan_is_there_once_the_events_are(shop: Shop) -> None:
    await shop.buy("standard")
    assert (await shop.row()).status == "incomplete"
    assert await shop.tier() == "free"
    await shop.deliver()
    row = await shop.row()
    assert (row.status, row.stripe_price_id) == ("active", "sandbox_price_standard_month")
    assert row.current_period_start is not None
    assert row.current_period_end is not None
    assert row.current_period_end - row.current_period_start > timedelta(days=27)
    assert await shop.tier() == "standard"
    assert await shop.mails() == ["plan_changed"]


async def test_page_that_waits_need_not_wait_for_the_event(shop: Shop) -> None:
    url = await start_checkout(shop.user_id, "standard", "year")
    assert await is_checkout_settled(shop.user_id, session_of(url)) is CheckoutOutcome.WAITING
    session_id = await shop.buy("standard", "year")
    assert session_id == session_of(url)
    assert await is_checkout_settled(shop.user_id, session_id) is CheckoutOutcome.ACTIVE
    assert await shop.tier() == "standard"
    await shop.deliver()
    assert await shop.mails() == ["plan_changed"]


async def test_declined_card_buys_nothing(shop: Shop) -> None:
    session_id = await shop.buy(card=DECLINED)
    assert await is_checkout_settled(shop.user_id, session_id) is CheckoutOutcome.WAITING
    await shop.deliver()
    assert await shop.tier() == "free"


async def test_nobody_sees_another_s_checkout(shop: Shop, unit_of_work: Any) -> None:
    session_id = await shop.buy()
    async with unit_of_work() as session:
        stranger = (await make_user(session)).id
    with pytest.raises(NotFound):
        await is_checkout_settled(stranger, session_id)
    await start_checkout(stranger, "standard", "month")  # now they are a customer themselves
    with pytest.raises(NotFound):
        await is_checkout_settled(stranger, session_id)
    with pytest.raises(NotFound):
        await is_checkout_settled(shop.user_id, "cs_test_nothing")


@pytest.mark.parametrize("named", ["", ".", "..", "../../customers", "cs_test_1?expand[]=x", "é"])
async def test_what_is_no_session_s_id_is_not_asked_for(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    await shop.buy()
    monkeypatch.delattr(Gateway, "get_checkout")
    with pytest.raises(NotFound):
        await is_checkout_settled(shop.user_id, named)


async def test_page_that_is_paid_while_another_is_asked_for_is_the_only_one(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = await start_checkout(shop.user_id, "standard", "month")
    asked = Gateway.list_checkouts

    async def paid_just_before(gateway: Gateway, customer_id: str) -> Any:
        await shop.stage.pages.post(f"/sandbox/checkout/{session_of(url)}", data={"card": WORKS})
        return await asked(gateway, customer_id)

    monkeypatch.setattr(Gateway, "list_checkouts", paid_just_before)
    with pytest.raises(AlreadySubscribed):
        await start_checkout(shop.user_id, "standard", "month")
    assert await shop.tier() == "standard"


async def test_two_tabs_get_the_same_page(shop: Shop) -> None:
    urls = await asyncio.gather(
        *(start_checkout(shop.user_id, "standard", "month") for _ in range(5))
    )
    assert len(set(urls)) == 1
    assert len(await shop.at_stripe("customers")) == 1


async def test_page_for_another_plan_closes_the_one_before(shop: Shop) -> None:
    first = await start_checkout(shop.user_id, "standard", "month")
    second = await start_checkout(shop.user_id, "enterprise", "month")
    assert first != second
    await shop.stage.pages.post(
        f"/sandbox/checkout/{session_of(first)}", data={"card": "4242424242424242"}
    )
    outcome = await is_checkout_settled(shop.user_id, session_of(first))
    assert outcome is CheckoutOutcome.EXPIRED
    assert await shop.at_stripe("subscriptions") == []


async def test_who_has_a_plan_buys_no_second(shop: Shop) -> None:
    await shop.buy()
    with pytest.raises(AlreadySubscribed):
        await start_checkout(shop.user_id, "enterprise", "month")
    assert await shop.tier() == "standard"  # the event had not come yet
    assert len(await shop.at_stripe("subscriptions", status="all")) == 1


async def test_plan_that_is_paid_while_another_tab_looks_is_seen(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await start_checkout(shop.user_id, "standard", "month")
    list_checkouts = Gateway.list_checkouts

    async def paid_before(self: Any, customer_id: str) -> Any:
        await shop.pay(session_of(first))
        return await list_checkouts(self, customer_id)

    monkeypatch.setattr(Gateway, "list_checkouts", paid_before)
    with pytest.raises(AlreadySubscribed):
        await start_checkout(shop.user_id, "enterprise", "month")
    assert await shop.tier() == "standard"


async def test_page_that_is_paid_just_before_it_is_closed_is_seen(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await start_checkout(shop.user_id, "standard", "month")
    expire_checkout = Gateway.expire_checkout

    async def paid_before(self: Any, session_id: str) -> None:
        await shop.pay(session_of(first))
        await expire_checkout(self, session_id)

    monkeypatch.setattr(Gateway, "expire_checkout", paid_before)
    with pytest.raises(AlreadySubscribed):
        await start_checkout(shop.user_id, "enterprise", "month")
    assert len(await shop.at_stripe("subscriptions", status="all")) == 1


async def test_page_that_is_open_when_there_is_a_plan_is_closed(shop: Shop) -> None:
    open_page = session_of(await start_checkout(shop.user_id, "standard", "month"))
    customer = (await shop.row()).stripe_customer_id
    card = await shop.stage.v1.payment_methods.attach_async("pm_card_visa", {"customer": customer})
    await shop.stage.v1.subscriptions.create_async(
        {
            "customer": customer,
            "items": [{"price": "sandbox_price_standard_month"}],
            "default_payment_method": card.id,
        }
    )
    with pytest.raises(AlreadySubscribed):
        await start_checkout(shop.user_id, "standard", "month")
    found = await shop.stage.v1.checkout.sessions.retrieve_async(open_page)
    assert found.status == "expired"


@pytest.mark.parametrize(
    ("tier", "interval"),
    [("free", "month"), ("nothing", "month"), ("standard", "week"), ("", ""), ("standard", "")],
)
async def test_what_is_not_sold_cannot_be_bought(shop: Shop, tier: str, interval: str) -> None:
    with pytest.raises(PlanNotSold):
        await start_checkout(shop.user_id, tier, interval)
    assert await shop.at_stripe("customers") == []


async def test_leftover_trial_days_are_given_once(shop: Shop) -> None:
    ends = (utc_now() + timedelta(days=5)).replace(microsecond=0)
    await shop.buy(trial_ends_at=ends)
    await shop.deliver()
    assert (await shop.row()).status == "trialing"
    assert await shop.tier() == "standard"
    [bought] = await shop.at_stripe("subscriptions")
    assert bought["trial_end"] == int(ends.timestamp())
    await shop.stage.v1.subscriptions.cancel_async(bought["id"])
    await shop.deliver()
    await shop.buy(trial_ends_at=ends)
    await shop.deliver()
    assert (await shop.row()).status == "active"


async def test_trial_s_last_hours_are_not_given_for_stripe_takes_none(shop: Shop) -> None:
    await shop.buy(trial_ends_at=utc_now() + timedelta(hours=47))
    await shop.deliver()
    assert (await shop.row()).status == "active"


async def test_customer_can_buy_again_after_the_end(shop: Shop) -> None:
    await shop.buy()
    [bought] = await shop.at_stripe("subscriptions")
    await shop.stage.v1.subscriptions.cancel_async(bought["id"])
    await shop.deliver()
    assert (await shop.row()).status == "canceled"
    await shop.buy("enterprise")
    await shop.deliver()
    assert ((await shop.row()).status, await shop.tier()) == ("active", "enterprise")
    assert len(await shop.at_stripe("customers")) == 1


async def test_customer_that_was_deleted_at_stripe_is_free_and_can_buy_again(shop: Shop) -> None:
    await shop.buy()
    await shop.deliver()
    before = (await shop.row()).stripe_customer_id
    await shop.stage.v1.customers.delete_async(before)
    await shop.deliver()
    assert (await shop.row()).status == "canceled"
    await shop.buy("enterprise")
    await shop.deliver()
    row = await shop.row()
    assert row.stripe_customer_id != before
    assert (row.status, await shop.tier()) == ("active", "enterprise")
