"""Changing plans: what is given back and charged, against figures worked out by hand.

A period is 30 days (25 November to 25 December), so half of it is 15 days: of 49.00 half is
24.50, of 499.00 it is 249.50.
"""

from typing import Any

import pytest
import stripe

from tests.sandbox.stage import DAY, FAILS_LATER, HOUR, START, Stage

ENTERPRISE = "price_enterprise_month"


def items(subscription: Any, price: str) -> list[dict[str, Any]]:
    return [{"id": subscription["items"].data[0].id, "price": price}]


async def change(stage: Stage, subscription: Any, price: str, **params: Any) -> Any:
    return await stage.v1.subscriptions.update_async(
        subscription.id, {"items": items(subscription, price), **params}
    )


async def preview(stage: Stage, subscription: Any, price: str, **details: Any) -> Any:
    return await stage.v1.invoices.create_preview_async(
        {
            "subscription": subscription.id,
            "subscription_details": {"items": items(subscription, price), **details},
        }
    )


def lines(invoice: Any) -> list[tuple[int, bool]]:
    details = [line.parent.subscription_item_details for line in invoice.lines.data]
    return [
        (line.amount, detail.proration)
        for line, detail in zip(invoice.lines.data, details, strict=True)
    ]


async def test_upgrade_at_half_time_charges_half_the_difference_at_once(stage: Stage) -> None:
    subscription = await stage.subscribed()
    await stage.pass_time(15 * DAY)
    seen = await preview(stage, subscription, ENTERPRISE, proration_behavior="always_invoice")
    assert lines(seen) == [(-2_450, True), (24_950, True)]
    assert (seen.total, seen.amount_due) == (22_500, 22_500)
    assert seen.id.startswith("upcoming_in_")
    assert seen.lines.data[0].period.start == START + 15 * DAY
    changed = await change(stage, subscription, ENTERPRISE, proration_behavior="always_invoice")
    assert changed["items"].data[0].price.id == ENTERPRISE
    assert changed["items"].data[0].current_period_end == START + 30 * DAY
    paid = await stage.v1.invoices.retrieve_async(changed.latest_invoice)
    assert lines(paid) == lines(seen)
    assert (paid.status, paid.amount_paid) == ("paid", 22_500)
    assert paid.billing_reason == "subscription_update"


async def test_preview_changes_nothing(stage: Stage) -> None:
    subscription = await stage.subscribed()
    told = await stage.told_types()
    await preview(stage, subscription, ENTERPRISE, proration_behavior="always_invoice")
    after = await stage.v1.subscriptions.retrieve_async(subscription.id)
    assert after.to_dict() == subscription.to_dict()
    assert await stage.told_types() == told
    assert len((await stage.v1.invoices.list_async()).data) == 1


async def test_date_of_the_preview_makes_the_change_cost_the_same_later(stage: Stage) -> None:
    subscription = await stage.subscribed()
    at = START + 15 * DAY
    await stage.pass_time(15 * DAY + 600)
    changed = await change(
        stage, subscription, ENTERPRISE, proration_behavior="always_invoice", proration_date=at
    )
    paid = await stage.v1.invoices.retrieve_async(changed.latest_invoice)
    assert lines(paid) == [(-2_450, True), (24_950, True)]


@pytest.mark.parametrize("at", [START - 1, START + 30 * DAY + 1])
async def test_date_outside_of_the_period_is_refused(stage: Stage, at: int) -> None:
    subscription = await stage.subscribed()
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await change(stage, subscription, ENTERPRISE, proration_date=at)
    assert caught.value.param == "proration_date"


async def test_prorations_wait_for_the_next_invoice_unless_asked_for_at_once(stage: Stage) -> None:
    subscription = await stage.subscribed()
    await stage.pass_time(15 * DAY)
    seen = await preview(stage, subscription, ENTERPRISE)
    assert lines(seen) == [(-2_450, True), (24_950, True), (49_900, False)]
    changed = await change(stage, subscription, ENTERPRISE)
    assert changed.latest_invoice == subscription.latest_invoice
    await stage.pass_time(15 * DAY + HOUR)
    [renewal, _] = (await stage.v1.invoices.list_async()).data
    assert lines(renewal) == lines(seen)
    assert renewal.amount_paid == 22_500 + 49_900


async def test_downgrade_credits_the_balance_that_pays_the_next_invoices(stage: Stage) -> None:
    subscription = await stage.subscribed(ENTERPRISE)
    await stage.pass_time(15 * DAY)
    changed = await change(
        stage, subscription, "price_standard_month", proration_behavior="always_invoice"
    )
    given = await stage.v1.invoices.retrieve_async(changed.latest_invoice)
    assert (given.total, given.amount_due, given.status) == (-22_500, 0, "paid")
    customer = await stage.v1.customers.retrieve_async(subscription.customer)
    assert customer.balance == -22_500
    await stage.pass_time(15 * DAY + HOUR)
    [renewal, *_] = (await stage.v1.invoices.list_async()).data
    assert (renewal.total, renewal.amount_due, renewal.starting_balance) == (4_900, 0, -22_500)
    assert renewal.ending_balance == -17_600


