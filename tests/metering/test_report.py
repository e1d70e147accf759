"""A service elsewhere reports finished calls: each once, counted as the log has it."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from app.core.errors import InvalidRequest
from app.core.ids import new_call_id
from app.keys.format import new_key
from app.metering.own.finished_calls import MOST_REPORTS
from tests.conftest import UnitOfWork
from tests.factories import make_key, make_subscription, make_user
from tests.metering.client import ask
from tests.metering.conftest import Key, StartMeter, Tables, plans
from tests.metering.database_proxy import DatabaseProxy
from tests.metering.services import RECORDED, finished, post, report, start_service, verify

CALLS = "/api/v1/calls"
BY_HOUR = """
    SELECT "keyId", hour, endpoint, "statusClass", calls, units, "latencyMs",
        (SELECT sum(n) FROM unnest("latencyCounts") AS n)::bigint AS in_buckets
    FROM latchkey."UsageHour" WHERE calls <> 0 OR units <> 0 OR "latencyMs" <> 0 ORDER BY 1, 2, 3, 4
"""
BY_HOUR_IN_LOG = """
    SELECT "apiKeyId" AS "keyId", date_trunc('hour', "createdAt") AS hour, endpoint,
        "statusCode" / 100 AS "statusClass", count(*) AS calls, sum(units)::bigint AS units,
        sum("latencyMs")::bigint AS "latencyMs", count(*) AS in_buckets
    FROM (SELECT * FROM "ApiCall" UNION ALL SELECT * FROM latchkey."TrialApiCall") AS log
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
BY_PERIOD = """
    SELECT "scopeId", "startsAt", sum(units)::bigint AS units, sum(calls)::bigint AS calls
    FROM latchkey."UsagePeriod" GROUP BY 1, 2 ORDER BY 1, 2
"""
BY_PERIOD_IN_LOG = """
    SELECT scope_id AS "scopeId", starts AS "startsAt", sum(units)::bigint AS units,
        count(*) AS calls
    FROM (SELECT *, false AS is_trial FROM "ApiCall"
          UNION ALL SELECT *, true FROM latchkey."TrialApiCall") AS log,
        latchkey.period_of_call("apiKeyId", is_trial, "createdAt")
    GROUP BY 1, 2 ORDER BY 1, 2
"""


async def counters_equal_the_log(tables: Tables) -> None:
    await tables.execute("SELECT latchkey.fold_usage()")
    assert await tables.execute(BY_HOUR) == await tables.execute(BY_HOUR_IN_LOG)
    assert await tables.execute(BY_PERIOD) == await tables.execute(BY_PERIOD_IN_LOG)


def completion(call_id: str, status: int = 200, **fields: Any) -> dict[str, Any]:
    return {"call_id": call_id, "status": status, "latency_ms": 34, **fields}


@pytest.mark.parametrize("kind", ["live", "trial"])
@pytest.mark.parametrize(("status", "units"), [(200, 3), (304, 3), (404, 0), (500, 0)])
async def test_completion_gives_the_row_its_end_and_charges_by_status(
    start_meter: StartMeter,
    live_key: Key,
    trial_key: Key,
    tables: Tables,
    kind: str,
    status: int,
    units: int,
) -> None:
    key = live_key if kind == "live" else trial_key
    meter = await start_service(start_meter)
    call_id = (await verify(meter, key.secret, units=3))["call_id"]
    assert await report(meter, [completion(call_id, status)]) == [{"id": call_id, **RECORDED}]
    [row] = await (tables.calls() if kind == "live" else tables.trial_calls())
    assert (row["id"], row["statusCode"], row["latencyMs"], row["units"]) == (
        call_id,
        status,
        34,
        units,
    )
    assert await tables.usage() == (1, units, 1, units)
    await counters_equal_the_log(tables)


