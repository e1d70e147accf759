"""What Stripe says is written whole, with what it gives, and each mail once."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import col, select

from app.billing.access import get_standing
from app.billing.apply import PLAN_STARTED_TASK, Applied, write
from app.billing.facts import Facts
from app.core.clock import utc_now
from app.flows.account_keys import create_key
from app.keys.options import parse_options
from app.models import (
    ApiKeyMetadata,
    BillingAccount,
    BillingNotice,
    Subscription,
    User,
)
from tests.billing.facts import BEGUN, MONTH, facts, subscription
from tests.factories import make_key, make_user

DAY = timedelta(days=1)


@pytest.fixture
async def user(unit_of_work: Any) -> User:
    """A customer at Stripe who has not bought anything, with a key."""
    async with unit_of_work() as session:
        user = await make_user(session)
        row = Subscription(user_id=user.id, stripe_customer_id="cus_1", status="incomplete")
        session.add(row)
        session.add(BillingAccount(user_id=user.id))
        await make_key(session, user)
        return user


@pytest.fixture
def put(unit_of_work: Any, user: User) -> Any:
    async def put_facts(found: Facts) -> Applied:
        async with unit_of_work() as session:
            return await write(session, user.id, found)

    return put_facts


@pytest.fixture
def kinds(unit_of_work: Any, user: User) -> Any:
    """The mails so far, oldest first."""

    async def find() -> Sequence[str]:
        async with unit_of_work() as session:
            statement = select(BillingNotice.kind).order_by(
                col(BillingNotice.created_at), col(BillingNotice.id)
            )
            return (await session.exec(statement)).all()

    return find


async def rows(unit_of_work: Any) -> tuple[Subscription, BillingAccount, Sequence[str]]:
    async with unit_of_work() as session:
        row = (await session.exec(select(Subscription))).one()
        account = (await session.exec(select(BillingAccount))).one()
        tiers = (await session.exec(select(ApiKeyMetadata.tier))).all()
    return row, account, tiers


async def test_bought_plan_is_written_whole_and_reaches_the_keys(
    unit_of_work: Any, put: Any
) -> None:
    applied = await put(facts())
    row, account, tiers = await rows(unit_of_work)
    assert (row.stripe_subscription_id, row.status) == ("sub_1", "active")
    assert row.stripe_price_id == "sandbox_price_standard_month"
    assert (row.current_period_start, row.current_period_end) == (BEGUN, BEGUN + MONTH)
    assert (row.cancel_at_period_end, account.tier) == (False, "standard")
    assert tiers == ["standard"]
    assert "status" in applied.differences


async def test_second_writing_changes_nothing(unit_of_work: Any, put: Any, kinds: Any) -> None:
    await put(facts())
    before, _, _ = await rows(unit_of_work)
    again = await put(facts())
    after, _, _ = await rows(unit_of_work)
    assert again.differences == ()
    assert before.updated_at == after.updated_at
    assert await kinds() == ["plan_changed"]


async def test_customer_without_a_subscription_is_incomplete_and_free(
    unit_of_work: Any, put: Any
) -> None:
    await put(facts())
    await put(Facts(None))
    row, account, tiers = await rows(unit_of_work)
    assert (row.status, row.stripe_subscription_id, row.current_period_end) == (
        "incomplete",
        None,
        None,
    )
    assert (account.tier, tiers) == ("free", ["free"])


@pytest.mark.parametrize("status", ["incomplete", "incomplete_expired", "paused"])
async def test_status_that_gives_nothing_takes_the_plan_from_keys(
    unit_of_work: Any, put: Any, status: str
) -> None:
    await put(facts())
    await put(facts(status=status))
    _, account, tiers = await rows(unit_of_work)
    assert (account.tier, tiers) == ("free", ["free"])


async def test_cancelled_plan_stays_with_the_keys_until_its_period_ends(
    unit_of_work: Any, put: Any, kinds: Any
) -> None:
    ends = utc_now() + DAY
    await put(facts(period_end=ends))
    await put(facts(period_end=ends, status="canceled", ended_at=utc_now()))
    _, _, tiers = await rows(unit_of_work)
    assert tiers == ["standard"]
    assert await kinds() == ["plan_changed", "plan_ended"]
    await put(facts(period_end=ends, status="canceled", ended_at=ends))
    assert (await rows(unit_of_work))[2] == ["free"]


async def test_price_that_no_plan_has_takes_nothing_away(
    unit_of_work: Any, put: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await put(facts())
    applied = await put(facts(price_id="price_of_another_day"))
    row, account, tiers = await rows(unit_of_work)
    assert row.stripe_price_id == "price_of_another_day"
    assert (account.tier, tiers) == ("standard", ["standard"])
    assert "older_price_ids" in (applied.oddity or "")
    assert "price_of_another_day" in caplog.text


async def test_price_may_name_its_plan_itself(unit_of_work: Any, put: Any) -> None:
    await put(facts(price_id="price_of_another_day", price_tier="enterprise"))
    assert (await rows(unit_of_work))[2] == ["enterprise"]


async def test_price_that_names_no_plan_of_ours_gives_none(unit_of_work: Any, put: Any) -> None:
    await put(facts(price_id="price_of_another_day", price_tier="root"))
    assert (await rows(unit_of_work))[2] == ["free"]


async def test_failed_payment_is_told_once_with_the_day_and_its_arrival_too(
    unit_of_work: Any, put: Any, kinds: Any
) -> None:
    await put(facts())
    owed = Facts(subscription(status="past_due"), BEGUN + MONTH, "in_2")
    await put(owed)
    await put(owed)
    await put(facts(period_start=BEGUN + MONTH, period_end=BEGUN + 2 * MONTH))
    await put(facts(period_start=BEGUN + MONTH, period_end=BEGUN + 2 * MONTH))
    assert await kinds() == ["plan_changed", "payment_failed", "payment_recovered"]
    async with unit_of_work() as session:
        statement = select(BillingNotice).where(BillingNotice.kind == "payment_failed")
        notice = (await session.exec(statement)).one()
    assert notice.details == {"plan": "Standard", "until": "2026-12-08"}


async def test_end_that_is_taken_back_and_meant_again_is_told_twice(put: Any, kinds: Any) -> None:
    await put(facts())
    for day in (1, 1, 2):
        await put(facts(cancel_at_period_end=True, canceled_at=BEGUN + day * DAY))
        await put(facts())
    assert await kinds() == ["plan_changed", "plan_ending", "plan_ending"]


async def test_change_of_plan_is_told(unit_of_work: Any, put: Any, kinds: Any) -> None:
    await put(facts())
    await put(facts(price_id="sandbox_price_enterprise_year", latest_invoice_id="in_2"))
    assert await kinds() == ["plan_changed", "plan_changed"]
    assert (await rows(unit_of_work))[2] == ["enterprise"]


async def test_trial_is_noted_as_given(unit_of_work: Any, put: Any) -> None:
    await put(facts(status="trialing", trial_end=BEGUN + 7 * DAY))
    await put(facts())
    assert (await rows(unit_of_work))[1].trial_given_at == BEGUN


async def test_since_when_it_is_owed_gives_the_row_a_new_version(
    unit_of_work: Any, put: Any
) -> None:
    owed = Facts(subscription(status="past_due"), BEGUN + MONTH, "in_2")
    await put(owed)
    before, _, _ = await rows(unit_of_work)
    await put(replace(owed, unpaid_since=BEGUN + MONTH - DAY))
    after, account, _ = await rows(unit_of_work)
    assert account.unpaid_since == BEGUN + MONTH - DAY
    assert after.updated_at > before.updated_at


async def test_key_made_later_has_the_account_s_plan(
    unit_of_work: Any, put: Any, user: User
) -> None:
    await put(facts())
    options = parse_options(label="Second")
    for _ in range(4):  # the free plan has room for two
        async with unit_of_work() as session:
            await create_key(session, user.id, options=options)
    assert (await rows(unit_of_work))[2] == ["standard"] * 5


async def test_revoked_keys_are_left_alone(unit_of_work: Any, put: Any, user: User) -> None:
    async with unit_of_work() as session:
        await make_key(session, user, status="revoked")
    await put(facts())
    assert sorted((await rows(unit_of_work))[2]) == ["free", "standard"]


async def test_account_stands_as_written(unit_of_work: Any, put: Any, user: User) -> None:
    applied = await put(facts())
    async with unit_of_work() as session:
        assert await get_standing(session, user.id) == applied.standing


async def test_what_waits_for_a_plan_is_told_each_time_that_one_begins(
    unit_of_work: Any, put: Any, user: User
) -> None:
    steps = [
        (facts(status="incomplete"), 0),
        (facts(), 1),
        (facts(price_id="sandbox_price_enterprise_month"), 1),
        (Facts(subscription(status="past_due"), utc_now(), "in_2"), 1),
        (facts(status="unpaid"), 1),
        (facts(), 2),
        (Facts(None), 2),
    ]
    for found, jobs in steps:
        await put(found)
        assert await started_jobs(unit_of_work) == [{"user_id": user.id}] * jobs


async def test_price_of_no_plan_begins_none_until_it_is_known(unit_of_work: Any, put: Any) -> None:
    await put(facts(price_id="price_of_another_day"))
    assert await started_jobs(unit_of_work) == []
    await put(facts(price_id="price_of_another_day", price_tier="standard"))
    assert len(await started_jobs(unit_of_work)) == 1


async def started_jobs(unit_of_work: Any) -> list[Any]:
    """The arguments of the jobs that say that a plan has begun."""
    statement = text("SELECT args FROM latchkey.procrastinate_jobs WHERE task_name = :task")
    async with unit_of_work() as session:
        connection = await session.connection()
        return list((await connection.execute(statement, {"task": PLAN_STARTED_TASK})).scalars())
