"""From the checkout to the end, by the very client that Latchkey uses."""

from typing import Any

import pytest
import stripe

from tests.sandbox.stage import DAY, DECLINED, FAILS_LATER, HOUR, START, Stage


async def test_checkout_makes_an_active_paid_subscription(stage: Stage) -> None:
    session = await stage.checkout(customer_email="ada@example.com", client_reference_id="u1")
    assert (session.status, session.payment_status) == ("complete", "paid")
    assert session.client_reference_id == "u1"
    subscription = await stage.v1.subscriptions.retrieve_async(
        session.subscription, {"expand": ["latest_invoice", "customer"]}
    )
    assert subscription.status == "active"
    assert subscription.customer.email == "ada@example.com"
    assert subscription.latest_invoice.amount_paid == 4_900
    item = subscription["items"].data[0]
    # 25 November to 25 December, the same time of day
    assert (item.current_period_start, item.current_period_end) == (START, START + 30 * DAY)
    assert "current_period_end" not in subscription


async def test_checkout_tells_in_stripes_order(stage: Stage) -> None:
    await stage.checkout(customer_email="ada@example.com")
    assert await stage.told_types() == [
        "customer.created",
        "payment_method.attached",
        "customer.updated",
        "invoice.created",
        "customer.subscription.created",
        "invoice.finalized",
        "invoice.paid",
        "invoice.payment_succeeded",
        "customer.subscription.updated",
        "checkout.session.completed",
    ]


async def test_update_tells_what_was_before(stage: Stage) -> None:
    subscription = await stage.subscribed()
    await stage.v1.subscriptions.update_async(
        subscription.id, {"cancel_at_period_end": True, "metadata": {"a": "1"}}
    )
    event = (await stage.told())[-1]
    assert event["type"] == "customer.subscription.updated"
    assert event["data"]["object"]["cancel_at"] == START + 30 * DAY
    assert event["data"]["previous_attributes"] == {
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"reason": None},
        "metadata": {"a": None},
    }


async def test_update_that_changes_nothing_tells_nothing(stage: Stage) -> None:
    subscription = await stage.subscribed()
    before = len(await stage.told())
    await stage.v1.subscriptions.update_async(subscription.id, {"cancel_at_period_end": False})
    assert len(await stage.told()) == before


async def test_declined_card_leaves_the_checkout_open_and_no_subscription(stage: Stage) -> None:
    session = await stage.checkout(DECLINED, customer_email="ada@example.com")
    assert (session.status, session.payment_status) == ("open", "unpaid")
    assert (await stage.v1.subscriptions.list_async({"status": "all"})).data == []
    assert await stage.told_types() == []


async def test_renewal_is_charged_an_hour_after_the_period_began(stage: Stage) -> None:
    subscription = await stage.subscribed()
    await stage.pass_time(30 * DAY)
    [draft, _] = (await stage.v1.invoices.list_async({"subscription": subscription.id})).data
    assert (draft.status, draft.billing_reason) == ("draft", "subscription_cycle")
    assert (draft.period_start, draft.period_end) == (START, START + 30 * DAY)
    assert draft.automatically_finalizes_at == START + 30 * DAY + HOUR
    await stage.pass_time(HOUR)
    paid = await stage.v1.invoices.retrieve_async(draft.id)
    assert (paid.status, paid.amount_paid) == ("paid", 4_900)
    renewed = await stage.v1.subscriptions.retrieve_async(subscription.id)
    item = renewed["items"].data[0]
    # 25 December to 25 January
    assert item.current_period_start == START + 30 * DAY
    assert item.current_period_end == START + 61 * DAY
    assert (renewed.status, renewed.latest_invoice) == ("active", draft.id)


async def test_year_of_months_is_twelve_more_invoices(stage: Stage) -> None:
    subscription = await stage.subscribed()
    await stage.pass_time(365 * DAY + HOUR)
    invoices = (await stage.v1.invoices.list_async({"limit": 100})).data
    assert [one.status for one in invoices] == ["paid"] * 13
    assert [one.number[-4:] for one in reversed(invoices)] == [f"{n:04}" for n in range(1, 14)]
    created = [one.created for one in reversed(invoices)]
    assert created == sorted(set(created))
    renewed = await stage.v1.subscriptions.retrieve_async(subscription.id)
    assert renewed["items"].data[0].current_period_start == START + 365 * DAY


