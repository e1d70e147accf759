"""The database's clock."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import cast, text
from sqlmodel import select

from app.core.clock import DB_NOW, UtcTimestamp, utc_now
from tests.conftest import UnitOfWork


def test_this_machines_clock_is_aware_utc() -> None:
    assert utc_now().tzinfo is UTC


async def test_the_databases_clock_is_utc_whatever_the_sessions_zone(
    unit_of_work: UnitOfWork,
) -> None:
    async with unit_of_work() as session:
        await session.exec(text("SET LOCAL timezone = 'Pacific/Auckland'"))  # type: ignore[call-overload]
        ours = (await session.exec(select(DB_NOW))).one()
        theirs = await session.scalar(text("SELECT now()"))
    assert ours.tzinfo is UTC
    assert abs(ours - theirs) < timedelta(milliseconds=1)


async def test_time_can_be_added_to_and_compared(unit_of_work: UnitOfWork) -> None:
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    async with unit_of_work() as session:
        later = cast(DB_NOW + timedelta(minutes=10), UtcTimestamp())
        found = await session.exec(select(DB_NOW, later, long_ago < DB_NOW, long_ago > DB_NOW))
        now, then, is_past, is_future = found.one()
    assert (then - now, is_past, is_future) == (timedelta(minutes=10), True, False)
