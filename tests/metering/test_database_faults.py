"""What callers get, and what is recorded, while the database is lost, silent, slow or away."""

import asyncio

import psycopg

from app.metering.asgi import Receive, Scope, Send
from tests.metering.apps import App, answering, body, start
from tests.metering.client import ask
from tests.metering.conftest import Key, StartMeter, Tables
from tests.metering.database_proxy import WRITING_CALLS, DatabaseProxy


async def test_lost_answer_to_a_commit_leaves_one_row_and_a_good_answer(
    start_meter: StartMeter, live_key: Key, tables: Tables, database_url: str
) -> None:
    inner = answering()
    async with DatabaseProxy(database_url) as proxy:
        meter = await start_meter(inner, proxy.url)
        proxy.lose_answers_to(WRITING_CALLS, times=2)
        reply = await ask(meter, key=live_key.secret)
        assert (reply.status, proxy.answers_lost, inner.calls) == (200, 2, 1)
        assert [row["id"] for row in await tables.calls()] == [reply.request_id]
        await meter.stop()


async def test_answer_is_withheld_while_no_commit_is_confirmed(
    start_meter: StartMeter, live_key: Key, tables: Tables, database_url: str
) -> None:
    async with DatabaseProxy(database_url) as proxy:
        meter = await start_meter(answering(), proxy.url, database_seconds=0.5)
        proxy.lose_answers_to(WRITING_CALLS, times=1000)
        reply = await ask(meter, key=live_key.secret)
        assert (reply.status, reply.json()["code"]) == (503, "recording_unavailable")
        assert "outcome is unknown" in reply.json()["detail"]
        assert reply.headers["retry-after"] == "1"
        assert [row["id"] for row in await tables.calls()] == [reply.request_id]
        await meter.stop()


async def test_call_is_refused_before_work_while_the_database_is_silent(
    start_meter: StartMeter, live_key: Key, database_url: str
) -> None:
    inner = answering()
    async with DatabaseProxy(database_url) as proxy:
        meter = await start_meter(inner, proxy.url, database_seconds=0.5)
        assert await meter.is_ready()
        proxy.fall_silent()
        async with asyncio.timeout(2):
            reply = await ask(meter, key=live_key.secret)
        assert (reply.status, reply.json()["code"]) == (503, "recording_unavailable")
        assert "before any work" in reply.json()["detail"]
        assert inner.calls == 0
        assert not await meter.is_ready()


async def test_calls_go_on_after_the_databases_restart(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    meter = await start_meter(answering())
    for _ in range(3):
        assert (await ask(meter, key=live_key.secret)).status == 200
        await tables.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert (await ask(meter, key=live_key.secret)).status == 200
    assert len(await tables.calls()) == 4


async def test_calls_go_on_soon_after_the_database_is_back(
    start_meter: StartMeter, live_key: Key, tables: Tables, database_url: str
) -> None:
    async with DatabaseProxy(database_url) as proxy:
        meter = await start_meter(answering(), proxy.url, database_seconds=1.5)
        assert (await ask(meter, key=live_key.secret)).status == 200
        proxy.go_away()
        for _ in range(3):
            assert (await ask(meter, key=live_key.secret)).status == 503
        proxy.come_back()
        async with asyncio.timeout(2):
            while (await ask(meter, key=live_key.secret)).status == 503:
                pass
        assert len(await tables.calls()) == 2
        await meter.stop()


async def test_row_that_the_database_keeps_waiting_gets_503_in_bounded_time(
    start_meter: StartMeter, live_key: Key, tables: Tables, database_url: str
) -> None:
    meter = await start_meter(answering(), database_seconds=0.5)
    async with await psycopg.AsyncConnection.connect(database_url) as other:
        await other.execute('LOCK TABLE "ApiCall" IN EXCLUSIVE MODE')
        async with asyncio.timeout(2):
            reply = await ask(meter, key=live_key.secret)
    assert "outcome is unknown" in reply.json()["detail"]
    assert (await ask(meter, key=live_key.secret)).status == 200


async def test_call_whose_key_is_deleted_meanwhile_gets_503_and_the_next_ones_work(
    start_meter: StartMeter, live_key: Key, trial_key: Key, tables: Tables
) -> None:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await tables.execute('DELETE FROM "ApiKeyMetadata"')
        await start(send)
        await body(send, b"")

    meter = await start_meter(App(serve))
    assert (await ask(meter, key=live_key.secret)).status == 503
    assert (await ask(meter, key=trial_key.secret)).status == 200
