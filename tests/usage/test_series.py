"""Usage by day equals the log."""

from datetime import UTC, datetime, timedelta
from typing import Any

from app.usage.series import usage_by_day
from tests.factories import make_call, make_key, make_user


async def test_each_day_has_its_calls_and_quiet_days_none(unit_of_work: Any) -> None:
    now = datetime.now(UTC)
    async with unit_of_work() as session:
        user = await make_user(session)
        key, _ = await make_key(session, user)
        other, _ = await make_key(session, user)
        for days, status in ((0, 200), (0, 500), (2, 200), (3, 404), (40, 200)):
            units = int(status == 200)
            moment = now - timedelta(days=days)
            await make_call(session, key, status_code=status, units=units, created_at=moment)
        await make_call(session, other)
    async with unit_of_work() as session:
        usage = await usage_by_day(session, key.id, days=3)
    today = now.date()
    assert [day.day for day in usage] == [today - timedelta(days=n) for n in (3, 2, 1, 0)]
    assert [(day.calls, day.units, day.failed) for day in usage] == [
        (1, 0, 1),
        (1, 1, 0),
        (0, 0, 0),
        (2, 1, 1),
    ]


async def test_key_without_calls_has_empty_days(unit_of_work: Any) -> None:
    async with unit_of_work() as session:
        usage = await usage_by_day(session, "no such key")
    assert len(usage) == 31
    assert {(day.calls, day.units, day.failed) for day in usage} == {(0, 0, 0)}
