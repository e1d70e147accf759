"""Changing, ending and resuming a plan, and what it costs."""

from datetime import timedelta
from typing import Any

import pytest

from app.billing.changes import cancel, change_plan, preview_change, resume
from app.billing.errors import (
    NotSubscribed,
    PaymentDue,
    PlanNotSold,
    PlanUnchanged,
    PreviewOutdated,
)
from app.billing.invoices import list_invoices
from app.billing.portal import open_customer_portal
from app.core.clock import utc_now
from app.integrations.stripe import Gateway
from app.integrations.stripe.errors import PaymentDeclined, StripeUnavailable
from tests.billing.shop import Shop
from tests.sandbox.stage import DAY, FAILS_LATER, HOUR


async def bought(shop: Shop, **more: Any) -> None:
    await shop.buy(**more)
    await shop.deliver()


async def test_preview_is_what_the_change_then_charges(shop: Shop) -> None:
    await bought(shop)
    await shop.stage.pass_time(10 * DAY)
    shown = await preview_change(shop.user_id, "enterprise", "month")
    assert shown.next_cents == 49_900
    assert shown.due_now_cents == sum(line.amount_cents for line in shown.lines) > 0
    assert [line.amount_cents < 0 for line in shown.lines] == [True, False]
    await shop.stage.pass_time(HOUR / 2)  # reading takes its time
    await change_plan(shop.user_id, "enterprise", "month", proration_at=shown.proration_at)
    newest = (await list_invoices(shop.user_id))[0]
    assert (newest.amount_cents, newest.status) == (shown.due_now_cents, "paid")
    assert await shop.tier() == "enterprise"
    before = await shop.row()
    await shop.deliver()
    assert (await shop.row()).updated_at == before.updated_at
    assert await shop.mails() == ["plan_changed", "plan_changed"]


async def test_change_to_the_year_begins_a_period(shop: Shop) -> None:
    await bought(shop)
    await shop.stage.pass_time(10 * DAY)
    shown = await preview_change(shop.user_id, "standard", "year")
    await change_plan(shop.user_id, "standard", "year", proration_at=shown.proration_at)
    row = await shop.row()
    assert row.stripe_price_id == "sandbox_price_standard_year"
    assert row.current_period_end == shown.next_at
    assert row.current_period_start is not None
    assert shown.next_at - row.current_period_start >= timedelta(days=365)


async def test_smaller_plan_gives_credit_and_charges_nothing(shop: Shop) -> None:
    await bought(shop, tier="enterprise")
    await shop.stage.pass_time(DAY)
    shown = await preview_change(shop.user_id, "standard", "month")
    assert shown.due_now_cents == 0
    assert sum(line.amount_cents for line in shown.lines) < 0
    await change_plan(shop.user_id, "standard", "month", proration_at=shown.proration_at)
    assert await shop.tier() == "standard"


async def test_change_in_the_trial_costs_nothing_now_and_bears_repeating(shop: Shop) -> None:
    ends = (utc_now() + timedelta(days=5)).replace(microsecond=0)
    await bought(shop, trial_ends_at=ends)
    for tier, cents in (("enterprise", 49_900), ("standard", 4_900), ("enterprise", 49_900)):
        shown = await preview_change(shop.user_id, tier, "month")
        assert (shown.lines, shown.due_now_cents) == ((), 0)
        assert (shown.next_cents, shown.next_at) == (cents, ends)
        await change_plan(shop.user_id, tier, "month", proration_at=shown.proration_at)
        assert await shop.tier() == tier
    assert [one.amount_cents for one in await list_invoices(shop.user_id)] == [0]


async def test_preview_of_the_trial_is_outdated_once_it_is_over(shop: Shop) -> None:
    await bought(shop, trial_ends_at=utc_now() + timedelta(days=5))
    shown = await preview_change(shop.user_id, "enterprise", "month")
    await shop.stage.pass_time(6 * DAY)
    with pytest.raises(PreviewOutdated):
        await change_plan(shop.user_id, "enterprise", "month", proration_at=shown.proration_at)


async def test_what_a_change_by_hand_left_over_does_not_date_the_next_one_back(shop: Shop) -> None:
    await bought(shop)
    await shop.stage.pass_time(5 * DAY)
    [found] = await shop.at_stripe("subscriptions")
    item = {"id": found["items"]["data"][0]["id"], "price": "sandbox_price_enterprise_month"}
    await shop.stage.v1.subscriptions.update_async(
        found["id"], {"items": [item], "proration_behavior": "create_prorations"}
    )
    await shop.deliver()
    await shop.stage.pass_time(10 * DAY)
    shown = await preview_change(shop.user_id, "standard", "month")
    assert shown.proration_at == pytest.approx(shop.stage.time, abs=60)
    await change_plan(shop.user_id, "standard", "month", proration_at=shown.proration_at)
    assert (await list_invoices(shop.user_id))[0].amount_cents == shown.due_now_cents > 0


