"""Stripe down, slow, busy or talking nonsense: it is said in words, and nothing is half-written."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlmodel import select

from app.billing import event_store
from app.billing.changes import cancel, preview_change
from app.billing.checkout import is_checkout_settled, start_checkout
from app.billing.events import apply_due, apply_events
from app.billing.invoices import list_invoices
from app.billing.portal import open_customer_portal
from app.billing.reconcile import reconcile
from app.core.database import unit_of_work
from app.integrations.stripe import Gateway, failures
from app.integrations.stripe.errors import (
    ConfirmationNeeded,
    PaymentDeclined,
    StripeBusy,
    StripeError,
    StripeMisconfigured,
    StripeUnavailable,
)
from app.models import StripeEvent
from app.sandbox import API_PREFIX
from tests.billing.faulty import Faulty
from tests.billing.shop import Shop, keep, use_stripe
from tests.sandbox.stage import API_KEY


def error(kind: str, code: str = "") -> str:
    return json.dumps({"error": {"type": kind, "code": code, "message": "secret words"}})


FAULTS = [
    pytest.param("closed", 200, "", StripeUnavailable, id="down"),
    pytest.param("slow", 200, "{}", StripeUnavailable, id="slow"),
    pytest.param("answer", 429, error("rate_limit_error"), StripeBusy, id="busy"),
    pytest.param("answer", 500, error("api_error"), StripeUnavailable, id="500"),
    pytest.param("answer", 500, "<html>", StripeUnavailable, id="500 in HTML"),
    pytest.param("answer", 200, "not JSON", StripeUnavailable, id="no JSON"),
    pytest.param("answer", 200, "[]", StripeUnavailable, id="a list"),
    pytest.param("answer", 200, "7", StripeUnavailable, id="a number"),
    pytest.param("answer", 200, '{"object": "list"}', StripeUnavailable, id="no fields"),
    pytest.param("answer", 200, '{"data": [{"id": 7}]}', StripeUnavailable, id="wrong types"),
    pytest.param("answer", 401, error("invalid_request_error"), StripeMisconfigured, id="401"),
    pytest.param("answer", 402, error("card_error"), PaymentDeclined, id="declined"),
    pytest.param(
        "answer",
        402,
        error("card_error", "authentication_required"),
        ConfirmationNeeded,
        id="to be confirmed",
    ),
    pytest.param("answer", 400, error("invalid_request_error"), StripeError, id="refused"),
]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits for half a second where in earnest it is ten."""
    monkeypatch.setattr(failures, "ANSWER_SECONDS", 0.5)


async def longest_block(until: "asyncio.Task[Any]") -> float:
    """How long the event loop was busy with one thing, at most, until the task is done."""
    longest, last = 0.0, time.monotonic()
    while not until.done():
        await asyncio.sleep(0.005)
        now = time.monotonic()
        longest, last = max(longest, now - last), now
    return longest


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("fault", "status", "body", "expected"), FAULTS)
async def test_failure_has_its_name_and_changes_nothing(
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    status: int,
    body: str,
    expected: type[StripeError],
    report: Callable[[str], None],
    request: pytest.FixtureRequest,
) -> None:
    session_id = await shop.buy()
    await shop.deliver()
    before, account = await shop.row(), await shop.account()
    acts = [
        lambda: start_checkout(shop.user_id, "standard", "month"),
        lambda: is_checkout_settled(shop.user_id, session_id),
        lambda: preview_change(shop.user_id, "enterprise", "month"),
        lambda: cancel(shop.user_id),
        lambda: open_customer_portal(shop.user_id),
        lambda: list_invoices(shop.user_id),
    ]
    async with Faulty(fault, status, body).running() as faulty:
        use_stripe(monkeypatch, Gateway("sk_test_x", base=faulty.url))
        slowest = busiest = 0.0
        for act in acts:
            began = time.monotonic()
            task = asyncio.ensure_future(act())
            blocked = await longest_block(task)
            slowest, busiest = max(slowest, time.monotonic() - began), max(busiest, blocked)
            with pytest.raises(expected) as refusal:
                task.result()
            assert "secret words" not in refusal.value.detail
            assert time.monotonic() - began < 5
            assert blocked < 0.5
        compared = await reconcile()
        assert list(compared.failed) == [shop.user_id]
    report(
        f"Stripe {request.node.callspec.id}: {len(acts)} acts named it within {slowest:.2f} s "
        f"(bound {failures.ANSWER_SECONDS} s instead of 10), "
        f"the loop was busy {busiest * 1000:.0f} ms at most"
    )
    assert await shop.row() == before
    assert (await shop.account()).tier == account.tier
    assert await shop.mails() == ["plan_changed"]
    assert await shop.tier() == "standard"


async def test_stripe_is_given_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert failures.ANSWER_SECONDS == 10.0
    async with Faulty("slow").running() as faulty:
        gateway = Gateway("sk_test_x", base=faulty.url)
        began = time.monotonic()
        with pytest.raises(StripeUnavailable):
            await gateway.list_subscriptions("cus_1")
    assert 9.5 < time.monotonic() - began < 13


async def test_retries_are_bounded_and_carry_one_idempotency_key() -> None:
    async with Faulty("answer", 500, error("api_error")).running() as faulty:
        gateway = Gateway("sk_test_x", base=faulty.url)
        with pytest.raises(StripeUnavailable):
            await gateway.create_customer(user_id="u", email="a@b.c", idempotency_key="customer:u")
    assert len(faulty.asked) == 3
    keys = {
        line for head in faulty.asked for line in head.split(b"\r\n")
        if line.lower().startswith(b"idempotency-key")
    }  # fmt: skip
    assert [key.partition(b": ")[2] for key in keys] == [b"latchkey:customer:u"]
    assert all(b"stripe-version: 2026-10-28.endive" in head.lower() for head in faulty.asked)


@pytest.mark.usefixtures("impatient")
async def test_events_wait_until_stripe_is_back(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.buy()
    customer = (await shop.row()).stripe_customer_id
    async with Faulty("closed").running() as faulty:
        use_stripe(monkeypatch, Gateway("sk_test_x", base=faulty.url))
        for event in await shop.stage.told():
            await keep(event)
        await apply_events(customer)
    async with unit_of_work() as session:
        failed = await event_store.list_events(session, only_failed=True, most=100)
        waits = [one.next_try_at > one.received_at for one in failed if one.next_try_at]
    assert failed
    assert all(waits)
    assert {(one.attempts, one.note.partition(":")[0]) for one in failed if one.note} == {
        (1, "StripeUnavailable")
    }
    use_stripe(monkeypatch, Gateway(API_KEY, base=shop.stage.url + API_PREFIX))
    await apply_due()
    assert await shop.tier() == "free"  # not their time yet
    async with unit_of_work() as session:
        event = await event_store.replay(session, failed[0].id)
        assert event.state == "pending"
    await apply_due()
    assert await shop.tier() == "standard"
    async with unit_of_work() as session:
        found = (await session.exec(select(StripeEvent.state))).all()
    assert "pending" not in found
