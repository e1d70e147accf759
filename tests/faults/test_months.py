"""What becomes of calls when the log lacks the months that they belong to."""

import asyncio

import psycopg
import pytest

from app.metering.partitions import make_months
from tests.faults.afterwards import Report, check_afterwards
from tests.faults.api_process import ApiProcess
from tests.faults.callers import Callers, Key
from tests.faults.months import lose_months, rows_after_the_months, tear_gap

IN_USE_SECONDS = 2.0
LOCK_SECONDS = 2.0
"""What a row may wait for a lock before its batch is sent again."""


async def test_months_are_made_under_load_and_lose_nothing(
    api: ApiProcess, keys: list[Key], database_url: str, report: Report
) -> None:
    """The calls lie in the range after the last month, and are moved while others come."""
    async with Callers([api.url], keys) as callers:
        await callers.some_answers()
        await asyncio.to_thread(lose_months, database_url)
        await callers.some_answers()
        assert rows_after_the_months(database_url) > 0
        made = await make_months(database_url)
        back = [await callers.seconds_until_served()]
        await callers.some_answers()
    await api.stop()
    what = f"{made} months missing, made while calls went on"
    check_afterwards(what, callers, database_url, report, back=back)
    assert rows_after_the_months(database_url) == 0
    assert set(callers.statuses) == {200}
    assert made == 8


async def test_months_are_made_behind_a_lock_without_stopping_calls(
    api: ApiProcess, keys: list[Key], database_url: str, report: Report
) -> None:
    async with Callers([api.url], keys) as callers:
        await callers.some_answers()
        await asyncio.to_thread(lose_months, database_url)
        async with await psycopg.AsyncConnection.connect(database_url) as busy:
            await busy.execute('LOCK TABLE "ApiCall" IN ROW EXCLUSIVE MODE')
            making = asyncio.create_task(make_months(database_url))
            await asyncio.sleep(IN_USE_SECONDS)
            await callers.some_answers()
            assert not making.done()
        made = await making
        back = [await callers.seconds_until_served()]
    await api.stop()
    what = f"{made} months made behind another program's lock of {IN_USE_SECONDS:g} s"
    check_afterwards(what, callers, database_url, report, back=back, longest_seconds=LOCK_SECONDS)
    assert rows_after_the_months(database_url) == 0
    assert set(callers.statuses) == {200}


@pytest.mark.parametrize("way", ["months lost", "month detached"])
async def test_calls_without_a_partition_are_refused_until_it_is_made(
    api: ApiProcess, keys: list[Key], database_url: str, report: Report, way: str
) -> None:
    async with Callers([api.url], keys) as callers:
        await callers.some_answers()
        await asyncio.to_thread(tear_gap, database_url, is_month_kept=way == "month detached")
        good = len(callers.good)
        await callers.until(lambda now: now.statuses.get(503, 0) >= now.count)
        await callers.some_answers()
        served = len(callers.good) - good
        await make_months(database_url)
        back = [await callers.seconds_until_served()]
        await callers.some_answers()
    await api.stop()
    check_afterwards(f"no partition for calls ({way})", callers, database_url, report, back=back)
    assert set(callers.statuses) == {200, 503}
    assert served <= callers.count  # those that were recorded before, and answered after it
    assert await make_months(database_url) == 0