async def test_cancelled_subscription_ends_with_its_period(stage: Stage) -> None:
    subscription = await stage.subscribed()
    await stage.v1.subscriptions.update_async(subscription.id, {"cancel_at_period_end": True})
    await stage.pass_time(30 * DAY - 1)
    assert (await stage.v1.subscriptions.retrieve_async(subscription.id)).status == "active"
    await stage.pass_time(1)
    ended = await stage.v1.subscriptions.retrieve_async(subscription.id)
    assert (ended.status, ended.ended_at, ended.canceled_at) == (
        "canceled",
        START + 30 * DAY,
        START,
    )
    assert (await stage.told_types())[-1] == "customer.subscription.deleted"
    assert len((await stage.v1.invoices.list_async()).data) == 1


async def test_resumed_subscription_renews(stage: Stage) -> None:
    subscription = await stage.subscribed()
    await stage.v1.subscriptions.update_async(subscription.id, {"cancel_at_period_end": True})
    resumed = await stage.v1.subscriptions.update_async(
        subscription.id, {"cancel_at_period_end": False}
    )
    assert (resumed.cancel_at, resumed.canceled_at) == (None, None)
    await stage.pass_time(30 * DAY + HOUR)
    assert len((await stage.v1.invoices.list_async({"status": "paid"})).data) == 2


async def test_cancel_ends_at_once_and_a_second_time_is_refused(stage: Stage) -> None:
    subscription = await stage.subscribed()
    ended = await stage.v1.subscriptions.cancel_async(subscription.id)
    assert (ended.status, ended.ended_at) == ("canceled", START)
    with pytest.raises(stripe.InvalidRequestError):
        await stage.v1.subscriptions.cancel_async(subscription.id)
    await stage.pass_time(40 * DAY)
    assert len((await stage.v1.invoices.list_async()).data) == 1


async def test_trial_is_free_warned_of_and_then_charged(stage: Stage) -> None:
    ends = START + 14 * DAY
    session = await stage.checkout(
        customer_email="ada@example.com", subscription_data={"trial_end": ends}
    )
    assert session.payment_status == "no_payment_required"
    trial = await stage.v1.subscriptions.retrieve_async(session.subscription)
    assert (trial.status, trial.trial_end) == ("trialing", ends)
    [first] = (await stage.v1.invoices.list_async()).data
    assert (first.status, first.total) == ("paid", 0)
    await stage.pass_time(11 * DAY)
    assert (await stage.told_types())[-1] == "customer.subscription.trial_will_end"
    await stage.pass_time(3 * DAY + HOUR)
    paying = await stage.v1.subscriptions.retrieve_async(session.subscription)
    assert paying.status == "active"
    item = paying["items"].data[0]
    # 9 December to 9 January
    assert (item.current_period_start, item.current_period_end) == (ends, ends + 31 * DAY)
    assert (await stage.v1.invoices.list_async()).data[0].amount_paid == 4_900


async def test_trial_without_a_card_ends_when_it_is_to_be_cancelled_then(stage: Stage) -> None:
    customer = await stage.v1.customers.create_async({"email": "ada@example.com"})
    trial = await stage.v1.subscriptions.create_async(
        {
            "customer": customer.id,
            "items": [{"price": "price_standard_month"}],
            "trial_end": START + 7 * DAY,
            "trial_settings": {"end_behavior": {"missing_payment_method": "cancel"}},
        }
    )
    assert trial.status == "trialing"
    await stage.pass_time(7 * DAY)
    assert (await stage.v1.subscriptions.retrieve_async(trial.id)).status == "canceled"


@pytest.mark.parametrize(
    "params",
    [
        {"billing_cycle_anchor": "now"},
        {"collection_method": "send_invoice"},
        {"payment_behavior": "pending_if_incomplete"},
        {"items": [{"price": "price_enterprise_month"}]},
        {"trial_end": START - 1},
        {"pause_collection": {"behavior": "void"}},
    ],
)
async def test_what_the_sandbox_cannot_play_is_refused_and_changes_nothing(
    stage: Stage, params: Any
) -> None:
    subscription = await stage.subscribed()
    with pytest.raises(stripe.InvalidRequestError):
        await stage.v1.subscriptions.update_async(
            subscription.id, {"metadata": {"a": "1"}, **params}
        )
    after = await stage.v1.subscriptions.retrieve_async(subscription.id)
    assert after.to_dict() == subscription.to_dict()


