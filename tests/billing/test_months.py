"""Units are counted by months that no change of plan begins anew."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from app.billing.changes import change_plan, preview_change
from app.core.clock import utc_now
from app.models import BillingAccount
from tests.billing.shop import Shop
from tests.factories import make_key, make_subscription, make_user
from tests.metering.apps import answering
from tests.metering.client import ask
from tests.metering.conftest import StartMeter, plans, start_meter
from tests.sandbox.stage import DAY

__all__ = ["start_meter"]  # a fixture

MONTH_OF = text("SELECT latchkey.period_start(:user_id, now() AT TIME ZONE 'UTC')")
USED_UP = text("""
INSERT INTO latchkey."UsagePeriod" ("scopeId", "startsAt", slot, units, calls)
VALUES (:user_id, :starts_at, 0, 50000, 50000)
""")


async def month_of(unit_of_work: Any, user_id: str) -> datetime:
    async with unit_of_work() as session:
        found = await session.exec(MONTH_OF, params={"user_id": user_id})
        started: datetime = found.scalar_one()
    return started


async def change(shop: Shop, tier: str, interval: str) -> None:
    shown = await preview_change(shop.user_id, tier, interval)
    await change_plan(shop.user_id, tier, interval, proration_at=shown.proration_at)


async def test_year_and_back_gives_no_units_anew(shop: Shop, unit_of_work: Any) -> None:
    await shop.buy()
    await shop.deliver()
    before = await month_of(unit_of_work, shop.user_id)
    for interval in ("year", "month", "year"):
        await shop.stage.pass_time(DAY)
        await change(shop, "standard", interval)
        assert await month_of(unit_of_work, shop.user_id) == before
    # the period itself did begin anew, and what was paid before was given back
    begun = (await shop.row()).current_period_start
    assert begun is not None
    assert begun.replace(tzinfo=None) - before >= timedelta(days=2.9)


async def test_calls_are_counted_by_the_same_months(
    unit_of_work: Any, start_meter: StartMeter
) -> None:
    began = utc_now().replace(microsecond=0) - timedelta(days=3)
    async with unit_of_work() as session:
        user = await make_user(session)
        await make_subscription(session, user, current_period_start=utc_now() - timedelta(hours=1))
        session.add(BillingAccount(user_id=user.id, tier="standard", month_anchor=began))
        _, secret = await make_key(session, user, tier="standard")
        used_up = {"user_id": user.id, "starts_at": began.replace(tzinfo=None)}
        await session.exec(USED_UP, params=used_up)
    reply = await ask(await start_meter(answering(), plans=lambda: plans(units=4)), key=secret)
    assert (reply.status, reply.json()["code"]) == (429, "quota_exceeded")
