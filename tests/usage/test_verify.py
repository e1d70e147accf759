"""The counters equal the log, or it is seen, and set right."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as given_settings
from hypothesis import strategies as st

from app.core.errors import NotFound
from app.core.ids import new_call_id
from app.usage.verify import FIRST, LAST, Range, Report
from tests.usage.log import KEYS, MONTH, PAYS_FROM, Call, Log

MINUTES = 240
call = st.builds(
    Call,
    key=st.sampled_from(KEYS),
    minute=st.integers(0, MINUTES),
    endpoint=st.sampled_from(["/a", "/b"]),
    status=st.sampled_from([200, 302, 404, 429, 500]),
    latency_ms=st.sampled_from([0, 1, 3, 40, 1000, 10**9]),
    units=st.integers(0, 3),
)
step = st.one_of(
    st.tuples(st.just("record"), st.lists(call, max_size=5)),
    st.tuples(st.just("later"), st.lists(st.tuples(call, st.booleans()), min_size=1, max_size=5)),
    st.tuples(st.just("insert"), st.lists(call, min_size=1, max_size=3)),
    st.tuples(st.just("again"), st.lists(call, min_size=1, max_size=3)),
    st.tuples(st.just("settle"), st.integers(0, 10**6)),
    st.tuples(st.just("flood"), st.integers(2, 50)),
    st.tuples(st.just("fold"), st.none()),
    st.tuples(st.just("subscribe"), st.none()),
)


def play(log: Log, steps: list[tuple[str, Any]]) -> None:
    """Do what the steps say; what is settled or repeated is some recorded call."""
    known: list[tuple[str, bool]] = []
    for place, (what, given_) in enumerate(steps):
        if what == "record":
            ids = log.record(given_, slot=place % 3)
            known += zip(ids, [one.is_trial for one in given_], strict=True)
        elif what == "later":
            calls, at_once = [one[0] for one in given_], [one[1] for one in given_]
            ids = log.write(calls, at_once=at_once, slot=place % 3)
            known += zip(ids, [one.is_trial for one in calls], strict=True)
            others = [not one for one in at_once]
            log.write(calls, ids, at_once=others, is_again=True)  # as after a lost answer
        elif what == "insert":
            log.insert(given_, [f"Foreign-{place}-{number}" for number in range(len(given_))])
        elif what == "again":
            ids = log.record(given_)
            new = [*given_, Call(minute=9)]
            log.record(new, [*ids, f"n-{place}"])
        elif what == "settle" and known:
            call_id, is_trial = known[given_ % len(known)]
            log.settle(call_id, is_trial=is_trial, latency_ms=given_, aborted=given_ % 2 == 0)
        elif what == "flood" and known:
            log.repeat(known[0][0], given_)
        elif what == "fold":
            log.fold()
        elif what == "subscribe":
            log.subscribe(PAYS_FROM)


def hours_of(log: Log) -> dict[Any, Any]:
    """UsageHour by its key, without what is zero."""
    log.fold()
    rows = log.execute(
        'SELECT "keyId", hour, endpoint, "statusClass", calls, units, "latencyMs", '
        '"latencyBuckets", "latencyCounts" FROM latchkey."UsageHour"'
    )
    return {
        tuple(row[:4]): (*row[4:7], {b: n for b, n in zip(row[7], row[8], strict=True) if n})
        for row in rows
        if row[4]
    }


def counted_by_hand(log: Log) -> dict[Any, Any]:
    """What the log says of the hours, by other means than the database's."""
    rows = log.execute(
        """SELECT "apiKeyId", "createdAt", endpoint, "statusCode", "latencyMs", units
        FROM (SELECT * FROM "ApiCall" UNION ALL SELECT * FROM latchkey."TrialApiCall") AS c"""
    )
    found: dict[Any, Any] = {}
    for key, at, endpoint, status, latency_ms, units in rows:
        name = (key, at.replace(minute=0, second=0, microsecond=0), endpoint, status // 100)
        calls, sum_units, sum_ms, buckets = found.get(name, (0, 0, 0, Counter()))
        bucket = next((n for n in range(79) if latency_ms <= 2 ** (n / 4) + 1e-9), 79)
        buckets[bucket] += 1
        found[name] = (calls + 1, sum_units + units, sum_ms + latency_ms, buckets)
    return found


@given_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(step, max_size=12))
async def test_counters_equal_the_log_whatever_was_written(
    log: Log, proof: Any, steps: list[tuple[str, Any]]
) -> None:
    log.begin()
    play(log, steps)
    assert (await proof(Range())).first == []
    assert hours_of(log) == counted_by_hand(log)
    assert (await proof(Range())).total == 0


