"""The sandbox's clock, and Stripe's test clocks: histories, and that they stay apart."""

from itertools import pairwise
from typing import Any

import pytest
import stripe
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.sandbox.stage import DAY, FAILS_LATER, HOUR, START, WORKS, Stage, on_stage


async def now_of(stage: Stage) -> str:
    page = (await stage.pages.get("/sandbox/clock")).text
    return page.partition('clock-now numeric">')[2].partition("<")[0]


async def test_buttons_move_the_clock_on(stage: Stage) -> None:
    assert await now_of(stage) == "25 Nov 2026, 09:46 UTC"
    seen = []
    for step in ("hour", "day", "week", "month", "year"):
        await stage.move(step)
        seen.append(await now_of(stage))
    assert seen == [
        "25 Nov 2026, 10:46 UTC",
        "26 Nov 2026, 10:46 UTC",
        "3 Dec 2026, 10:46 UTC",
        "3 Jan 2027, 10:46 UTC",
        "3 Jan 2028, 10:46 UTC",
    ]


async def test_month_on_renews_and_charges_with_one_press(stage: Stage) -> None:
    await stage.subscribed()
    await stage.move("month")
    invoices = (await stage.v1.invoices.list_async()).data
    assert [invoice.status for invoice in invoices] == ["paid", "paid"]
    assert await now_of(stage) == "25 Dec 2026, 10:46 UTC"


async def test_moved_clock_goes_on_with_real_time_and_survives_restarts(unit_of_work: Any) -> None:
    async with on_stage() as before:
        await before.move("month")
        before.time += HOUR
        assert await now_of(before) == "25 Dec 2026, 10:46 UTC"
    async with on_stage() as after:
        assert await now_of(after) == "25 Dec 2026, 09:46 UTC"


async def test_end_of_dunning_can_be_a_cancellation(stage: Stage) -> None:
    await stage.pages.post("/sandbox/clock/options", data={"after_last_retry": "canceled"})
    subscription = await stage.subscribed(card=FAILS_LATER)
    await stage.pass_time((30 + 15) * DAY + HOUR)
    ended = await stage.v1.subscriptions.retrieve_async(subscription.id)
    assert (ended.status, ended.cancellation_details.reason) == ("canceled", "payment_failed")
    assert (await stage.told_types())[-1] == "customer.subscription.deleted"


async def test_events_of_one_move_are_told_at_their_own_times(stage: Stage) -> None:
    await stage.subscribed()
    await stage.move("year")
    created = [event["created"] for event in await stage.told()]
    assert created == sorted(created)
    assert len(set(created)) > 20


async def test_test_clock_moves_its_own_customers_only(stage: Stage) -> None:
    clock = await stage.v1.test_helpers.test_clocks.create_async({"frozen_time": START - DAY})
    there = await stage.v1.customers.create_async({"test_clock": clock.id})
    card = await stage.v1.payment_methods.attach_async("pm_card_visa", {"customer": there.id})
    made = await stage.v1.subscriptions.create_async(
        {
            "customer": there.id,
            "items": [{"price": "price_standard_month"}],
            "default_payment_method": card.id,
        }
    )
    here = await stage.subscribed()
    assert made.created == START - DAY
    advanced = await stage.v1.test_helpers.test_clocks.advance_async(
        clock.id, {"frozen_time": START + 30 * DAY}
    )
    assert (advanced.status, advanced.frozen_time) == ("ready", START + 30 * DAY)
    moved = await stage.v1.subscriptions.retrieve_async(made.id)
    assert moved["items"].data[0].current_period_start == START + 29 * DAY
    still = await stage.v1.subscriptions.retrieve_async(here.id)
    assert still["items"].data[0].current_period_start == START
    await stage.pass_time(62 * DAY)
    assert (await stage.v1.subscriptions.retrieve_async(made.id)).to_dict() == moved.to_dict()


