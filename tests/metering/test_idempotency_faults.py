"""Keys while the database is lost, silent or slow: once is once, and nothing leaks."""

import asyncio
import hashlib
import time

import psycopg
import pytest

from app.metering.asgi import Receive, Scope, Send
from app.metering.meter import Meter
from tests.metering.apps import App, answering, body, start
from tests.metering.client import ask
from tests.metering.conftest import Key, StartMeter, Tables, plans
from tests.metering.database_proxy import DatabaseProxy
from tests.metering.keyed import Gate, code_of, counting, keyed, lapse, records

_WAITING = (
    "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' "
    "AND query LIKE '%%' || %s || '%%'"
)


def taken(meter: Meter, key: Key) -> tuple[int, int, int]:
    """Places taken in all and by the key, and units reserved."""
    grant = meter.keys.known(hashlib.sha256(key.secret.encode()).digest(), time.monotonic())
    assert grant is not None
    return meter.recorder._taken, grant.in_work, grant.quota.reserved


@pytest.mark.parametrize("function", ["claim_keys", "record_keyed_calls"])
async def test_lost_answer_to_a_commit_changes_nothing(
    start_keyed: StartMeter, live_key: Key, tables: Tables, database_url: str, function: str
) -> None:
    inner = counting()
    async with DatabaseProxy(database_url) as proxy:
        meter = await start_keyed(inner, proxy.url)
        proxy.lose_answers_to(function, times=2)
        first = await ask(meter, key=live_key.secret, headers=keyed())
        assert (first.status, proxy.answers_lost) == (201, 2)
        again = await ask(meter, key=live_key.secret, headers=keyed())
        assert (again.body, inner.calls) == (b"work 1", 1)
        assert [row["units"] for row in await tables.calls()] == [1, 0]
        assert await tables.usage() == (2, 1, 2, 1)
        assert taken(meter, live_key) == (0, 0, 0)
        await meter.stop()


async def test_lost_answer_to_a_commit_frees_the_key_of_a_failure_once(
    start_keyed: StartMeter, live_key: Key, tables: Tables, database_url: str
) -> None:
    async with DatabaseProxy(database_url) as proxy:
        meter = await start_keyed(answering(400), proxy.url)
        proxy.lose_answers_to("record_keyed_calls", times=1)
        assert (await ask(meter, key=live_key.secret, headers=keyed())).status == 400
        assert (await records(tables), proxy.answers_lost) == ([], 1)
        await meter.stop()


async def test_unknown_outcome_is_known_to_whoever_asks_again(
    start_keyed: StartMeter, live_key: Key, tables: Tables, database_url: str
) -> None:
    """The row was committed, but nobody heard of it."""
    inner = counting()
    async with DatabaseProxy(database_url) as proxy:
        meter = await start_keyed(inner, proxy.url, database_seconds=0.5)
        proxy.lose_answers_to("record_keyed_calls", times=1000)
        reply = await ask(meter, key=live_key.secret, headers=keyed())
        assert code_of(reply) == (503, "recording_unavailable")
        assert "outcome is unknown" in reply.json()["detail"]
        assert "retry with an `Idempotency-Key`" in reply.json()["detail"]
        assert taken(meter, live_key) == (0, 0, 0)
        proxy.lose_answers_to("", times=0)
        again = await ask(meter, key=live_key.secret, headers=keyed())
        assert (again.body, inner.calls) == (b"work 1", 1)
        assert [row["units"] for row in await tables.calls()] == [1, 0]
        await meter.stop()


async def test_row_that_was_not_written_lets_the_key_lapse(
    start_keyed: StartMeter, live_key: Key, tables: Tables, database_url: str
) -> None:
    inner = counting()
    meter = await start_keyed(inner, database_seconds=0.5)
    async with await psycopg.AsyncConnection.connect(database_url) as other:
        await other.execute('LOCK TABLE "ApiCall" IN EXCLUSIVE MODE')
        reply = await ask(meter, key=live_key.secret, headers=keyed())
        # Or what was given up would be done after all, as soon as the table is free.
        await tables.execute(f"SELECT pg_terminate_backend(pid) {_WAITING}", "record_keyed_calls")
    assert "outcome is unknown" in reply.json()["detail"]
    assert taken(meter, live_key) == (0, 0, 0)
    assert await records(tables) == [(False, False)]
    await lapse(tables)
    await meter.once.claims.extend()  # nobody works on it any more
    reply = await ask(meter, key=live_key.secret, headers=keyed())
    assert (reply.body, await records(tables)) == (b"work 2", [(True, True)])