TAMPERING = [
    'UPDATE latchkey."UsageHour" SET calls = calls + 1',
    'UPDATE latchkey."UsageHour" SET units = units - 1',
    'UPDATE latchkey."UsageHour" SET "latencyMs" = 0',
    'UPDATE latchkey."UsageHour" SET "latencyBuckets" = ARRAY[78::smallint]',
    'UPDATE latchkey."UsageHour" SET "latencyBuckets" = \'{}\', "latencyCounts" = \'{}\'',
    "UPDATE latchkey.\"UsageHour\" SET hour = hour + interval '1 hour'",
    "UPDATE latchkey.\"UsageHour\" SET endpoint = '/never'",
    'DELETE FROM latchkey."UsageHour"',
    'UPDATE latchkey."UsagePeriod" SET units = units + 5',
    'UPDATE latchkey."UsagePeriod" SET calls = calls - 1',
    'DELETE FROM latchkey."UsagePeriod"',
    'DELETE FROM latchkey."UsageDelta"',
    'UPDATE "ApiCall" SET units = 9',
    'UPDATE latchkey."TrialApiCall" SET "statusCode" = 500',
    'UPDATE "ApiCall" SET "latencyMs" = 77',
    'UPDATE "ApiCall" SET "createdAt" = "createdAt" + interval \'2 hours\'',
    'DELETE FROM "ApiCall" WHERE "apiKeyId" = \'key-1\'',
]


@pytest.mark.parametrize("tampering", TAMPERING)
async def test_whatever_differs_is_found_and_repaired(log: Log, proof: Any, tampering: str) -> None:
    log.record([Call(), Call(latency_ms=500), Call("key-2", 100, status=404), Call("trial-key")])
    log.fold()
    log.insert([Call("key-3", 130, units=0)], ["theirs"])
    log.execute(tampering)
    found = await proof(Range())
    assert found.total == len(found.first) > 0
    assert all(one.counted != one.right or "UsageHour" in one.counter for one in found.first)
    assert (await proof(Range())).total == found.total  # looking changes nothing
    assert (await proof(Range(), repair=True)).total == found.total
    assert (await proof(Range())).first == []
    assert hours_of(log) == counted_by_hand(log)
    assert (await proof(Range())).first == []
    assert period_sums(log) == logged_sums(log)


def period_sums(log: Log) -> dict[str, tuple[int, int]]:
    rows = log.execute(
        'SELECT "scopeId", sum(calls), sum(units) FROM latchkey."UsagePeriod" GROUP BY 1'
    )
    return {row[0]: (int(row[1]), int(row[2])) for row in rows if row[1]}


def logged_sums(log: Log) -> dict[str, tuple[int, int]]:
    rows = log.execute(
        """SELECT "userId", count(*), sum(units) FROM "ApiCall" JOIN "ApiKeyMetadata" AS key
            ON key.id = "apiKeyId" GROUP BY 1
        UNION ALL SELECT "workspaceId", count(*), sum(units) FROM latchkey."TrialApiCall"
        JOIN "TrialApiKey" AS key ON key.id = "apiKeyId" GROUP BY 1"""
    )
    return {row[0]: (int(row[1]), int(row[2])) for row in rows}


async def test_report_says_what_is_counted_and_what_is_right(log: Log, proof: Any) -> None:
    log.record([Call(), Call(), Call("trial-key", 61, status=404, units=0)])
    log.fold()
    log.execute("""UPDATE latchkey."UsageHour" SET calls = 5 WHERE "keyId" = 'key-1'""")
    log.execute("""UPDATE latchkey."UsagePeriod" SET units = 7 WHERE "scopeId" = 'trial'""")
    first, second = (await proof(Range())).first
    assert first.counter == f"UsageHour of key key-1, {MONTH:%Y-%m-%d} 00:00, /a 2xx"
    assert (first.counted.calls, first.counted.units, first.counted.latency_ms) == (5, 2, 10)
    assert (first.right.calls, first.right.units, first.right.latency_ms) == (2, 2, 10)
    assert second.counter == f"UsagePeriod of trial from {MONTH:%Y-%m-%d} 00:07:00"
    assert (second.counted.calls, second.counted.units) == (1, 7)
    assert (second.right.calls, second.right.units) == (1, 0)