async def test_test_clock_does_not_go_back_and_takes_its_customers_along(stage: Stage) -> None:
    clocks = stage.v1.test_helpers.test_clocks
    clock = await clocks.create_async({"frozen_time": START})
    customer = await stage.v1.customers.create_async({"test_clock": clock.id})
    with pytest.raises(stripe.InvalidRequestError):
        await clocks.advance_async(clock.id, {"frozen_time": START})
    assert (await clocks.retrieve_async(clock.id)).frozen_time == START
    assert (await clocks.delete_async(clock.id)).deleted is True
    assert (await stage.v1.customers.retrieve_async(customer.id)).deleted is True


ACTS = st.lists(
    st.sampled_from(
        [
            "month",
            "week",
            "upgrade",
            "downgrade",
            "yearly",
            "cancel",
            "resume",
            "bad",
            "good",
            "pay",
        ]
    ),
    min_size=1,
    max_size=7,
)


async def act(stage: Stage, subscription_id: str, what: str) -> None:
    """One act, by the API or a page; refusals are part of life."""
    subscription = await stage.v1.subscriptions.retrieve_async(subscription_id)
    item = [{"id": subscription["items"].data[0].id}]
    prices = {"upgrade": "price_enterprise_month", "downgrade": "price_standard_month",
              "yearly": "price_standard_year"}  # fmt: skip
    portal = await stage.v1.billing_portal.sessions.create_async(
        {"customer": subscription.customer}
    )
    page = f"/sandbox/portal/{portal.id}"
    try:
        if what in prices:
            wanted: Any = {"items": [{**item[0], "price": prices[what]}]}
            wanted["proration_behavior"] = "always_invoice"
            await stage.v1.subscriptions.update_async(subscription_id, wanted)
        elif what in {"cancel", "resume"}:
            await stage.v1.subscriptions.update_async(
                subscription_id, {"cancel_at_period_end": what == "cancel"}
            )
        elif what in {"bad", "good"}:
            card = WORKS if what == "good" else FAILS_LATER
            await stage.pages.post(f"{page}/card", data={"card": card})
        elif what == "pay":
            for invoice in (await stage.v1.invoices.list_async({"status": "open"})).data:
                await stage.pages.post(f"{page}/pay", data={"invoice": invoice.id})
        else:
            await stage.move(what)
    except stripe.StripeError:
        return


@settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking takes minutes
    suppress_health_check=list(HealthCheck),
)
@given(acts=ACTS)
async def test_money_adds_up_whatever_happens(stage: Stage, acts: list[str]) -> None:
    subscription = await stage.subscribed()
    for what in acts:
        await act(stage, subscription.id, what)
    customer = await stage.v1.customers.retrieve_async(subscription.customer)
    listed = await stage.v1.invoices.list_async({"customer": customer.id, "limit": 100})
    finished = [invoice for invoice in listed.data if invoice.number]
    # every invoice is its lines; what they come to was paid, is owed, or is on the balance
    assert all(one.total == sum(line.amount for line in one.lines.data) for one in finished)
    owed = sum(one.amount_remaining for one in finished)
    paid = sum(one.amount_paid for one in finished)
    assert sum(one.total for one in finished) == paid + owed + customer.balance
    assert len({one.number for one in finished}) == len(finished)
    await events_retell_the_subscription(stage, subscription.id)


async def events_retell_the_subscription(stage: Stage, subscription_id: str) -> None:
    """The last event about it holds its present state, and each step fits the one before."""
    events = [
        event for event in await stage.told() if event["data"]["object"]["id"] == subscription_id
    ]
    present = await stage.v1.subscriptions.retrieve_async(subscription_id)
    assert events[-1]["data"]["object"] == present.to_dict()
    for before, after in pairwise(events):
        for name, old in after["data"].get("previous_attributes", {}).items():
            if not isinstance(old, dict):
                assert before["data"]["object"][name] == old
