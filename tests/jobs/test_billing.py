"""Events are applied by whichever worker is there, and each mail is sent once."""

import asyncio
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from procrastinate import RetryStrategy
from psycopg_pool.base import AttemptWithBackoff
from sqlalchemy import text

from app.billing import event_store, events
from app.billing.reconcile import end_plans
from app.core.clock import utc_now
from app.integrations.mail import list_stored
from app.jobs import app as jobs_app
from app.jobs import billing
from app.models import BillingAccount, BillingNotice
from tests.api.browser import make_settings
from tests.billing.conftest import shop as shop  # noqa: PLC0414  # a fixture
from tests.billing.shop import Shop, keep, states
from tests.factories import make_key, make_subscription, make_user

SECONDS = 20


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Tries again at once what in earnest waits; mail lies in the test's folder."""
    settings = make_settings(tmp_path)
    monkeypatch.setattr(billing, "RETRY", RetryStrategy(max_attempts=8))
    monkeypatch.setattr(billing, "get_settings", lambda: settings)
    monkeypatch.setattr(jobs_app, "RESTART_SECONDS", 0.01)
    monkeypatch.setattr(jobs_app, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(AttemptWithBackoff, "INITIAL_DELAY", 0.01)


async def until(is_so: Any) -> None:
    async with asyncio.timeout(SECONDS):
        while not await is_so():  # noqa: ASYNC110  # other processes can only be asked
            await asyncio.sleep(0.02)


async def test_events_are_applied_by_two_workers_and_mailed_once(shop: Shop, tmp_path: Any) -> None:
    await shop.buy()
    told = await shop.stage.told()
    async with jobs_app.running_jobs(), jobs_app.running_jobs():
        for event in [*told, *told]:
            await keep(event)

        async def is_done() -> bool:
            return "pending" not in await states() and bool(list_stored(tmp_path / "mail"))

        await until(is_done)
    assert await shop.tier() == "standard"
    [mail] = list_stored(tmp_path / "mail")
    assert mail.subject == "Your plan is now Standard"
    assert "/billing/" in mail.text


async def test_event_whose_job_was_lost_is_applied_by_the_next_round(
    shop: Shop, database_url: str
) -> None:
    await shop.buy()
    for event in await shop.stage.told():
        await keep(event)
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute("SET search_path = latchkey")
        admin.execute("DELETE FROM procrastinate_jobs")
    await billing.apply_overdue(None, 0)  # type: ignore[arg-type]  # it asks nothing of its context
    assert await shop.tier() == "standard"


async def test_event_that_meets_a_fault_of_ours_is_kept_and_seen(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, unit_of_work: Any
) -> None:
    async def broken(*args: Any, **kwargs: Any) -> None:
        raise ZeroDivisionError("a fault of ours")

    await shop.buy()
    for event in await shop.stage.told():
        await keep(event)
    monkeypatch.setattr(events, "sync", broken)
    await billing.apply_events((await shop.row()).stripe_customer_id)
    async with unit_of_work() as session:
        failed = await event_store.list_events(session, only_failed=True, most=100)
    assert failed
    assert {(one.state, one.note) for one in failed} == {
        ("pending", "ZeroDivisionError: a fault of ours")
    }


async def test_event_is_given_up_in_the_end_and_can_be_replayed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, unit_of_work: Any
) -> None:
    await shop.buy()
    told = await shop.stage.told()
    for event in told:
        await keep(event)
    ids = [event["id"] for event in told]
    monkeypatch.setattr(event_store, "MOST_ATTEMPTS", 3)
    for _ in range(3):
        async with unit_of_work() as session:
            await event_store.mark_failed(session, ids, "Stripe was away")
    assert "failed" in await states()
    async with unit_of_work() as session:
        assert await event_store.list_due_customers(session) == []
        await event_store.replay(session, ids[-1])
    await billing.apply_events((await shop.row()).stripe_customer_id)
    assert await shop.tier() == "standard"
    assert (await states())["applied"] == 1