async def test_declined_card_changes_nothing(shop: Shop) -> None:
    await bought(shop, card=FAILS_LATER)
    shown = await preview_change(shop.user_id, "enterprise", "month")
    with pytest.raises(PaymentDeclined):
        await change_plan(shop.user_id, "enterprise", "month", proration_at=shown.proration_at)
    await shop.deliver()
    assert await shop.tier() == "standard"
    assert (await shop.row()).stripe_price_id == "sandbox_price_standard_month"


async def test_second_tab_s_change_is_not_charged_again(shop: Shop) -> None:
    await bought(shop)
    shown = await preview_change(shop.user_id, "enterprise", "month")
    await change_plan(shop.user_id, "enterprise", "month", proration_at=shown.proration_at)
    with pytest.raises(PlanUnchanged):
        await change_plan(shop.user_id, "enterprise", "month", proration_at=shown.proration_at)
    assert len(await list_invoices(shop.user_id)) == 2


@pytest.mark.parametrize("off", [-2 * HOUR, 60])
async def test_moment_that_was_never_shown_is_refused(shop: Shop, off: int) -> None:
    await bought(shop, tier="enterprise")
    await shop.stage.pass_time(10 * DAY)
    shown = await preview_change(shop.user_id, "standard", "month")
    with pytest.raises(PreviewOutdated):
        await change_plan(shop.user_id, "standard", "month", proration_at=shown.proration_at + off)
    assert await shop.tier() == "enterprise"


async def test_nothing_can_be_changed_without_a_plan(shop: Shop) -> None:
    for act in (cancel, resume, open_customer_portal):
        with pytest.raises(NotSubscribed):
            await act(shop.user_id)
    with pytest.raises(NotSubscribed):
        await preview_change(shop.user_id, "standard", "month")
    assert await list_invoices(shop.user_id) == []
    await bought(shop)
    with pytest.raises(PlanNotSold):
        await preview_change(shop.user_id, "free", "month")


async def test_cancelled_plan_ends_with_its_period_unless_resumed(shop: Shop) -> None:
    await bought(shop)
    await cancel(shop.user_id)
    await cancel(shop.user_id)
    assert (await shop.row()).cancel_at_period_end
    await resume(shop.user_id)
    assert not (await shop.row()).cancel_at_period_end
    await cancel(shop.user_id)  # the same act once more, and it is not taken for the first
    assert (await shop.row()).cancel_at_period_end
    await shop.deliver()
    assert await shop.tier() == "standard"
    await shop.stage.pass_time(32 * DAY)
    await shop.deliver()
    assert ((await shop.row()).status, await shop.tier()) == ("canceled", "free")
    assert (await shop.mails())[-1] == "plan_ended"


async def test_end_on_a_day_that_the_dashboard_was_given_can_be_taken_back(shop: Shop) -> None:
    await bought(shop)
    [found] = await shop.at_stripe("subscriptions")
    ends = int(shop.stage.time + 10 * DAY)
    await shop.stage.v1.subscriptions.update_async(found["id"], {"cancel_at": ends})
    await shop.deliver()
    assert (await shop.row()).cancel_at_period_end
    await resume(shop.user_id)
    assert not (await shop.row()).cancel_at_period_end
    [found] = await shop.at_stripe("subscriptions")
    assert found["cancel_at"] is None


async def test_end_in_the_moved_sandbox_is_an_end_here(shop: Shop) -> None:
    await bought(shop)
    await cancel(shop.user_id)
    await shop.stage.move("month")
    await shop.deliver()
    assert ((await shop.row()).status, await shop.tier()) == ("canceled", "free")


async def test_plan_cannot_be_changed_while_an_invoice_is_open(shop: Shop) -> None:
    await bought(shop, card=FAILS_LATER)
    await shop.stage.pass_time(32 * DAY)
    with pytest.raises(PaymentDue):
        await preview_change(shop.user_id, "enterprise", "month")


async def test_portal_is_stripe_s_own_page(shop: Shop) -> None:
    await bought(shop)
    assert "/sandbox/portal/" in await open_customer_portal(shop.user_id)


async def test_change_whose_answer_was_lost_is_the_same_act_when_repeated(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bought(shop)
    shown = await preview_change(shop.user_id, "enterprise", "month")
    keys = []

    async def lost(self: Any, *args: Any, idempotency_key: str, **kwargs: Any) -> None:
        keys.append(idempotency_key)
        raise StripeUnavailable

    monkeypatch.setattr(Gateway, "change_price", lost)
    for _ in range(2):
        with pytest.raises(StripeUnavailable):
            await change_plan(shop.user_id, "enterprise", "month", proration_at=shown.proration_at)
    assert len(keys) == 2
    assert len(set(keys)) == 1