async def test_call_that_is_counted_by_the_hour_already_moves_to_its_end(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    meter = await start_service(start_meter)
    ids = [(await verify(meter, live_key.secret))["call_id"] for _ in range(3)]
    await counters_equal_the_log(tables)
    await report(meter, [completion(ids[0], 200), completion(ids[1], 503)])
    await counters_equal_the_log(tables)
    assert sorted(row["statusClass"] for row in await tables.execute(BY_HOUR)) == [0, 2, 5]


async def test_completing_twice_changes_nothing_and_is_done(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    meter = await start_service(start_meter, record_bodies="full")
    call_id = (await verify(meter, live_key.secret, units=2))["call_id"]
    first = completion(call_id, 500, response_body={"first": 1})
    second = completion(call_id, 200, response_body={"second": 2})
    outcomes = await report(meter, [first, second])
    outcomes += await report(meter, [second])
    assert outcomes == [{"id": call_id, **RECORDED}] * 3
    [row] = await tables.calls()
    assert (row["statusCode"], row["units"], row["responseBody"]) == (500, 0, {"first": 1})
    assert await tables.usage() == (1, 0, 1, 0)
    await counters_equal_the_log(tables)


async def test_two_nodes_that_complete_at_once_count_once(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    meters = [await start_service(start_meter) for _ in range(2)]
    ids = [(await verify(meters[0], live_key.secret))["call_id"] for _ in range(40)]
    calls = [completion(call_id, 500) for call_id in ids]
    answers = await asyncio.gather(
        *(report(meter, order) for meter in meters for order in (calls, calls[::-1]))
    )
    assert all(outcome["recorded"] for answer in answers for outcome in answer)
    assert await tables.usage() == (40, 0, 40, 0)
    await counters_equal_the_log(tables)


async def test_units_that_were_given_back_can_be_used_again_at_once(
    start_meter: StartMeter, live_key: Key
) -> None:
    meter = await start_service(start_meter, plans=lambda: plans(units=5))
    for _ in range(3):
        verdict = await verify(meter, live_key.secret, units=5)
        assert (verdict["valid"], verdict["remaining"]) == (True, 0)
        assert (await verify(meter, live_key.secret))["code"] == "quota_exceeded"
        await report(meter, [completion(verdict["call_id"], 502)])


async def test_units_given_back_elsewhere_are_learned_while_calls_go_on(
    start_meter: StartMeter, live_key: Key
) -> None:
    here, there = [await start_service(start_meter, plans=lambda: plans(units=5)) for _ in "12"]
    verdict = await verify(here, live_key.secret, units=5)
    await report(there, [completion(verdict["call_id"], 500)])
    async with asyncio.timeout(5):
        while (await verify(here, live_key.secret, units=5))["code"] == "quota_exceeded":
            await here.keys._recheck()


@pytest.mark.parametrize("whose", ["key_id", "key"])
async def test_call_of_another_key_is_not_completed(
    start_meter: StartMeter, live_key: Key, trial_key: Key, tables: Tables, whose: str
) -> None:
    meter = await start_service(start_meter)
    call_id = (await verify(meter, live_key.secret))["call_id"]
    theirs, ours = [
        {whose: key.id if whose == "key_id" else key.secret} for key in (trial_key, live_key)
    ]
    [outcome] = await report(meter, [completion(call_id, **theirs)])
    assert (outcome["recorded"], outcome["code"]) == (False, "unknown_call")
    assert [row["statusCode"] for row in await tables.calls()] == [0]
    assert (await report(meter, [completion(call_id, **ours)])) == [{"id": call_id, **RECORDED}]
    [outcome] = await report(meter, [completion(call_id, **theirs)])
    assert outcome["code"] == "unknown_call"
    call_id = (await verify(meter, live_key.secret))["call_id"]
    both = await report(meter, [completion(call_id, **theirs), completion(call_id, **ours)])
    assert [outcome["code"] for outcome in both] == ["unknown_call", None]
    await counters_equal_the_log(tables)


async def test_call_that_no_verification_began_is_not_completed(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    meter = await start_service(start_meter)
    metered = (await ask(meter, key=live_key.secret)).request_id
    await tables.execute("""UPDATE "ApiKeyMetadata" SET status = 'revoked'""")
    await meter.keys._recheck()
    refused = (await verify(meter, live_key.secret))["call_id"]
    before = await tables.calls()
    ids = (metered, refused, new_call_id())
    outcomes = await report(meter, [completion(call_id, 500) for call_id in ids])
    assert [outcome["code"] for outcome in outcomes] == ["unknown_call"] * 3
    assert await tables.calls() == before
    await counters_equal_the_log(tables)


async def test_finished_call_is_recorded_at_its_ids_time(
    start_meter: StartMeter, live_key: Key, trial_key: Key, tables: Tables
) -> None:
    meter = await start_service(start_meter)
    age_ms = 3 * 3600 * 1000
    call = finished(meter, live_key.id, age_ms=age_ms, units=4)
    trial = {**finished(meter, "", age_ms=age_ms), "key": trial_key.secret}
    del trial["key_id"]
    assert await report(meter, [call, trial]) == [
        {"id": one["id"], **RECORDED} for one in (call, trial)
    ]
    [row] = await tables.calls()
    made_at = row.pop("createdAt").replace(tzinfo=UTC)
    assert abs(made_at + timedelta(milliseconds=age_ms) - datetime.now(UTC)).total_seconds() < 5
    assert row == {
        "id": call["id"],
        "apiKeyId": live_key.id,
        "ownerId": live_key.owner_id,
        "endpoint": "/things/{id}",
        "method": "GET",
        "statusCode": 200,
        "latencyMs": 12,
        "units": 4,
        "requestBody": None,
        "responseBody": None,
    }
    [row] = await tables.trial_calls()
    assert (row["id"], row["apiKeyId"], row["ownerId"], row["units"]) == (
        trial["id"],
        trial_key.id,
        trial_key.owner_id,
        1,
    )
    await counters_equal_the_log(tables)


async def test_finished_call_counts_in_the_period_of_its_time(
    start_meter: StartMeter, tables: Tables, unit_of_work: UnitOfWork
) -> None:
    renewed = datetime.now(UTC) - timedelta(days=2)
    async with unit_of_work() as session:
        user = await make_user(session)
        await make_subscription(session, user, current_period_start=renewed)
        key, secret = await make_key(session, user)
    meter = await start_service(start_meter)
    days = (1, 3)
    ages = [finished(meter, key.id, age_ms=day * 24 * 3600 * 1000, units=day) for day in days]
    await report(meter, ages)
    await verify(meter, secret, units=5)
    await tables.usage()  # counts it
    periods = await tables.execute(BY_PERIOD)
    assert [row["units"] for row in periods] == [3, 6]
    assert periods[1]["startsAt"].replace(tzinfo=UTC) - renewed < timedelta(milliseconds=1)
    await counters_equal_the_log(tables)


async def test_call_that_was_sent_twice_is_counted_once(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    meter = await start_service(start_meter)
    call = finished(meter, live_key.id)
    upper = {**call, "id": call["id"].upper()}
    outcomes = await report(meter, [call, call, upper])
    outcomes += await report(meter, [{**call, "status": 500}])
    assert outcomes == [{"id": call["id"], **RECORDED}] * 4
    assert [row["statusCode"] for row in await tables.calls()] == [200]
    assert await tables.usage() == (1, 1, 1, 1)
    await counters_equal_the_log(tables)


async def test_two_nodes_that_record_at_once_count_once(
    start_meter: StartMeter, live_key: Key, trial_key: Key, tables: Tables
) -> None:
    meters = [await start_service(start_meter) for _ in range(2)]
    calls = [finished(meters[0], key.id) for key in (live_key, trial_key) for _ in range(30)]
    answers = await asyncio.gather(
        *(report(meter, order) for meter in meters for order in (calls, calls[::-1]))
    )
    assert all(outcome["recorded"] for answer in answers for outcome in answer)
    assert await tables.usage() == (60, 60, 60, 60)
    await counters_equal_the_log(tables)


async def test_id_of_another_keys_call_is_a_conflict(
    start_meter: StartMeter,
    live_key: Key,
    trial_key: Key,
    tables: Tables,
    unit_of_work: UnitOfWork,
) -> None:
    async with unit_of_work() as session:
        other, _ = await make_key(session, await make_user(session))
    meter = await start_service(start_meter)
    call = finished(meter, live_key.id)
    thieves = [{**call, "key_id": key_id} for key_id in (other.id, trial_key.id)]
    together = await report(meter, [call, *thieves])
    later = [(await report(meter, [thief]))[0] for thief in thieves]
    assert [outcome["code"] for outcome in together] == [None, "id_conflict", "id_conflict"]
    assert [outcome["code"] for outcome in later] == ["id_conflict", "id_conflict"]
    assert (len(await tables.calls()), len(await tables.trial_calls())) == (1, 0)
    await counters_equal_the_log(tables)


async def test_id_of_a_trials_call_is_a_conflict_for_a_live_key(
    start_meter: StartMeter, live_key: Key, trial_key: Key, tables: Tables
) -> None:
    meter = await start_service(start_meter)
    call = finished(meter, trial_key.id)
    await report(meter, [call])
    [outcome] = await report(meter, [{**call, "key_id": live_key.id}])
    assert (outcome["recorded"], outcome["code"]) == (False, "id_conflict")
    assert (len(await tables.calls()), len(await tables.trial_calls())) == (0, 1)
    await counters_equal_the_log(tables)


@pytest.mark.parametrize(("status", "units"), [(201, 7), (302, 7), (429, 0), (500, 0)])
async def test_finished_call_is_charged_by_status_even_past_the_quota(
    start_meter: StartMeter, live_key: Key, tables: Tables, status: int, units: int
) -> None:
    meter = await start_service(start_meter, plans=lambda: plans(units=5))
    await report(meter, [finished(meter, live_key.id, status=status, units=7)])
    assert (await tables.usage())[3] == units
    verdict = await verify(meter, live_key.secret)
    assert verdict["code"] == ("quota_exceeded" if units else None)


async def test_work_of_a_key_that_was_revoked_since_is_recorded(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    await tables.execute("""UPDATE "ApiKeyMetadata" SET status = 'revoked'""")
    meter = await start_service(start_meter)
    call = finished(meter, live_key.id)
    assert await report(meter, [call]) == [{"id": call["id"], **RECORDED}]


@pytest.mark.parametrize(
    ("age_ms", "is_taken"),
    [
        (7 * 24 * 3600 * 1000 - 60_000, True),
        (7 * 24 * 3600 * 1000 + 1000, False),
        (-50_000, True),
        (-70_000, False),
    ],
)
async def test_ids_time_is_within_a_week_by_the_databases_clock(
    start_meter: StartMeter, live_key: Key, tables: Tables, age_ms: int, is_taken: bool
) -> None:
    meter = await start_service(start_meter)
    call = finished(meter, live_key.id, age_ms=age_ms)
    meter.clock._offset += 3600
    [outcome] = await report(meter, [call])
    assert outcome["recorded"] == is_taken
    if not is_taken:
        assert outcome["code"] == "invalid_request"
        assert outcome["detail"].startswith("id: ")
    assert len(await tables.calls()) == is_taken
    await counters_equal_the_log(tables)


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"id": str(uuid4())}, "invalid_request", "id"),
        ({"id": 7}, "invalid_request", "id"),
        ({"id": None}, "invalid_request", "id"),
        ({"key_id": None}, "invalid_request", "key_id"),
        ({"key": new_key("live")}, "invalid_request", "key_id"),
        ({"key_id": "no-such-key"}, "invalid_key", None),
        ({"key_id": "a\0b"}, "invalid_request", "key_id"),
        ({"key_id": None, "key": "x"}, "invalid_key", None),
        ({"key_id": None, "key": new_key("trial")}, "invalid_key", None),
        ({"endpoint": "/a?secret-input"}, "invalid_request", "endpoint"),
        ({"endpoint": f"/a/{new_key('live')}"}, "key_in_url", None),
        ({"method": "secret-input"}, "invalid_request", "method"),
        ({"status": 0}, "invalid_request", "status"),
        ({"status": 600}, "invalid_request", "status"),
        ({"status": "200"}, "invalid_request", "status"),
        ({"latency_ms": -1}, "invalid_request", "latency_ms"),
        ({"latency_ms": 2**31}, "invalid_request", "latency_ms"),
        ({"units": 2**31}, "invalid_request", "units"),
        ({"sensitive": "name"}, "invalid_request", "sensitive"),
        ({"secret input": 1}, "invalid_request", "(unknown)"),
        ({"call_id": new_call_id()}, "invalid_request", "id"),
        ({"call_id": "secret-input"}, "invalid_request", "call_id"),
    ],
)
async def test_one_bad_call_fails_alone(
    start_meter: StartMeter,
    live_key: Key,
    tables: Tables,
    change: dict[str, Any],
    code: str,
    field: str | None,
) -> None:
    meter = await start_service(start_meter)
    bad = {**finished(meter, live_key.id), **change}
    good = [finished(meter, live_key.id) for _ in range(2)]
    outcomes = await report(meter, [good[0], bad, good[1]])
    assert [outcome["recorded"] for outcome in outcomes] == [True, False, True]
    assert outcomes[1]["code"] == code
    if field is not None:
        assert f"{field}: " in outcomes[1]["detail"]
    assert "secret" not in str(outcomes[1])
    assert len(await tables.calls()) == 2
    await counters_equal_the_log(tables)


def nested(depth: int) -> Any:
    value: Any = None
    for _ in range(depth):
        value = [value]
    return value


async def test_body_as_deep_as_json_is_read_is_stored_somehow(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    meter = await start_service(start_meter, record_bodies="full")
    calls = [finished(meter, live_key.id, request_body=nested(depth)) for depth in (150, 500)]
    assert [outcome["recorded"] for outcome in await report(meter, calls)] == [True, True]
    stored = [row["requestBody"] for row in await tables.calls()]
    assert nested(150) in stored
    assert any(isinstance(body, dict) and body["unreadable"] for body in stored)


async def test_deeper_json_is_refused(start_meter: StartMeter) -> None:
    meter = await start_service(start_meter)
    reply = await post(meter, CALLS, {}, body=[b"[" * 100_000])
    assert (reply.status, reply.json()["code"]) == (400, "malformed_json")
    deep = nested(100_000)
    with pytest.raises(InvalidRequest) as caught:
        meter._own._report._stored("request_body", deep, frozenset())
    assert list(caught.value.fields) == ["request_body"]


@pytest.mark.parametrize("bad", [None, 1, "x", []])
async def test_what_is_no_call_fails_alone(
    start_meter: StartMeter, live_key: Key, bad: object
) -> None:
    meter = await start_service(start_meter)
    calls: list[Any] = [finished(meter, live_key.id), bad]
    outcomes = await report(meter, calls)
    assert [(outcome["recorded"], outcome["code"]) for outcome in outcomes] == [
        (True, None),
        (False, "invalid_request"),
    ]


async def test_only_what_the_database_refuses_fails(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    await tables.execute("""ALTER TABLE "ApiCall" ADD CHECK ("latencyMs" <> 666)""")
    meter = await start_service(start_meter)
    begun = [(await verify(meter, live_key.secret))["call_id"] for _ in range(3)]
    calls = [completion(call_id) for call_id in begun]
    calls += [finished(meter, live_key.id) for _ in range(20)]
    for poisonous in (1, 11):
        calls[poisonous]["latency_ms"] = 666
    outcomes = await report(meter, calls)
    failed = [number for number, outcome in enumerate(outcomes) if not outcome["recorded"]]
    assert failed == [1, 11]
    assert {outcomes[number]["code"] for number in failed} == {"call_refused"}
    assert (await tables.usage())[0] == 22
    await counters_equal_the_log(tables)


async def test_a_thousand_calls_in_one_request(
    start_meter: StartMeter, live_key: Key, trial_key: Key, tables: Tables
) -> None:
    meter = await start_service(start_meter)
    ids = [(await verify(meter, live_key.secret))["call_id"] for _ in range(100)]
    calls = [completion(call_id, 500 if n % 2 else 200) for n, call_id in enumerate(ids)]
    keys = (live_key.id, trial_key.id)
    calls += [
        finished(meter, keys[n % 2], age_ms=n * 600_000, request_body={"n": n}) for n in range(900)
    ]
    outcomes = await report(meter, calls)
    assert all(outcome["recorded"] for outcome in outcomes)
    assert await tables.usage() == (1000, 950, 1000, 950)
    await counters_equal_the_log(tables)


async def test_more_than_a_thousand_are_refused_together(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    meter = await start_service(start_meter)
    calls = [finished(meter, live_key.id) for _ in range(1001)]
    reply = await post(meter, CALLS, {"calls": calls})
    assert (reply.status, reply.json()["code"]) == (422, "invalid_request")
    assert [error["field"] for error in reply.json()["errors"]] == ["calls"]
    assert await tables.calls() == []
    assert await report(meter, []) == []


async def test_bodies_are_redacted_as_those_of_other_calls(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    meter = await start_service(start_meter, record_bodies="redacted")
    call_id = (await verify(meter, live_key.secret))["call_id"]
    bodies = {
        "request_body": {"password": "x", "name": "y", "text": f"my {live_key.secret}"},
        "response_body": {"nul": "\0", "lone": "\ud800", "name": "z"},
        "sensitive": ["name"],
    }
    await report(meter, [completion(call_id, **bodies), finished(meter, live_key.id, **bodies)])
    for row in await tables.calls():
        start = live_key.secret[: len("lk_live_") + 4]
        assert row["requestBody"] == {
            "password": "[masked]",
            "name": "[masked]",
            "text": f"my {start}…",
        }
        assert row["responseBody"] == {"nul": "\ufffd", "lone": "\ufffd", "name": "[masked]"}


async def test_bodies_are_not_kept_where_none_are(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    meter = await start_service(start_meter, record_bodies="off")
    await report(meter, [finished(meter, live_key.id, request_body={"a": 1})])
    assert [row["requestBody"] for row in await tables.calls()] == [None]


async def test_large_body_is_cut_with_a_mark(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    meter = await start_service(start_meter, record_bodies="redacted")
    calls = [finished(meter, live_key.id, response_body={"a": "x" * 100_000})]
    await report(meter, calls)  # so large a request is read beside the loop
    [row] = await tables.calls()
    assert row["responseBody"]["truncated"] is True


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("statement", ["complete_calls", "record_finished"])
async def test_lost_answer_to_a_commit_counts_once(
    start_meter: StartMeter,
    live_key: Key,
    trial_key: Key,
    tables: Tables,
    database_url: str,
    statement: str,
    times: int,
) -> None:
    async with DatabaseProxy(database_url) as proxy:
        meter = await start_service(start_meter, proxy.url)
        keys = (live_key, trial_key)
        begun = [(await verify(meter, key.secret, units=2))["call_id"] for key in keys]
        calls = [completion(begun[0], 500), completion(begun[1])]
        calls += [finished(meter, key.id) for key in keys]
        proxy.lose_answers_to(statement, times=times)
        outcomes = await report(meter, calls)
        assert [outcome["recorded"] for outcome in outcomes] == [True] * 4
        assert proxy.answers_lost == times
        assert await tables.usage() == (4, 4, 4, 4)
        await counters_equal_the_log(tables)
        await meter.stop()


async def test_unconfirmed_report_is_503_and_may_be_sent_again(
    start_meter: StartMeter, live_key: Key, tables: Tables, database_url: str
) -> None:
    async with DatabaseProxy(database_url) as proxy:
        meter = await start_service(start_meter, proxy.url, database_seconds=0.5)
        calls = [
            completion((await verify(meter, live_key.secret))["call_id"], 500),
            finished(meter, live_key.id),
        ]
        proxy.lose_answers_to("latchkey.", times=1000)
        reply = await post(meter, CALLS, {"calls": calls})
        assert (reply.status, reply.json()["code"]) == (503, "recording_unavailable")
        assert "not counted twice" in reply.json()["detail"]
        proxy.lose_answers_to("", times=0)
        assert [outcome["recorded"] for outcome in await report(meter, calls)] == [True, True]
        assert await tables.usage() == (2, 1, 2, 1)
        await counters_equal_the_log(tables)
        await meter.stop()


async def test_report_waits_for_a_locked_log_boundedly_and_keeps_nobody_else(
    start_meter: StartMeter, live_key: Key, trial_key: Key, tables: Tables, database_url: str
) -> None:
    meter = await start_service(start_meter, database_seconds=0.5)
    await verify(meter, trial_key.secret)
    call = finished(meter, live_key.id)
    async with await psycopg.AsyncConnection.connect(database_url) as other:
        await other.execute('LOCK TABLE "ApiCall" IN EXCLUSIVE MODE')
        async with asyncio.timeout(3):
            waiting = asyncio.create_task(post(meter, CALLS, {"calls": [call]}))
            await asyncio.sleep(0)
            assert (await verify(meter, trial_key.secret))["valid"]
            assert (await waiting).status == 503
    assert await report(meter, [call]) == [{"id": call["id"], **RECORDED}]


async def test_too_many_reports_at_once_are_refused(start_meter: StartMeter, live_key: Key) -> None:
    meter = await start_service(start_meter)
    replies = await asyncio.gather(
        *(
            post(meter, CALLS, {"calls": [finished(meter, live_key.id)]})
            for _ in range(MOST_REPORTS + 3)
        )
    )
    statuses = [reply.status for reply in replies]
    assert statuses.count(503) == 3
    assert statuses.count(200) == MOST_REPORTS
    assert len(await report(meter, [finished(meter, live_key.id)])) == 1


async def test_stopping_writes_the_reports_in_work_and_takes_no_others(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    meter = await start_service(start_meter)
    first = asyncio.create_task(report(meter, [finished(meter, live_key.id)]))
    await asyncio.sleep(0)
    assert meter._own._finished._in_work == 1
    stopping = asyncio.create_task(meter.stop())
    for _ in range(2):  # until it has begun
        await asyncio.sleep(0)
    reply = await post(meter, CALLS, {"calls": []})
    assert reply.status == 503
    assert (await first)[0]["recorded"]
    await stopping
    assert len(await tables.calls()) == 1


async def test_reports_alone_are_counted_by_the_hour(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    meter = await start_service(start_meter)
    await report(meter, [finished(meter, live_key.id)])
    await meter._chores.fold()
    [row] = await tables.execute('SELECT calls FROM latchkey."UsageHour"')
    assert row["calls"] == 1


async def test_names_of_reported_calls_are_bounded(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    meter = await start_service(start_meter)
    calls = [finished(meter, live_key.id, endpoint=f"/{n}") for n in range(300)]
    await report(meter, calls)
    names = [row["endpoint"] for row in await tables.calls()]
    assert (len(set(names)), names.count("(other)")) == (200, 101)
