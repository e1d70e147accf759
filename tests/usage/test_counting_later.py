"""Calls whose period is counted when they are folded: never lost, never twice."""

from typing import Any

import psycopg
import pytest

from app.core import migrations
from app.usage.quota import get_quota_use
from app.usage.verify import Range
from tests.conftest import UnitOfWork
from tests.usage.log import Call, Log

SUMS = """
    SELECT "scopeId", sum(calls)::int, sum(units)::int FROM latchkey."UsagePeriod"
    GROUP BY 1 ORDER BY 1
"""
USED = (
    """SELECT latchkey.period_used('user-1', latchkey.period_start('user-1', now()::timestamp))"""
)
EVER = "ARRAY['user-1', 'user-2', 'trial'], '2000-01-01', '3000-01-01'"
BEFORE_IT = "2026_11_25_5"
CALLS = [Call(units=3), Call("key-3", status=404, units=0), Call("trial-key", units=2), Call()]


async def test_page_s_use_has_what_is_not_folded_yet(log: Log, unit_of_work: UnitOfWork) -> None:
    log.write(CALLS, at_once=[False] * 4)
    async with unit_of_work() as session:
        assert (await get_quota_use(session, "user-1")).units == 4


async def test_period_is_counted_with_the_fold_and_only_once(log: Log, proof: Any) -> None:
    log.write(CALLS, at_once=[False] * 4)
    assert log.execute(SUMS) == []
    assert log.execute(USED) == [(4,)]
    for _ in range(2):
        log.fold()
        assert log.execute(SUMS) == [("trial", 1, 2), ("user-1", 2, 4), ("user-2", 1, 0)]
        assert log.execute(USED) == [(4,)]
        assert (await proof(Range())).first == []


def test_of_one_batch_each_call_is_counted_once_whenever_it_is(log: Log) -> None:
    log.write(CALLS, at_once=[True, False, False, False])
    assert log.execute(SUMS) == [("user-1", 1, 3)]
    assert log.execute(USED) == [(4,)]
    log.fold()
    assert log.execute(SUMS) == [("trial", 1, 2), ("user-1", 2, 4), ("user-2", 1, 0)]


@pytest.mark.parametrize("is_folded", [True, False])
@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("at_once_again", [True, False])
async def test_batch_that_is_sent_again_is_counted_once(
    log: Log, proof: Any, is_folded: bool, at_once: bool, at_once_again: bool
) -> None:
    ids = log.write(CALLS[:2], at_once=[at_once] * 2)
    if is_folded:
        log.fold()
    new = Call("key-2", units=7)
    log.write(
        [*CALLS[:2], new, new], [*ids, "new", "new"], at_once=[at_once_again] * 4, is_again=True
    )
    log.fold()
    assert log.execute(SUMS) == [("user-1", 2, 10), ("user-2", 1, 0)]
    assert (await proof(Range())).first == []


def test_row_that_is_there_refuses_a_batch_that_is_said_to_be_new(log: Log) -> None:
    ids = log.write([Call()], at_once=[True])
    with pytest.raises(psycopg.errors.UniqueViolation):
        log.write([Call(), Call()], [*ids, "new"], at_once=[True, True])
    assert log.execute(SUMS) == [("user-1", 1, 1)]


def test_batch_of_which_nothing_is_counted_at_once_asks_for_no_totals(log: Log) -> None:
    """It is what makes it cheap; and totals come by id and start."""
    params = {"ids": ["a", "b", "c"], "keys": ["key-1", "key-3", "key-2"]}
    statement = """SELECT totals FROM latchkey.write_calls(true, 1::smallint, %(ids)s::text[],
        ARRAY[false, false, false], %(keys)s::text[], %(keys)s::text[], %(keys)s::text[],
        %(keys)s::text[], ARRAY[200, 200, 200], ARRAY[1, 1, 1], ARRAY[1, 2, 4],
        ARRAY[0, 0, 0]::bigint[], NULL, NULL, ARRAY['user-1', 'user-2', 'user-1'],
        array_fill('2026-11-01'::timestamp, ARRAY[3]), %(at_once)s::boolean[])"""
    connection = log._connection
    later = connection.execute(statement, {**params, "at_once": [False] * 3}).fetchone()
    assert later == (None,)
    mixed = connection.execute(
        statement, {**params, "ids": ["d", "e", "f"], "at_once": [False, True, True]}
    ).fetchone()
    assert mixed == ([4, 2],)


