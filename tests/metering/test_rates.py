"""What a key's requests in one process take from what it may do in the others."""

import asyncio
import hashlib
import logging
import time
from typing import Any

import psycopg
import pytest

from app.metering import rates
from app.metering.limits import Bucket
from app.metering.meter import Meter
from app.metering.wire import DatabaseUnavailable
from tests.metering.apps import answering
from tests.metering.client import ask
from tests.metering.conftest import Key, StartMeter, Tables, plans
from tests.metering.database_proxy import DatabaseProxy

RATE = 50
"""So that every request is told of."""

TELLING = "SELECT latchkey.report_rates(%s, NULL, ARRAY[%s], ARRAY[%s])"

Debits = list[tuple[Bucket, int]]


@pytest.fixture(autouse=True)
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports go out when a test says so."""
    monkeypatch.setattr(rates, "REPORT_SECONDS", 3600)


@pytest.fixture
def debits(monkeypatch: pytest.MonkeyPatch) -> Debits:
    """Each bucket that is debited, and by how much."""
    made: Debits = []
    monkeypatch.setattr(Bucket, "debit", lambda bucket, count, *_: made.append((bucket, count)))
    return made


async def start_one(start_meter: StartMeter, rate: int = RATE, **options: Any) -> Meter:
    return await start_meter(answering(), plans=lambda: plans(rate=rate), **options)


async def start_two(start_meter: StartMeter, key: Key) -> tuple[Meter, Meter]:
    """Two processes that have seen the key, and have heard of each other."""
    here, there = await start_one(start_meter), await start_one(start_meter)
    for meter in (here, there, here):
        await call(meter, key)
        await meter.rates.report(0.0)
    return here, there


async def call(meter: Meter, key: Key, times: int = 1) -> None:
    for _ in range(times):
        assert (await ask(meter, key=key.secret)).status == 200


def bucket_of(meter: Meter, key: Key) -> Bucket:
    grant = meter.keys.cached(hashlib.sha256(key.secret.encode()).digest())
    assert grant is not None
    return grant.bucket


async def rows(tables: Tables) -> int:
    return len(await tables.execute('SELECT node FROM latchkey."RateReport"'))


async def test_what_one_process_lets_in_is_taken_from_the_others_once(
    start_meter: StartMeter, live_key: Key, debits: Debits
) -> None:
    here, there = await start_two(start_meter, live_key)
    await there.rates.report(0.1)
    debits.clear()
    await call(here, live_key, 8)
    await here.rates.report(0.2)
    await there.rates.report(0.2)
    assert debits == [(bucket_of(there, live_key), 8)]
    for meter in (here, there):
        await meter.rates.report(0.4)
    assert len(debits) == 1
    assert bucket_of(here, live_key).taken == 0


async def test_process_that_begins_hears_of_the_last_second_alone(
    start_meter: StartMeter, live_key: Key, tables: Tables, debits: Debits
) -> None:
    meter = await start_one(start_meter)
    await call(meter, live_key)
    digest = hashlib.sha256(live_key.secret.encode()).hexdigest()
    for node, count in (("old", 5), ("young", 6)):
        await tables.execute(TELLING, node, digest, count)
        if node == "old":
            await tables.execute(
                'UPDATE latchkey."RateReport" SET "reportedAt" = "reportedAt" - interval \'1 s\''
            )
    await meter.rates.report(0.0)
    assert [count for _, count in debits] == [6]


async def test_report_that_commits_late_is_not_missed(
    start_meter: StartMeter, live_key: Key, tables: Tables, debits: Debits, database_url: str
) -> None:
    meter = await start_one(start_meter)
    await call(meter, live_key)
    await meter.rates.report(0.0)
    digest = hashlib.sha256(live_key.secret.encode()).hexdigest()
    async with await psycopg.AsyncConnection.connect(database_url) as other:
        await other.execute(TELLING, ["slow", digest, 3])
        await tables.execute(TELLING, "quick", digest, 4)
        await meter.rates.report(0.2)
        assert [count for _, count in debits] == [4]
    await meter.rates.report(0.4)
    assert [count for _, count in debits] == [4, 3]


async def test_one_process_alone_says_no_more_than_hello(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    meter = await start_one(start_meter)
    for tenth in range(0, 20, 2):
        await call(meter, live_key)
        await meter.rates.report(tenth / 10)
    assert (meter.rates.told, meter.rates.heard, await rows(tables)) == (2, 0, 2)


async def test_process_without_calls_asks_nothing_but_listens_a_while_after_the_last(
    start_meter: StartMeter, live_key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = await start_one(start_meter)
    asked = []
    ask_line = meter.rates._line.ask

    async def ask_and_note(*args: Any, **options: Any) -> Any:
        asked.append(args)
        return await ask_line(*args, **options)

    monkeypatch.setattr(meter.rates._line, "ask", ask_and_note)
    await meter.rates.report(0.0)
    assert len(asked) == 0
    await call(meter, live_key)
    for now in (1.0, 2.0, 10.0, 12.0):
        await meter.rates.report(now)
    assert len(asked) == 3


async def test_key_that_calls_little_is_told_of_when_it_adds_up(
    start_meter: StartMeter, live_key: Key
) -> None:
    meter = await start_one(start_meter, rate=100)
    await call(meter, live_key)
    await meter.rates.report(0.0)
    assert meter.rates.told == 0
    await call(meter, live_key)
    await meter.rates.report(0.2)
    assert meter.rates.told == 1


async def test_old_reports_are_deleted(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    here, there = await start_two(start_meter, live_key)
    assert await rows(tables) == 2
    await tables.execute(
        'UPDATE latchkey."RateReport" SET "reportedAt" = "reportedAt" - interval \'4 seconds\''
    )
    for meter in (here, there):
        await call(meter, live_key)
        await meter.rates.report(0.2)
    assert await rows(tables) == 2
    await tables.execute(
        'UPDATE latchkey."RateReport" SET "reportedAt" = "reportedAt" - interval \'1 hour\''
    )
    late = await start_one(start_meter)  # those of processes that are no more
    await call(late, live_key)
    await late.rates.report(0.0)
    assert await rows(tables) == 1


async def test_database_that_is_away_leaves_each_process_its_own_limit(
    start_meter: StartMeter,
    live_key: Key,
    database_url: str,
    debits: Debits,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.INFO, rates.logger.name)

    def said_by_us() -> list[str]:
        ours = [one for one in caplog.records if one.name == rates.logger.name]
        return [one.getMessage() for one in ours]

    async with DatabaseProxy(database_url) as proxy:
        meter = await start_one(start_meter, url=proxy.url)
        await call(meter, live_key)
        await meter.rates.report(time.monotonic())
        proxy.go_away()
        bucket_of(meter, live_key).taken = 7
        with pytest.raises(DatabaseUnavailable):
            await meter.rates.report(time.monotonic())
        assert bucket_of(meter, live_key).taken == 0  # what is old news is not told later
        monkeypatch.setattr(rates, "REPORT_SECONDS", 0.01)
        monkeypatch.setattr(rates, "_MOST_SECONDS", 0.01)
        looping = asyncio.create_task(meter.rates._report_for_ever())
        async with asyncio.timeout(10):
            while not said_by_us():  # noqa: ASYNC110  # it can only be asked
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)  # it tries again and again, and says no more
            proxy.come_back()
            while len(said_by_us()) < 2:  # noqa: ASYNC110  # as above
                await asyncio.sleep(0.01)
        looping.cancel()
    said = said_by_us()
    assert said[0].startswith("requests a second are counted in this process alone: ")
    assert said[1:] == ["requests a second are counted across processes again"]
    assert debits == []