async def test_failing_card_goes_through_all_retries_to_unpaid(stage: Stage) -> None:
    subscription = await stage.subscribed(card=FAILS_LATER)
    due = START + 30 * DAY + HOUR
    await stage.pass_time(30 * DAY + HOUR)
    seen = []
    for days in (3, 5, 7, 1):
        [invoice, *_] = (await stage.v1.invoices.list_async()).data
        now = await stage.v1.subscriptions.retrieve_async(subscription.id)
        next_try = invoice.next_payment_attempt
        seen.append((now.status, invoice.attempt_count, next_try and next_try - due))
        await stage.pass_time(days * DAY)
    assert seen == [
        ("past_due", 1, 3 * DAY),
        ("past_due", 2, 8 * DAY),
        ("past_due", 3, 15 * DAY),
        ("unpaid", 4, None),
    ]
    assert (await stage.told_types()).count("invoice.payment_failed") == 4
    customer = await stage.v1.customers.retrieve_async(subscription.customer)
    assert customer.delinquent is True


async def test_unpaid_subscription_gets_drafts_only_and_lives_again_when_paid(stage: Stage) -> None:
    subscription = await stage.subscribed(card=FAILS_LATER)
    await stage.pass_time((30 + 15) * DAY + HOUR)
    [owed, _] = (await stage.v1.invoices.list_async()).data
    await stage.pass_time(31 * DAY)
    [draft, *_] = (await stage.v1.invoices.list_async()).data
    assert (draft.status, draft.auto_advance) == ("draft", False)
    with pytest.raises(stripe.CardError):
        await stage.v1.invoices.pay_async(draft.id)
    await stage.v1.invoices.pay_async(draft.id, {"payment_method": "pm_card_visa"})
    assert (await stage.v1.subscriptions.retrieve_async(subscription.id)).status == "active"
    await stage.v1.invoices.pay_async(owed.id, {"payment_method": "pm_card_visa"})
    customer = await stage.v1.customers.retrieve_async(subscription.customer)
    assert customer.delinquent is False


async def test_new_card_pays_at_the_next_retry(stage: Stage) -> None:
    subscription = await stage.subscribed(card=FAILS_LATER)
    await stage.pass_time(30 * DAY + HOUR)
    card = await stage.v1.payment_methods.attach_async(
        "pm_card_visa", {"customer": subscription.customer}
    )
    await stage.v1.subscriptions.update_async(subscription.id, {"default_payment_method": card.id})
    await stage.pass_time(3 * DAY)
    assert (await stage.v1.subscriptions.retrieve_async(subscription.id)).status == "active"
    assert (await stage.told_types())[-1] == "customer.subscription.updated"


async def test_first_payment_that_fails_leaves_an_incomplete_subscription_to_expire(
    stage: Stage,
) -> None:
    customer = await stage.v1.customers.create_async({"email": "ada@example.com"})
    card = await stage.v1.payment_methods.attach_async(
        "pm_card_chargeCustomerFail", {"customer": customer.id}
    )
    made = await stage.v1.subscriptions.create_async(
        {
            "customer": customer.id,
            "items": [{"price": "price_standard_month"}],
            "default_payment_method": card.id,
        }
    )
    assert made.status == "incomplete"
    await stage.pass_time(23 * HOUR)
    expired = await stage.v1.subscriptions.retrieve_async(made.id)
    assert expired.status == "incomplete_expired"
    assert (await stage.v1.invoices.list_async()).data[0].status == "void"


async def test_incomplete_subscription_is_active_once_paid(stage: Stage) -> None:
    customer = await stage.v1.customers.create_async({"email": "ada@example.com"})
    made = await stage.v1.subscriptions.create_async(
        {"customer": customer.id, "items": [{"price": "price_standard_month"}]}
    )
    assert made.status == "incomplete"
    await stage.v1.invoices.pay_async(made.latest_invoice, {"payment_method": "pm_card_visa"})
    assert (await stage.v1.subscriptions.retrieve_async(made.id)).status == "active"