async def test_claim_that_cannot_be_made_is_refused_before_work_and_leaks_nothing(
    start_keyed: StartMeter, live_key: Key, tables: Tables, database_url: str
) -> None:
    inner = answering()
    meter = await start_keyed(inner, database_seconds=0.3, places=1, plans=lambda: plans(units=1))
    async with await psycopg.AsyncConnection.connect(database_url) as other:
        await other.execute('LOCK TABLE latchkey."IdempotencyRecord" IN EXCLUSIVE MODE')
        for _ in range(2):
            reply = await ask(meter, key=live_key.secret, headers=keyed())
            assert code_of(reply) == (503, "recording_unavailable")
            assert "before any work" in reply.json()["detail"]
            assert taken(meter, live_key) == (0, 0, 0)
        assert (await ask(meter, key=live_key.secret)).status == 200  # without a key
    assert inner.calls == 1
    # The statement may have been waiting in the database, and be done by now: it lapses.
    await lapse(tables)
    assert code_of(await ask(meter, key=live_key.secret, headers=keyed())) == (
        429,
        "quota_exceeded",
    )


async def test_answer_that_cannot_be_fetched_is_refused_and_leaks_nothing(
    start_keyed: StartMeter, live_key: Key, database_url: str
) -> None:
    inner = counting()
    async with DatabaseProxy(database_url) as proxy:
        meter = await start_keyed(inner, proxy.url, database_seconds=0.5, places=1)
        await ask(meter, key=live_key.secret, headers=keyed())
        proxy.lose_answers_to("SELECT answer", times=1)
        reply = await ask(meter, key=live_key.secret, headers=keyed())
        assert code_of(reply) == (503, "recording_unavailable")
        assert taken(meter, live_key) == (0, 0, 0)
        again = await ask(meter, key=live_key.secret, headers=keyed())
        assert (again.body, inner.calls) == (b"work 1", 1)
        await meter.stop()


async def test_conflicts_in_a_flood_leak_nothing(
    start_keyed: StartMeter, live_key: Key, tables: Tables
) -> None:
    inner = Gate()
    meter = await start_keyed(inner, plans=lambda: plans(units=2))
    first = asyncio.create_task(ask(meter, key=live_key.secret, headers=keyed()))
    await inner.working.wait()
    for _ in range(30):
        assert (await ask(meter, key=live_key.secret, headers=keyed())).status == 409
    assert taken(meter, live_key) == (1, 1, 1)
    inner.go_on.set()
    assert (await first).status == 200
    assert taken(meter, live_key) == (0, 0, 0)
    assert (await tables.usage())[1] == 1


async def test_call_that_is_cancelled_while_it_claims_leaves_nothing(
    start_keyed: StartMeter, live_key: Key, tables: Tables, database_url: str
) -> None:
    meter = await start_keyed(counting())
    assert (await ask(meter, key=live_key.secret, headers=keyed("first"))).status == 201
    async with await psycopg.AsyncConnection.connect(database_url) as other:
        await other.execute('LOCK TABLE latchkey."IdempotencyRecord" IN EXCLUSIVE MODE')
        request = asyncio.create_task(ask(meter, key=live_key.secret, headers=keyed()))
        while not await tables.execute(f"SELECT pid {_WAITING}", "claim_keys"):
            assert not request.done()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
    await meter.stop()
    assert taken(meter, live_key) == (0, 0, 0)
    assert await records(tables) == [(True, True)]
    assert [row["statusCode"] for row in await tables.calls()] == [201, 499]


async def test_call_whose_api_key_is_deleted_meanwhile_fails_alone(
    start_keyed: StartMeter, live_key: Key, trial_key: Key, tables: Tables
) -> None:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["latchkey"].key_id == live_key.id:
            await tables.execute('DELETE FROM "ApiKeyMetadata"')
        await start(send)
        await body(send, b"")

    meter = await start_keyed(App(serve))
    bad, good = await asyncio.gather(
        ask(meter, key=live_key.secret, headers=keyed()),
        ask(meter, key=trial_key.secret, headers=keyed()),
    )
    assert (bad.status, good.status) == (503, 200)
    assert sorted(await records(tables)) == [(False, False), (True, True)]


async def test_stopping_finishes_and_keeps_what_is_in_work(
    start_keyed: StartMeter, live_key: Key, tables: Tables
) -> None:
    inner = Gate()
    meter = await start_keyed(inner)
    first = asyncio.create_task(ask(meter, key=live_key.secret, headers=keyed()))
    await inner.working.wait()
    stopping = asyncio.create_task(meter.stop())
    await asyncio.sleep(0)
    inner.go_on.set()
    assert (await first).status == 200
    await stopping
    assert await records(tables) == [(True, True)]


async def test_lease_that_cannot_be_renewed_now_is_renewed_later(
    start_keyed: StartMeter, live_key: Key, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    inner = Gate()
    meter = await start_keyed(inner, database_seconds=0.3)
    first = asyncio.create_task(ask(meter, key=live_key.secret, headers=keyed()))
    await inner.working.wait()
    async with await psycopg.AsyncConnection.connect(database_url) as other:
        await other.execute('LOCK TABLE latchkey."IdempotencyRecord" IN EXCLUSIVE MODE')
        await meter.once.claims.extend()
    assert "could not be renewed" in caplog.text
    caplog.clear()
    await meter.once.claims.extend()
    assert caplog.text == ""
    inner.go_on.set()
    assert (await first).status == 200