async def test_event_of_a_customer_of_nobody_s_is_ignored(shop: Shop) -> None:
    made = await shop.stage.v1.customers.create_async({"email": "made@by.hand"})
    for event in await shop.stage.told():
        await keep(event)
    await billing.apply_events(made.id)
    assert await states() == {"ignored": 1}


async def test_subscription_changed_by_hand_at_stripe_is_followed(shop: Shop) -> None:
    await shop.buy()
    await shop.deliver()
    [bought] = await shop.at_stripe("subscriptions")
    await shop.stage.v1.subscriptions.update_async(
        bought["id"],
        {
            "items": [
                {
                    "id": bought["items"]["data"][0]["id"],
                    "price": "sandbox_price_enterprise_month",
                }
            ]
        },
    )
    await billing.reconcile_all(None, 0)  # type: ignore[arg-type]  # it asks nothing of its context
    assert await shop.tier() == "enterprise"


async def test_second_subscription_made_by_hand_is_said_aloud(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    await shop.buy()
    row = await shop.row()
    await shop.stage.pass_time(60)
    await shop.stage.v1.subscriptions.create_async(
        {
            "customer": row.stripe_customer_id,
            "items": [{"price": "sandbox_price_enterprise_month"}],
        }
    )
    await billing.reconcile_all(None, 0)  # type: ignore[arg-type]  # it asks nothing of its context
    assert "pays for 2 subscriptions" in caplog.text
    assert await shop.tier() == "enterprise"


@pytest.mark.parametrize(
    ("kind", "details", "words"),
    [
        ("payment_failed", {"plan": "Standard", "until": "2026-12-08"}, "until 2026-12-08 (UTC)"),
        ("payment_failed", {"plan": "Standard", "until": None}, "are refused until"),
        ("payment_recovered", {"plan": "Standard"}, "Your keys work as before"),
        ("plan_changed", {"plan": "Standard", "interval": "year"}, "paid by the year"),
        ("plan_changed", {"plan": "Standard", "interval": None}, "have it already."),
        ("plan_ending", {"plan": "Standard", "until": "2026-12-08"}, "ends on 2026-12-08"),
        ("plan_ended", {"plan": "Standard", "until": None}, "free plan now"),
        ("plan_ended", {"plan": "Standard", "until": "2026-12-08"}, "until 2026-12-08 (UTC)"),
    ],
)
async def test_mail_says(
    unit_of_work: Any, tmp_path: Any, kind: str, details: dict[str, Any], words: str
) -> None:
    async with unit_of_work() as session:
        user = await make_user(session)
        notice = BillingNotice(user_id=user.id, occasion="x", kind=kind, details=details)
        session.add(notice)
    await billing.send_notice(notice.id)
    [mail] = list_stored(tmp_path / "mail")
    assert mail.to == user.email
    assert words in " ".join(mail.text.split())
    assert "None" not in mail.text
    await billing.send_notice("gone")
    assert len(list_stored(tmp_path / "mail")) == 1


async def test_keys_of_a_plan_whose_time_is_over_say_so(unit_of_work: Any) -> None:
    async with unit_of_work() as session:
        for days in (-1, 1):
            user = await make_user(session)
            ends = utc_now() + timedelta(days=days)
            await make_subscription(session, user, status="canceled", current_period_end=ends)
            session.add(BillingAccount(user_id=user.id, tier="standard"))
            await make_key(session, user, tier="standard")
    async with unit_of_work() as session:
        assert await end_plans(session) == 1
        assert await end_plans(session) == 0


async def test_events_of_one_customer_keep_one_worker(shop: Shop, unit_of_work: Any) -> None:
    await shop.buy()
    for event in await shop.stage.told():
        await keep(event)
    statement = text("SELECT count(*), count(DISTINCT lock) FROM latchkey.procrastinate_jobs")
    async with unit_of_work() as session:
        jobs, locks = (await session.exec(statement)).one()
    assert jobs > 1
    assert locks == 1