async def test_only_the_first_differences_are_kept_and_all_are_counted(
    log: Log, proof: Any
) -> None:
    log.record([Call(endpoint=f"/{number}") for number in range(50)])
    log.fold()
    log.execute('UPDATE latchkey."UsageHour" SET units = 0')
    for repair in (False, True):
        found = await proof(Range(), repair=repair)
        assert (found.total, len(found.first)) == (50, 20)


async def test_range_and_key_narrow_what_is_compared(log: Log, proof: Any) -> None:
    log.record([Call("key-1", 30), Call("key-1", 90), Call("key-3", 90)])
    log.fold()
    log.execute('UPDATE latchkey."UsageHour" SET units = 4')

    async def names(wanted: Range) -> list[str]:
        return [one.counter[13:29] for one in (await proof(wanted)).first]

    hour = timedelta(hours=1)
    one = f"key key-1, {MONTH:%Y}-"
    other = f"key key-3, {MONTH:%Y}-"
    assert await names(Range()) == [one, one, other]
    assert await names(Range(since=MONTH + hour)) == [one, other]
    assert await names(Range(since=MONTH + 1.5 * hour)) == [one, other]
    assert await names(Range(until=MONTH + hour)) == [one]
    assert await names(Range(until=MONTH + 1.01 * hour)) == [one, one, other]
    assert await names(Range(key_id="key-3")) == [other]
    assert await names(Range(MONTH + 2 * hour, MONTH + 3 * hour)) == []
    with pytest.raises(NotFound):
        await proof(Range(key_id="nobody's"))


async def test_period_is_compared_when_it_touches_the_range(log: Log, proof: Any) -> None:
    log.record([Call()])
    log.fold()
    log.execute('UPDATE latchkey."UsagePeriod" SET units = 4')
    later = MONTH + timedelta(days=20)
    assert (await proof(Range(since=later))).total == 1
    assert (await proof(Range(key_id="key-2"))).total == 1
    assert (await proof(Range(key_id="key-3"))).total == 0
    assert (await proof(Range(until=MONTH - timedelta(days=1)))).total == 0


async def test_what_the_log_no_longer_holds_is_no_difference(log: Log, proof: Any) -> None:
    before = MONTH - timedelta(days=40)
    log.insert([Call(minute=-60 * 24 * 40)], ["imported"])
    log.fold()
    log.execute("""DELETE FROM "ApiCall" WHERE id = 'imported'""")
    log.record([Call()])
    found = await proof(Range())
    assert (found.total, found.begins) == (0, MONTH)
    # a month that is still there, in front of the first with a partition, counts as held
    old = new_call_id(round(before.timestamp() * 1000))
    log.insert([Call(minute=-60 * 24 * 40)], [old])
    found = await proof(Range())
    assert found.begins == before.replace(minute=0, second=0, microsecond=0)
    assert found.total > 0
    assert (await proof(Range(), repair=True)).total == found.total
    assert (await proof(Range())).total == 0


async def test_months_that_were_dropped_are_no_difference(log: Log, proof: Any) -> None:
    log.execute("SELECT latchkey.make_call_months(3)")
    following = (MONTH + timedelta(days=40)).replace(day=1)
    minutes = (following - MONTH) // timedelta(minutes=1)
    log.record([Call(), Call(minute=minutes + 5)])
    log.fold()
    # as retention will: the oldest month goes, and the range before the months grows over it
    for name, table in (
        ("ApiCall", 'public."ApiCall"'),
        ("TrialApiCall", 'latchkey."TrialApiCall"'),
    ):
        log.execute(f'DROP TABLE latchkey."{name}_{MONTH:%Y_%m}"')
        assert log.execute(f"SELECT latchkey.log_begins('{table}')") == [
            (following.replace(tzinfo=None),)
        ]
    found = await proof(Range())
    assert (found.first, found.begins) == ([], following)
    log.execute('UPDATE latchkey."UsageHour" SET units = 50')
    found = await proof(Range(), repair=True)
    assert [one.counter[:16] for one in found.first] == ["UsageHour of key"]


