"""The counters and the log agree, whoever inserts, and however often a batch is sent."""

import asyncio
import hashlib

import psycopg
import pytest

from app.metering.asgi import Receive, Scope, Send
from app.metering.recorder import CallRow
from tests.metering.apps import App, answering, body, start
from tests.metering.client import ask
from tests.metering.conftest import Key, StartMeter, Tables
from tests.metering.database_proxy import WRITING_CALLS, DatabaseProxy

INSERT = """
    INSERT INTO {log} (id, "apiKeyId", endpoint, method, "statusCode", "latencyMs")
    SELECT 'other-' || n, %s, '/theirs', 'GET', 200, n FROM generate_series(1, %s) AS n
"""


async def test_calls_are_counted_by_period_and_by_hour(
    start_meter: StartMeter, live_key: Key, trial_key: Key, tables: Tables
) -> None:
    meter = await start_meter(answering())
    await asyncio.gather(*(ask(meter, key=live_key.secret) for _ in range(5)))
    await asyncio.gather(
        *(ask(meter, "GET", "/api/v1/dear/1", key=trial_key.secret) for _ in range(3))
    )
    assert await tables.usage() == (8, 26, 8, 26)
    rows = await tables.execute('SELECT * FROM latchkey."UsageHour" ORDER BY calls DESC')
    assert [(row["keyId"], row["endpoint"], row["statusClass"], row["calls"]) for row in rows] == [
        (live_key.id, "/api/v1/screen", 2, 5),
        (trial_key.id, "/api/v1/dear/{id}", 2, 3),
    ]
    assert [sum(row["latencyCounts"]) for row in rows] == [5, 3]
    log = await tables.calls()
    assert rows[0]["latencyMs"] == sum(call["latencyMs"] for call in log)