@pytest.mark.parametrize("tampering", ["calls = calls + 1", "units = units - 1"])
async def test_difference_is_found_and_repaired_while_calls_are_pending(
    log: Log, proof: Any, tampering: str
) -> None:
    log.record([Call(), Call("trial-key")])
    log.fold()
    log.write(CALLS, at_once=[False] * 4)
    log.execute(f'UPDATE latchkey."UsagePeriod" SET {tampering}')
    assert (await proof(Range(), repair=True)).total == 2
    assert (await proof(Range())).first == []
    log.fold()
    assert log.execute(SUMS) == [("trial", 2, 3), ("user-1", 3, 5), ("user-2", 1, 0)]


@pytest.mark.parametrize("by_hours", [True, False])
def test_comparison_counts_what_is_pending(log: Log, by_hours: bool) -> None:
    log.record([Call(), Call("trial-key")])
    log.write(CALLS, at_once=[False] * 4)
    compare = f"SELECT add_calls, add_units FROM latchkey.compare_periods({EVER}, %s)"
    assert log.execute(compare, by_hours) == []
    log.execute("""UPDATE latchkey."UsagePeriod" SET units = units - 1 WHERE "scopeId" = 'trial'""")
    assert log.execute(compare, by_hours) == [(0, 1)]
    assert len(log.execute(f"SELECT 1 FROM latchkey.repair_periods({EVER})")) == 1
    assert log.execute(compare, by_hours) == []


def test_fold_says_that_another_is_at_work(log: Log, database_url: str) -> None:
    log.write([Call()], at_once=[False])
    with psycopg.connect(database_url) as other:
        other.execute("SELECT latchkey.fold_usage()")
        log.write([Call()], at_once=[False])
        assert log.execute("SELECT latchkey.fold_usage(false)") == [(None,)]
    assert log.execute("SELECT latchkey.fold_usage(false)") == [(1,)]
    assert log.execute("SELECT latchkey.fold_usage(false)") == [(0,)]


def test_fold_waits_for_no_other_program_that_counts(log: Log, database_url: str) -> None:
    log.write([Call()], at_once=[False])
    with psycopg.connect(database_url) as other:
        other.execute(
            """INSERT INTO "ApiCall" (id, "apiKeyId", endpoint, method, "statusCode", "latencyMs",
                "createdAt") VALUES ('theirs', 'key-1', '/a', 'GET', 200, 1, %s)""",
            [Call().created_at.replace(tzinfo=None)],
        )
        log.execute("SET lock_timeout = '50ms'")
        log.fold()
    assert log.execute(SUMS) == [("user-1", 2, 1)]


def test_migrating_back_and_forth_loses_nothing_that_is_pending(empty_database: str) -> None:
    migrations.upgrade(empty_database)
    log = Log(empty_database)
    log.begin()
    log.write(CALLS, at_once=[False] * 4)
    migrations.downgrade(empty_database, BEFORE_IT)
    assert log.execute(SUMS) == [("trial", 1, 2), ("user-1", 2, 4), ("user-2", 1, 0)]
    log.record([Call()])
    migrations.upgrade(empty_database)
    assert log.execute('SELECT count(*) FROM latchkey."UsageDelta"') == [(1,)]
    log.write([Call()], at_once=[False])
    log.fold()
    assert log.execute(SUMS) == [("trial", 1, 2), ("user-1", 4, 6), ("user-2", 1, 0)]
    log.close()