async def test_change_of_plan_moves_no_call_between_periods(log: Log, proof: Any) -> None:
    log.record([Call("key-3", 30), Call("key-3", 100)])  # both counted as free
    log.subscribe(PAYS_FROM)
    log.record([Call("key-3", 101), Call("key-3", 200, units=3)])
    before = log.execute('SELECT * FROM latchkey."UsagePeriod" ORDER BY 2')
    assert (await proof(Range(), repair=True)).first == []
    assert log.execute('SELECT * FROM latchkey."UsagePeriod" ORDER BY 2') == before
    log.execute("""UPDATE latchkey."UsagePeriod" SET units = units + 2
        WHERE "startsAt" = (SELECT max("startsAt") FROM latchkey."UsagePeriod")""")
    found = (await proof(Range(), repair=True)).first
    assert sum(one.counted.units - one.right.units for one in found) == 2
    assert (await proof(Range())).first == []
    sums = log.execute('SELECT sum(units) FROM latchkey."UsagePeriod" GROUP BY "startsAt"')
    assert min(row[0] for row in sums) >= 0
    assert period_sums(log) == logged_sums(log)


async def test_call_at_the_turn_of_a_period_may_count_on_either_side(log: Log, proof: Any) -> None:
    turn = (MONTH + timedelta(days=40)).replace(day=1)
    minutes = (turn - MONTH) // timedelta(minutes=1)
    log.record([Call(), Call(minute=minutes)])
    counts = """UPDATE latchkey."UsagePeriod" SET calls = CASE WHEN "startsAt" < %s THEN %s
        ELSE 2 - %s END, units = CASE WHEN "startsAt" < %s THEN %s ELSE 2 - %s END"""
    for first in (0, 2):
        log.execute(counts, *[turn.replace(tzinfo=None), first, first] * 2)
        assert (await proof(Range())).first == []
    log.execute('DELETE FROM latchkey."UsagePeriod"')
    # each period that lacks calls gets its own back
    log.record([Call(), Call(minute=minutes)])
    log.execute(
        'DELETE FROM latchkey."UsagePeriod" WHERE "startsAt" >= %s', turn.replace(tzinfo=None)
    )
    found = await proof(Range(), repair=True)
    assert [(one.right.calls, one.right.units) for one in found.first] == [(2, 2), (2, 2)]
    assert (await proof(Range())).first == []


async def test_what_a_deleted_key_used_stays_used(log: Log, proof: Any) -> None:
    log.record([Call("key-1"), Call("key-2"), Call("trial-key")])
    log.fold()
    log.execute("""DELETE FROM "ApiKeyMetadata" WHERE id = 'key-1'""")
    log.execute("""DELETE FROM "TrialApiKey" WHERE id = 'trial-key'""")
    assert (await proof(Range(), repair=True)).first == []
    assert period_sums(log) == {"user-1": (2, 2), "trial": (1, 1)}
    log.execute('UPDATE latchkey."UsagePeriod" SET calls = 0, units = 0')
    found = await proof(Range(), repair=True)
    assert [(one.right.calls, one.right.units) for one in found.first] == [(1, 1)]
    log.execute("""DELETE FROM "User" """)
    assert (await proof(Range())).first == []


async def test_differences_are_none_while_calls_are_recorded(
    log: Log, proof: Any, database_url: str
) -> None:
    stop = asyncio.Event()

    def write(slot: int) -> int:
        other, batches = Log(database_url), 0
        try:
            while not stop.is_set():
                ids = other.record([Call(KEYS[n % 4], n % MINUTES) for n in range(20)], slot=slot)
                other.write([Call(KEYS[n % 4], n) for n in range(9)], at_once=[False] * 9)
                other.insert([Call("key-3", 77)], [f"f-{slot}-{batches}"])
                other.settle(ids[0], is_trial=False, latency_ms=batches, aborted=False)
                if batches % 5 == slot:
                    other.fold()
                batches += 1
        finally:
            other.close()
        return batches

    writers = [asyncio.create_task(asyncio.to_thread(write, slot)) for slot in (0, 1)]
    reports: list[Report] = []
    try:
        while len(reports) < 12:
            reports.append(await proof(Range(), repair=len(reports) % 2 == 1))
    finally:
        stop.set()
    assert sum(await asyncio.gather(*writers)) > 5
    assert [report.first for report in reports] == [[]] * 12
    assert reports[-1].calls > 0
    assert (await proof(Range())).total == 0
    assert hours_of(log) == counted_by_hand(log)
    assert period_sums(log) == logged_sums(log)