async def test_later_calls_add_to_the_hour(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    meter = await start_meter(answering())
    for calls in (1, 2, 3):
        await ask(meter, key=live_key.secret)
        assert await tables.usage() == (calls, calls, calls, calls)
    [row] = await tables.execute('SELECT * FROM latchkey."UsageHour"')
    assert (row["calls"], sum(row["latencyCounts"])) == (3, 3)


async def test_lost_answer_to_a_commit_counts_once(
    start_meter: StartMeter, live_key: Key, trial_key: Key, tables: Tables, database_url: str
) -> None:
    async with DatabaseProxy(database_url) as proxy:
        meter = await start_meter(answering(), proxy.url)
        proxy.lose_answers_to(WRITING_CALLS, times=3)
        keys = [live_key.secret, trial_key.secret] * 4
        replies = await asyncio.gather(*(ask(meter, key=key) for key in keys))
        assert {reply.status for reply in replies} == {200}
        assert proxy.answers_lost == 3
        assert (len(await tables.calls()), len(await tables.trial_calls())) == (4, 4)
        assert await tables.usage() == (8, 8, 8, 8)
        await meter.stop()


async def test_row_that_is_there_or_comes_twice_counts_once_beside_new_ones(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    meter = await start_meter(answering())
    known = (await ask(meter, key=live_key.secret)).request_id
    grant = await meter.keys.find(hashlib.sha256(live_key.secret.encode()).digest())
    assert grant is not None
    rows = [
        CallRow(call_id, grant, grant.quota, "/a", "GET", 200, 1, 1, meter.clock.now_ms(), 0)
        for call_id in (known, "a new one", "twice", "twice")
    ]
    await asyncio.gather(*(meter.recorder.write(row) for row in rows))
    assert len(await tables.calls()) == 3
    assert await tables.usage() == (3, 3, 3, 3)


async def test_only_the_call_that_the_database_refuses_fails(
    start_meter: StartMeter, live_key: Key, trial_key: Key, tables: Tables
) -> None:
    together = asyncio.Event()
    working = 0

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal working
        working += 1
        if working == 9:
            await tables.execute('DELETE FROM "TrialApiKey"')
            together.set()
        await together.wait()
        await start(send)
        await body(send, b"")

    meter = await start_meter(App(serve))
    keys = [live_key.secret] * 4 + [trial_key.secret] + [live_key.secret] * 4
    replies = await asyncio.gather(*(ask(meter, key=key) for key in keys))
    assert [reply.status for reply in replies] == [200] * 4 + [503] + [200] * 4
    assert await tables.usage() == (8, 8, 8, 8)


async def test_rows_of_other_programs_are_counted(
    start_meter: StartMeter, live_key: Key, trial_key: Key, tables: Tables
) -> None:
    meter = await start_meter(answering())
    await ask(meter, key=live_key.secret)
    await tables.execute(INSERT.format(log='"ApiCall"'), live_key.id, 3)
    await tables.execute(INSERT.format(log='latchkey."TrialApiCall"'), trial_key.id, 2)
    assert await tables.usage() == (6, 1, 6, 1)
    scopes = await tables.execute(
        'SELECT "scopeId", sum(calls) AS calls FROM latchkey."UsagePeriod" GROUP BY 1 ORDER BY 2'
    )
    assert [int(scope["calls"]) for scope in scopes] == [2, 4]
    assert scopes[1]["scopeId"] == live_key.owner_id


async def test_final_latency_of_a_stream_is_counted_instead_of_the_first(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"first", more=True)
        await asyncio.sleep(0.1)
        await body(send, b"last")

    await ask(await start_meter(App(serve)), key=live_key.secret)
    assert await tables.usage() == (1, 1, 1, 1)
    [call] = await tables.calls()
    [row] = await tables.execute('SELECT * FROM latchkey."UsageHour"')
    assert row["latencyMs"] == call["latencyMs"] >= 100
    assert sorted(row["latencyCounts"]) == [0, 1]


async def test_stream_that_broke_is_marked(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"first", more=True)
        raise LookupError

    with pytest.raises(LookupError):
        await ask(await start_meter(App(serve)), key=live_key.secret)
    [call] = await tables.calls()
    notes = await tables.execute('SELECT * FROM latchkey."CallNote"')
    assert notes == [{"callId": call["id"], "times": 1, "aborted": True, "completed": False}]


async def test_flood_of_refusals_becomes_one_row_that_says_how_many(
    start_meter: StartMeter, live_key: Key, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tables.execute("""UPDATE "ApiKeyMetadata" SET status = 'revoked'""")
    meter = await start_meter(answering())
    monkeypatch.setattr(meter.clock, "now_ms", lambda: 1_800_000_000_000)
    replies = await asyncio.gather(*(ask(meter, key=live_key.secret) for _ in range(50)))
    assert {reply.status for reply in replies} == {401}
    calls = await tables.calls()
    assert len(calls) == 11
    assert {reply.request_id for reply in replies} == {call["id"] for call in calls}
    [note] = await tables.execute('SELECT * FROM latchkey."CallNote"')
    assert note["times"] == 40
    assert sum(reply.request_id == note["callId"] for reply in replies) == 40


@pytest.mark.parametrize(
    ("latency_ms", "bucket"), [(0, 0), (1, 0), (2, 4), (3, 7), (4, 8), (1000, 40), (10**9, 79)]
)
def test_latency_falls_into_its_bucket(database_url: str, latency_ms: int, bucket: int) -> None:
    with psycopg.connect(database_url) as connection:
        found = connection.execute("SELECT latchkey.latency_bucket(%s)", [latency_ms]).fetchone()
    assert found == (bucket,)
    assert bucket in {0, 79} or 2 ** ((bucket - 1) / 4) < latency_ms <= 2 ** (bucket / 4)


@pytest.mark.parametrize(
    ("anchor", "at", "months"),
    [
        ("2026-01-31", "2026-02-27", 0),
        ("2026-01-31", "2026-02-28", 1),
        ("2026-01-31", "2026-03-30", 1),
        ("2026-01-31", "2026-03-31", 2),
        ("2025-11-23 10:00", "2026-11-23 09:59", 11),
        ("2025-11-23 10:00", "2026-11-23 10:00", 12),
        ("2026-11-23", "2026-11-22", -1),
    ],
)
def test_period_is_counted_in_whole_months(
    database_url: str, anchor: str, at: str, months: int
) -> None:
    with psycopg.connect(database_url) as connection:
        query = "SELECT latchkey.months_since(%s::timestamp, %s::timestamp)"
        assert connection.execute(query, [anchor, at]).fetchone() == (months,)