async def test_change_without_prorations_costs_nothing_until_renewal(stage: Stage) -> None:
    subscription = await stage.subscribed()
    await stage.pass_time(15 * DAY)
    await change(stage, subscription, ENTERPRISE, proration_behavior="none")
    await stage.pass_time(15 * DAY + HOUR)
    [renewal, *_] = (await stage.v1.invoices.list_async()).data
    assert lines(renewal) == [(49_900, False)]


async def test_yearly_plan_begins_at_once_and_gives_back_the_month(stage: Stage) -> None:
    subscription = await stage.subscribed()
    await stage.pass_time(15 * DAY)
    seen = await preview(stage, subscription, "price_standard_year")
    assert lines(seen) == [(-2_450, True), (49_000, False)]
    changed = await change(stage, subscription, "price_standard_year")
    item = changed["items"].data[0]
    assert item.current_period_start == START + 15 * DAY
    assert item.current_period_end == START + (15 + 365) * DAY
    assert changed.billing_cycle_anchor == START + 15 * DAY
    paid = await stage.v1.invoices.retrieve_async(changed.latest_invoice)
    assert (lines(paid), paid.amount_paid) == (lines(seen), 46_550)


async def test_change_in_a_trial_costs_nothing(stage: Stage) -> None:
    session = await stage.checkout(
        customer_email="a@b.example", subscription_data={"trial_period_days": 14}
    )
    trial = await stage.v1.subscriptions.retrieve_async(session.subscription)
    changed = await change(stage, trial, ENTERPRISE, proration_behavior="always_invoice")
    assert changed.latest_invoice == trial.latest_invoice
    assert changed["items"].data[0].current_period_end == START + 14 * DAY
    await stage.pass_time(14 * DAY + HOUR)
    assert (await stage.v1.invoices.list_async()).data[0].amount_paid == 49_900


async def test_trial_ended_now_is_charged_now(stage: Stage) -> None:
    session = await stage.checkout(
        customer_email="a@b.example", subscription_data={"trial_period_days": 14}
    )
    await stage.pass_time(DAY)
    paying = await stage.v1.subscriptions.update_async(session.subscription, {"trial_end": "now"})
    assert (paying.status, paying.trial_end) == ("active", START + DAY)
    assert (await stage.v1.invoices.list_async()).data[0].amount_paid == 4_900
    assert paying["items"].data[0].current_period_end == START + (1 + 30) * DAY


async def test_failed_payment_of_a_change_can_be_made_to_change_nothing(stage: Stage) -> None:
    subscription = await stage.subscribed(card=FAILS_LATER)
    told = await stage.told_types()
    with pytest.raises(stripe.CardError) as caught:
        await change(
            stage,
            subscription,
            ENTERPRISE,
            proration_behavior="always_invoice",
            payment_behavior="error_if_incomplete",
        )
    assert caught.value.code == "card_declined"
    after = await stage.v1.subscriptions.retrieve_async(subscription.id)
    assert after.to_dict() == subscription.to_dict()
    assert await stage.told_types() == told


async def test_downgrade_with_a_bad_card_is_no_failure_as_nothing_is_due(stage: Stage) -> None:
    subscription = await stage.subscribed(ENTERPRISE, FAILS_LATER)
    changed = await change(
        stage,
        subscription,
        "price_standard_month",
        proration_behavior="always_invoice",
        payment_behavior="error_if_incomplete",
    )
    assert changed.status == "active"


async def test_failed_payment_of_a_change_else_makes_it_past_due(stage: Stage) -> None:
    subscription = await stage.subscribed(card=FAILS_LATER)
    changed = await change(stage, subscription, ENTERPRISE, proration_behavior="always_invoice")
    assert changed.status == "past_due"
    assert changed["items"].data[0].price.id == ENTERPRISE


async def test_upcoming_invoice_is_the_renewal_and_none_for_what_ends(stage: Stage) -> None:
    subscription = await stage.subscribed()
    upcoming = await stage.v1.invoices.create_preview_async({"subscription": subscription.id})
    assert (upcoming.total, upcoming.created) == (4_900, START + 30 * DAY)
    assert upcoming.lines.data[0].period.start == START + 30 * DAY
    await stage.v1.subscriptions.update_async(subscription.id, {"cancel_at_period_end": True})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await stage.v1.invoices.create_preview_async({"subscription": subscription.id})
    assert caught.value.code == "invoice_upcoming_none"
