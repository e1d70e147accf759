"""Far from its limit an account is counted once a second; then with each batch."""

import asyncio
import hashlib
from datetime import datetime
from typing import Any

import psycopg
import pytest

from app.metering.limits import Quota
from app.metering.meter import Meter
from app.usage.verify import Range, verify
from tests.metering.apps import answering
from tests.metering.client import ask
from tests.metering.conftest import Key, StartMeter, Tables, plans

MANY = 3000
"""Units of which the first 2,000 may be counted later."""

PERIODS = (
    """SELECT sum(calls)::int AS calls, sum(units)::int AS units FROM latchkey."UsagePeriod" """
)
PENDING = """SELECT count(*)::int AS n FROM latchkey."UsageDelta" WHERE "scopeIds" IS NOT NULL"""
FAR, NEAR = 1990, 2000


@pytest.fixture(autouse=True)
def no_chores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folding is what these tests do themselves."""
    monkeypatch.setattr("app.metering.chores.FOLD_SECONDS", 3600.0)


async def quota_of(meter: Meter, key: Key) -> Quota:
    grant = await meter.keys.find(hashlib.sha256(key.secret.encode()).digest())
    assert grant is not None
    return grant.quota


async def use(tables: Tables, key: Key, units: int) -> None:
    """As if so many units had been used."""
    await tables.execute(
        """INSERT INTO latchkey."UsagePeriod" SELECT %s,
        latchkey.period_start(%s, (now() AT TIME ZONE 'UTC')), 5, %s, 0""",
        key.owner_id, key.owner_id, units,
    )  # fmt: skip


async def figures(tables: Tables) -> tuple[Any, Any, int]:
    """Calls and units in UsagePeriod, and how many batches are pending."""
    [row], [pending] = await tables.execute(PERIODS), await tables.execute(PENDING)
    return row["calls"], row["units"], pending["n"]


async def units_used(meter: Meter, key: Key) -> int:
    reply = await ask(meter, "GET", "/api/v1/usage", key=key.secret)
    return int(reply.json()["units_used"])


async def test_call_is_counted_later_up_to_the_last_1000_units(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    await use(tables, live_key, NEAR - 2)
    meter = await start_meter(answering(), plans=lambda: plans(units=MANY))
    left = [(await ask(meter, key=live_key.secret)).headers["x-quota-remaining"] for _ in range(4)]
    assert left == ["1001", "1000", "999", "998"]
    # A call's own unit is reserved: that which would be the 2,000th is not below.
    assert await figures(tables) == (3, NEAR + 1, 1)


async def test_usage_and_verify_know_what_is_pending(
    start_meter: StartMeter, live_key: Key, tables: Tables, unit_of_work: Any
) -> None:
    meter = await start_meter(answering(), plans=lambda: plans(units=MANY))
    for _ in range(3):
        await ask(meter, key=live_key.secret)
    assert await figures(tables) == (None, None, 3)
    assert await units_used(meter, live_key) == 3
    assert (await verify(Range())).first == []


async def test_clean_stop_leaves_the_periods_whole(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    meter = await start_meter(answering(), plans=lambda: plans(units=MANY))
    await ask(meter, key=live_key.secret)
    await meter.stop()
    assert await figures(tables) == (1, 1, 0)


async def test_what_a_crash_left_is_counted_by_the_next_process(
    start_meter: StartMeter, live_key: Key, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashed = await start_meter(answering(), plans=lambda: plans(units=MANY))
    await ask(crashed, key=live_key.secret)
    monkeypatch.setattr("app.metering.chores.FOLD_SECONDS", 0.01)
    await start_meter(answering(), plans=lambda: plans(units=MANY))
    async with asyncio.timeout(5):
        while await figures(tables) != (1, 1, 0):  # noqa: ASYNC110  # another process's work
            await asyncio.sleep(0.01)


async def test_processes_learn_of_each_other_with_each_fold(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    first, second = [
        await start_meter(answering(), plans=lambda: plans(units=MANY)) for _ in range(2)
    ]
    quotas = [await quota_of(meter, live_key) for meter in (first, second)]
    for meter, calls in ((first, 2), (second, 3)):
        for _ in range(calls):
            await ask(meter, key=live_key.secret)
    assert [quota.total for quota in quotas] == [2, 3]
    for meter in (first, second):
        await meter._chores.fold()
    assert [quota.total for quota in quotas] == [5, 5]
    assert first.recorder.later == second.recorder.later == set()
    await ask(first, key=live_key.secret)
    assert quotas[0].total == 6


async def test_fold_of_another_process_is_no_proof_that_ours_are_counted(
    start_meter: StartMeter, live_key: Key, tables: Tables, database_url: str
) -> None:
    meter = await start_meter(answering(), plans=lambda: plans(units=MANY))
    quota = await quota_of(meter, live_key)
    await use(tables, live_key, 7)
    async with await psycopg.AsyncConnection.connect(database_url) as other:
        await other.execute("SELECT latchkey.fold_usage()")
        await ask(meter, key=live_key.secret)
        await meter._chores.fold()
        assert meter.recorder.later == {quota}
        assert quota.total == 7  # it has learned all the same, though not that the two add up
    await meter._chores.fold()
    assert (meter.recorder.later, quota.total) == (set(), 8)


async def test_units_given_back_elsewhere_are_believed_once_all_is_folded(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    await use(tables, live_key, FAR)
    meter = await start_meter(answering(), plans=lambda: plans(units=MANY))
    quota = await quota_of(meter, live_key)
    await ask(meter, key=live_key.secret)
    assert quota.total == FAR + 1
    await tables.execute('UPDATE latchkey."UsagePeriod" SET units = units - 100')
    await meter._chores.fold()
    assert quota.total == FAR + 1 - 100


async def test_calls_near_the_limit_are_exact_beside_pending_ones(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    """What is pending here is not in the database's total, and is not forgotten for it."""
    await use(tables, live_key, FAR)
    meter = await start_meter(answering(), plans=lambda: plans(units=MANY))
    quota = await quota_of(meter, live_key)
    statuses = []
    for _ in range(3):
        replies = await asyncio.gather(*(ask(meter, key=live_key.secret) for _ in range(350)))
        statuses += [reply.status for reply in replies]
    assert statuses.count(200) == MANY - FAR
    assert quota.total == MANY
    assert await units_used(meter, live_key) == MANY
    await meter._chores.fold()
    assert (await tables.usage())[3] == MANY


async def test_period_is_that_of_the_calls_quota(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    meter = await start_meter(answering(), plans=lambda: plans(units=MANY))
    quota = await quota_of(meter, live_key)
    await ask(meter, key=live_key.secret)
    await meter._chores.fold()
    [period] = await tables.execute('SELECT * FROM latchkey."UsagePeriod"')
    assert period["scopeId"] == live_key.owner_id
    assert period["startsAt"] == datetime.fromisoformat(quota.starts_text)
