"""What each status gives, in the one place that says so, and what calls get of it."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest

from app.billing.access import get_standing
from app.billing.overview import get_overview
from app.core.clock import utc_now
from app.models import BillingAccount
from tests.factories import make_key, make_subscription, make_user
from tests.metering.apps import answering, mirror
from tests.metering.client import Reply, ask
from tests.metering.conftest import Key, Tables, running
from tests.metering.conftest import tables as tables  # noqa: PLC0414  # a fixture
from tests.metering.test_key_cache import seconds_until_refused

DAY = timedelta(days=1)
PRICE = "sandbox_price_standard_month"


async def make_account(unit_of_work: Any, status: str, **more: Any) -> tuple[str, Any]:
    """A customer of the plan standard whose subscription has this status, and its key."""
    detail = {"tier": "standard", **more.pop("account", {})}
    async with unit_of_work() as session:
        user = await make_user(session)
        await make_subscription(session, user, status=status, stripe_price_id=PRICE, **more)
        session.add(BillingAccount(user_id=user.id, **detail))
        key = await make_key(session, user, tier="standard")
    return user.id, key


def tier_of(reply: Reply) -> str:
    return str(reply.json()["caller"][1])


async def standing_of(unit_of_work: Any, user_id: str) -> tuple[str, str]:
    async with unit_of_work() as session:
        found = await get_standing(session, user_id)
    return found.access, found.tier.id


def case(status: str, access: str, *, tier: str = "standard", **more: Any) -> Any:
    return pytest.param(status, more, access, tier, id=f"{status}-{access}-{','.join(more)}")


NOW = utc_now()
CASES = [
    case("active", "plan"),
    case("trialing", "plan"),
    case("active", "ending", cancel_at_period_end=True),
    case("past_due", "grace", account={"unpaid_since": NOW - 6 * DAY}),
    case("past_due", "blocked", account={"unpaid_since": NOW - 7 * DAY}),
    # nobody has said since when: then since the period began
    case("past_due", "blocked", current_period_start=NOW - 8 * DAY),
    case("past_due", "grace", current_period_start=NOW - DAY),
    case("unpaid", "blocked"),
    case("canceled", "ending", current_period_end=NOW + DAY),
    case("canceled", "free", tier="free", current_period_end=NOW - DAY),
    case("canceled", "free", tier="free", account={"unpaid_since": NOW - DAY}),
    case("canceled", "free", tier="free", account={"is_over": True}),
    case("incomplete", "free", tier="free"),
    case("incomplete_expired", "free", tier="free"),
    case("paused", "free", tier="free"),
    case("a status of another day", "free", tier="free"),
]


@pytest.mark.parametrize(("status", "more", "access", "tier"), CASES)
async def test_status_gives(
    unit_of_work: Any, status: str, more: dict[str, Any], access: str, tier: str
) -> None:
    user_id, _ = await make_account(unit_of_work, status, **more)
    assert await standing_of(unit_of_work, user_id) == (access, tier)


@pytest.mark.parametrize(("status", "more", "access", "tier"), CASES)
async def test_calls_get_what_the_status_gives(
    unit_of_work: Any,
    database_url: str,
    status: str,
    more: dict[str, Any],
    access: str,
    tier: str,
) -> None:
    _, (_, secret) = await make_account(unit_of_work, status, **more)
    async with running(mirror(), database_url) as meter:
        reply = await ask(meter, key=secret)
    if access == "blocked":
        assert (reply.status, reply.json()["code"]) == (402, "payment_required")
    else:
        assert (reply.status, tier_of(reply)) == (200, tier)


async def test_account_that_bought_nothing_is_free(unit_of_work: Any) -> None:
    async with unit_of_work() as session:
        user = await make_user(session)
        overview = await get_overview(session, user.id)
    assert (overview.access, overview.tier.id, overview.has_customer) == ("free", "free", False)
    assert (overview.status, overview.interval, overview.renews_at) == (None, None, None)


async def test_overview_says_what_ends_when(unit_of_work: Any) -> None:
    since = utc_now().replace(microsecond=0) - DAY
    user_id, _ = await make_account(unit_of_work, "past_due", account={"unpaid_since": since})
    async with unit_of_work() as session:
        overview = await get_overview(session, user_id)
    assert (overview.access, overview.interval) == ("grace", "month")
    assert overview.grace_ends_at == since + 7 * DAY
    assert (overview.renews_at, overview.ends_at) == (None, None)


async def test_overview_says_when_a_cancelled_plan_ends(unit_of_work: Any) -> None:
    ends = utc_now().replace(microsecond=0) + DAY
    user_id, _ = await make_account(
        unit_of_work, "active", cancel_at_period_end=True, current_period_end=ends
    )
    async with unit_of_work() as session:
        overview = await get_overview(session, user_id)
    assert (overview.access, overview.ends_at, overview.renews_at) == ("ending", ends, None)


async def test_days_of_grace_end_without_any_write(unit_of_work: Any, database_url: str) -> None:
    since = utc_now() - 7 * DAY + timedelta(seconds=1.2)
    _, (_, secret) = await make_account(unit_of_work, "past_due", account={"unpaid_since": since})
    async with running(answering(), database_url) as meter:
        began = time.monotonic()
        assert (await ask(meter, key=secret)).status == 200
        async with asyncio.timeout(5):
            while (reply := await ask(meter, key=secret)).status == 200:
                pass
        lasted = time.monotonic() - began
    assert reply.json()["code"] == "payment_required"
    assert 0.5 < lasted < 2.2


async def test_cancelled_plan_ends_without_any_write(unit_of_work: Any, database_url: str) -> None:
    ends = utc_now() + timedelta(seconds=1.2)
    _, (_, secret) = await make_account(unit_of_work, "canceled", current_period_end=ends)
    async with running(mirror(), database_url) as meter:
        assert tier_of(await ask(meter, key=secret)) == "standard"
        async with asyncio.timeout(5):
            while (found := tier_of(await ask(meter, key=secret))) == "standard":
                pass
    assert found == "free"


@pytest.mark.parametrize("with_notifications", [True, False])
async def test_unpaid_plan_is_refused_within_a_second(
    unit_of_work: Any, database_url: str, tables: Tables, with_notifications: bool
) -> None:
    user_id, (row, secret) = await make_account(unit_of_work, "active")
    if not with_notifications:
        await tables.execute('ALTER TABLE "Subscription" DISABLE TRIGGER latchkey_notify')

    async with running(answering(), database_url) as meter:
        assert (await ask(meter, key=secret)).status == 200
        await tables.execute("""UPDATE "Subscription" SET status = 'unpaid'""")
        assert await seconds_until_refused(meter, Key(row.id, secret, user_id, "standard")) < 1


async def test_months_of_a_plan_that_is_over_are_those_of_the_calendar(
    unit_of_work: Any, tables: Tables
) -> None:
    begun = utc_now() - timedelta(days=40)
    user_id, _ = await make_account(
        unit_of_work,
        "canceled",
        current_period_start=begun,
        current_period_end=begun + timedelta(days=31),
    )
    [row] = await tables.execute(
        "SELECT latchkey.period_anchor(%s, now() AT TIME ZONE 'UTC') = "
        "date_trunc('month', now() AT TIME ZONE 'UTC') AS is_calendar, "
        "latchkey.period_anchor(%s, now() AT TIME ZONE 'UTC' - interval '20 days') AS then",
        user_id,
        user_id,
    )
    assert row["is_calendar"]
    assert abs((row["then"] - begun.replace(tzinfo=None)).total_seconds()) < 0.01
