"""Webhooks: signed as the `stripe` package verifies, retried, and never lost."""

import asyncio
import time
from typing import Any

import httpx
import pytest
import stripe

from app.sandbox import delivery
from app.sandbox.config import Config
from app.sandbox.delivery import Deliveries, signature
from tests.sandbox.stage import (
    API_KEY,
    DAY,
    PRICES,
    START,
    WEBHOOK_SECRET,
    Receiver,
    Stage,
    on_stage,
    until,
)


def quiet(stage: Stage) -> bool:
    return len(stage.receiver.got) > 0 and not stage.receiver.answers


async def states(stage: Stage) -> list[int]:
    return [event["pending_webhooks"] for event in await stage.told()]


async def test_every_event_is_delivered_signed(stage: Stage) -> None:
    stage.time = time.time()
    await stage.checkout(customer_email="ada@example.com")
    told = await stage.told()
    await until(lambda: len(stage.receiver.got) == len(told))
    assert sorted(e["id"] for e in stage.receiver.got) == sorted(e["id"] for e in told)
    for body, headers in zip(stage.receiver.bodies, stage.receiver.headers, strict=True):
        event = stripe.Webhook.construct_event(body, headers["stripe-signature"], WEBHOOK_SECRET)
        assert event.object == "event"
    await until_delivered(stage)
    assert set(await states(stage)) == {0}


async def until_delivered(stage: Stage) -> None:
    async with asyncio.timeout(5):
        while any(await states(stage)):  # noqa: ASYNC110  # it can only be asked
            await asyncio.sleep(0.05)


def test_signature_holds_for_its_body_secret_and_time_only() -> None:
    now = int(time.time())
    header = signature("{}", WEBHOOK_SECRET, now)
    verify = stripe.WebhookSignature.verify_header
    assert verify("{}", header, WEBHOOK_SECRET, 300)
    for body, secret, at in (
        ("{ }", WEBHOOK_SECRET, now),
        ("{}", "whsec_other", now),
        ("{}", WEBHOOK_SECRET, now - 301),
    ):
        with pytest.raises(stripe.SignatureVerificationError):
            verify(body, signature("{}", WEBHOOK_SECRET, at), secret, 300)


async def test_signature_tells_real_time_however_far_the_clock_was_moved(stage: Stage) -> None:
    stage.time = time.time()
    await stage.subscribed()
    await stage.move("year")
    await until(lambda: "customer.subscription.updated" in stage.receiver.types[-8:])
    last = stage.receiver.headers[-1]["stripe-signature"]
    assert stripe.WebhookSignature.verify_header(
        stage.receiver.bodies[-1].decode(), last, WEBHOOK_SECRET, 300
    )


async def test_refused_delivery_is_tried_again_later_each_time(stage: Stage) -> None:
    stage.receiver.answers = [500, 404, 302]
    await stage.v1.customers.create_async({})
    waits = []
    for tries in range(1, 4):
        await until(lambda tries=tries: len(stage.receiver.bodies) == tries)
        waits.append(await due_in(stage))
        stage.time += waits[-1]
    await until(lambda: stage.receiver.got)
    assert waits == [5, 20, 80]
    assert len(set(stage.receiver.bodies)) == 1
    await until_delivered(stage)


async def due_in(stage: Stage) -> int:
    """Seconds until the one delivery is tried again, once the try is on record."""
    page = ""
    async with asyncio.timeout(5):
        while "tried" not in page:
            await asyncio.sleep(0.05)
            page = (await stage.pages.get("/sandbox/clock")).text
        from app.sandbox.books import peeking

        while True:
            async with peeking(lambda: stage.time, "") as books:
                [found] = await books.list_all("delivery")
            wait = (found.due_at or 0) - int(stage.time)
            if wait != delivery.LEASE_SECONDS and wait > 0:
                return wait
            await asyncio.sleep(0.05)


async def test_delivery_is_given_up_after_three_days_and_can_be_sent_again(stage: Stage) -> None:
    stage.receiver.answers = [500] * (len(delivery.RETRY_SECONDS) + 1)
    await stage.v1.customers.create_async({})
    async with asyncio.timeout(30):
        while stage.receiver.answers:
            stage.time += DAY
            await asyncio.sleep(0.05)
    page = await until_page(stage, "failed")
    assert sum(delivery.RETRY_SECONDS) > 2.5 * DAY
    [wanted] = [part for part in page.split('"') if part.startswith("whd_")]
    await stage.pages.post("/sandbox/clock/resend", data={"delivery": wanted})
    await until(lambda: stage.receiver.got)
    await until_page(stage, "delivered")


async def until_page(stage: Stage, word: str) -> str:
    async with asyncio.timeout(10):
        while True:
            page = (await stage.pages.get("/sandbox/clock")).text
            if f"status-{word}" in page:
                return page
            await asyncio.sleep(0.05)


async def test_nobody_listening_only_delays_a_delivery(unit_of_work: Any) -> None:
    receiver = Receiver()
    config = Config(PRICES, "", API_KEY, "http://127.0.0.1:9/hook", WEBHOOK_SECRET, lambda: START)
    async with on_stage() as stage:
        stage.receiver.answers = [503] * 100
        await stage.v1.customers.create_async({})
    assert receiver.got == []
    late = Config(PRICES, "", API_KEY, config.webhook_url, WEBHOOK_SECRET, lambda: START + 2 * DAY)
    async with httpx.AsyncClient() as client:
        assert await Deliveries(late, client).deliver_due() == 1
        assert await Deliveries(late, client).deliver_due() == 0


async def test_what_was_pending_is_delivered_after_a_restart(unit_of_work: Any) -> None:
    async with on_stage() as before:
        before.receiver.answers = [503] * 100
        subscription = await before.subscribed()
        await until(lambda: len(before.receiver.bodies) > 0)
        told = await before.told()
    async with on_stage() as after:
        after.time = START + DAY
        assert (await after.v1.subscriptions.retrieve_async(subscription.id)).status == "active"
        await until(lambda: len(after.receiver.got) == len(told))
        assert {e["id"] for e in after.receiver.got} == {e["id"] for e in told}


async def test_several_processes_deliver_each_event_once(unit_of_work: Any) -> None:
    async with on_stage() as one, on_stage() as other:
        await asyncio.gather(*(stage.subscribed() for stage in (one, other) for _ in range(3)))
        told = [event["id"] for event in await one.told()]

        def arrived() -> list[str]:
            return [event["id"] for stage in (one, other) for event in stage.receiver.got]

        await until(lambda: len(arrived()) >= len(told), 15)
        assert sorted(arrived()) == sorted(told)


async def test_moving_the_clock_in_two_processes_renews_once(unit_of_work: Any) -> None:
    async with on_stage() as one, on_stage() as other:
        subscription = await one.subscribed()
        await asyncio.gather(one.pass_time(31 * DAY), other.pass_time(31 * DAY))
        invoices = await other.v1.invoices.list_async({"subscription": subscription.id})
        assert [invoice.status for invoice in invoices.data] == ["paid", "paid"]