async def test_what_is_recorded_while_it_repairs_is_counted_too(
    log: Log, proof: Any, database_url: str
) -> None:
    log.record([Call(minute=n) for n in range(60)])
    log.fold()
    log.execute('UPDATE latchkey."UsageHour" SET calls = 1, units = 1')
    log.execute('UPDATE latchkey."UsagePeriod" SET calls = 1, units = 1')
    other = Log(database_url)

    def write() -> None:
        for number in range(60):
            other.record([Call(minute=number)], slot=0)
            other.write([Call(minute=number)], at_once=[False])

    found, _ = await asyncio.gather(proof(Range(), repair=True), asyncio.to_thread(write))
    other.close()
    assert found.total == 2
    assert (await proof(Range())).first == []
    assert hours_of(log) == counted_by_hand(log)
    log.fold()
    assert period_sums(log) == {"user-1": (180, 180)}


EVER = "'2000-01-01', '3000-01-01'"
WRITING = [
    f"SELECT 1 FROM latchkey.repair_hours({EVER}, NULL)",
    f"SELECT 1 FROM latchkey.repair_periods(ARRAY['user-1'], {EVER})",
]
LOOKING = [
    f"SELECT 1 FROM latchkey.compare_hours({EVER}, NULL)",
    f"SELECT 1 FROM latchkey.compare_periods(ARRAY['user-1'], {EVER}, true)",
    f"SELECT 1 FROM latchkey.compare_periods(ARRAY['user-1'], {EVER}, false)",
]


def test_what_is_not_folded_yet_is_not_counted_twice_by_a_repair(log: Log) -> None:
    log.record([Call(), Call(latency_ms=900)])
    log.fold()
    [streamed] = log.record([Call()])
    log.settle(streamed, is_trial=False, latency_ms=900, aborted=False)
    log.execute('UPDATE latchkey."UsageHour" SET calls = 9, "latencyCounts" = ARRAY[4, 5]')
    assert len(log.execute(WRITING[0])) == 1
    assert log.execute(LOOKING[0]) == []
    assert hours_of(log) == counted_by_hand(log)


@pytest.mark.parametrize("statement", WRITING)
def test_repair_waits_for_a_fold(log: Log, database_url: str, statement: str) -> None:
    with psycopg.connect(database_url) as folding:
        folding.execute("SELECT latchkey.fold_usage()")
        log.execute("SET lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            log.execute(statement)
    assert log.execute(statement) == []


def test_no_call_and_no_comparison_waits_for_a_repair(log: Log, database_url: str) -> None:
    with psycopg.connect(database_url) as repairing:
        log.record([Call()])
        for statement in WRITING:
            repairing.execute(statement)
        log.execute("SET lock_timeout = '50ms'")
        log.record([Call()])
        log.insert([Call()], ["theirs"])
        assert [log.execute(statement) for statement in LOOKING] == [[], [], []]


async def test_progress_is_told_and_time_that_is_up_ends_it_where_it_can_go_on(
    log: Log, proof: Any
) -> None:
    log.record([Call(minute=60 * hour) for hour in range(0, 100, 2)])
    log.fold()
    told: list[tuple[int, int]] = []
    moments = iter(range(10**6))

    def clock() -> float:
        return float(next(moments))

    found = await proof(
        Range(), on_progress=lambda *now: told.append(now), budget_seconds=40, clock=clock
    )
    assert found.reached is not None
    assert told[-1] == (found.calls, 50)
    assert 0 < found.calls < 50
    rest = await proof(Range(since=found.reached))
    assert rest.reached is None
    assert rest.calls + found.calls == 50


async def test_empty_log_is_no_work(log: Log, proof: Any) -> None:
    found = await proof(Range(FIRST, LAST))
    assert (found.calls, found.total, found.first) == (0, 0, [])
    assert found.begins == MONTH or found.begins < datetime.now(UTC)
