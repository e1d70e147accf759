"""An answer leaves when its row is committed, and only then."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest

from app.metering.asgi import Message, Receive, Scope, Send
from tests.metering.apps import App, answering, body, start
from tests.metering.client import ask
from tests.metering.conftest import Key, StartMeter, Tables
from tests.metering.database_proxy import DatabaseProxy


async def test_call_is_recorded_under_its_request_id(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    reply = await ask(await start_meter(answering()), key=live_key.secret)
    [row] = await tables.calls()
    made_at = row.pop("createdAt").replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - made_at) < timedelta(seconds=5)
    assert UUID(row["id"]).int >> 80 == round(made_at.timestamp() * 1000)
    assert 0 <= row.pop("latencyMs") < 5000
    assert row == {
        "id": reply.request_id,
        "apiKeyId": live_key.id,
        "endpoint": "/api/v1/screen",
        "method": "POST",
        "statusCode": 200,
        "requestBody": None,
        "responseBody": None,
        "units": 1,
        "ownerId": live_key.owner_id,
    }


async def test_call_with_a_trial_key_is_recorded_apart(
    start_meter: StartMeter, trial_key: Key, tables: Tables
) -> None:
    reply = await ask(await start_meter(answering()), key=trial_key.secret)
    assert reply.status == 200
    [row] = await tables.trial_calls()
    assert (row["id"], row["apiKeyId"], row["ownerId"], row["units"]) == (
        reply.request_id,
        trial_key.id,
        trial_key.owner_id,
        1,
    )
    assert await tables.calls() == []


@pytest.mark.parametrize(
    ("method", "path", "status", "endpoint", "units"),
    [
        ("POST", "/api/v1/screen", 201, "/api/v1/screen", 1),
        ("POST", "/api/v1/screen", 304, "/api/v1/screen", 1),
        ("POST", "/api/v1/screen", 422, "/api/v1/screen", 0),
        ("POST", "/api/v1/screen", 500, "/api/v1/screen", 0),
        ("GET", "/api/v1/lists", 200, "/api/v1/lists", 0),
        ("GET", "/api/v1/dear/42", 200, "/api/v1/dear/{id}", 7),
        ("GET", "/api/v1/nowhere", 404, "(other)", 0),
    ],
)
async def test_row_and_answer_agree_on_what_was_charged(
    start_meter: StartMeter,
    live_key: Key,
    tables: Tables,
    method: str,
    path: str,
    status: int,
    endpoint: str,
    units: int,
) -> None:
    reply = await ask(await start_meter(answering(status)), method, path, key=live_key.secret)
    [row] = await tables.calls()
    assert (row["endpoint"], row["method"], row["statusCode"], row["units"]) == (
        endpoint,
        method,
        status,
        units,
    )
    assert reply.headers["x-units"] == str(units)


@pytest.mark.parametrize(("status", "units"), [(200, 12), (400, 0)])
async def test_app_sets_the_real_number_of_units(
    start_meter: StartMeter, live_key: Key, tables: Tables, status: int, units: int
) -> None:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        scope["latchkey"].reserve(12)
        await start(send, status)
        await body(send, b"")

    reply = await ask(await start_meter(App(serve)), key=live_key.secret)
    assert [row["units"] for row in await tables.calls()] == [units]
    assert reply.headers["x-units"] == str(units)


async def test_row_is_committed_before_the_first_byte_leaves(
    start_meter: StartMeter, live_key: Key, database_url: str
) -> None:
    seen: list[int] = []

    def look(message: Message) -> None:
        with psycopg.connect(database_url) as connection:
            [count] = connection.execute('SELECT count(*) FROM "ApiCall"').fetchone() or [0]
            seen.append(count)

    await ask(await start_meter(answering()), key=live_key.secret, on_message=look)
    assert seen == [1, 1]


async def test_failing_app_is_answered_recorded_and_logged(
    start_meter: StartMeter, live_key: Key, tables: Tables, caplog: pytest.LogCaptureFixture
) -> None:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        raise LookupError("only for the log")

    with caplog.at_level(logging.ERROR):
        reply = await ask(await start_meter(App(serve)), key=live_key.secret)
    assert (reply.status, reply.json()["code"]) == (500, "internal_error")
    assert b"only for the log" not in reply.body
    [row] = await tables.calls()
    assert (row["id"], row["statusCode"], row["units"]) == (reply.request_id, 500, 0)
    [record] = caplog.records
    assert reply.request_id in record.getMessage()
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], LookupError)


async def test_app_that_does_not_answer_is_an_internal_error(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)

    reply = await ask(await start_meter(App(serve)), key=live_key.secret)
    assert (reply.status, reply.json()["code"]) == (500, "internal_error")
    assert [row["statusCode"] for row in await tables.calls()] == [500]


async def test_work_after_the_answer_does_not_hold_it_and_may_fail(
    start_meter: StartMeter, live_key: Key, tables: Tables, caplog: pytest.LogCaptureFixture
) -> None:
    left: list[Message] = []

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"done")
        assert len(left) == 2
        raise LookupError("in the background")

    reply = await ask(await start_meter(App(serve)), key=live_key.secret, on_message=left.append)
    assert (reply.status, reply.body) == (200, b"done")
    assert [row["statusCode"] for row in await tables.calls()] == [200]
    assert "in the background" in caplog.text


async def test_work_for_a_client_that_went_away_is_recorded_and_charged(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    leaves = asyncio.Event()

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        leaves.set()
        await start(send)
        await body(send, b"done")

    reply = await ask(await start_meter(App(serve)), key=live_key.secret, leaves=leaves)
    assert reply.messages == []
    [row] = await tables.calls()
    assert (row["statusCode"], row["units"]) == (200, 1)


async def test_app_that_gives_up_when_its_client_left_is_recorded_and_free(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    leaves = asyncio.Event()

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        leaves.set()
        assert (await receive())["type"] == "http.disconnect"

    await ask(await start_meter(App(serve)), key=live_key.secret, leaves=leaves)
    [row] = await tables.calls()
    assert (row["statusCode"], row["units"]) == (499, 0)


async def test_call_that_the_server_cancels_is_recorded(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    working = asyncio.Event()

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        working.set()
        await asyncio.Event().wait()

    meter = await start_meter(App(serve))
    request = asyncio.create_task(ask(meter, key=live_key.secret))
    await working.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    await meter.stop()
    assert [row["statusCode"] for row in await tables.calls()] == [499]


async def test_lost_answer_to_a_commit_leaves_one_row_and_a_good_answer(
    start_meter: StartMeter, live_key: Key, tables: Tables, database_url: str
) -> None:
    inner = answering()
    async with DatabaseProxy(database_url) as proxy:
        meter = await start_meter(inner, proxy.url)
        proxy.lose_answers_to('INSERT INTO "ApiCall"', times=2)
        reply = await ask(meter, key=live_key.secret)
        assert (reply.status, proxy.answers_lost, inner.calls) == (200, 2, 1)
        assert [row["id"] for row in await tables.calls()] == [reply.request_id]
        await meter.stop()


async def test_answer_is_withheld_while_no_commit_is_confirmed(
    start_meter: StartMeter, live_key: Key, tables: Tables, database_url: str
) -> None:
    async with DatabaseProxy(database_url) as proxy:
        meter = await start_meter(answering(), proxy.url, database_seconds=0.5)
        proxy.lose_answers_to('INSERT INTO "ApiCall"', times=1000)
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
        async with asyncio.timeout(3):
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


async def test_call_without_a_place_is_refused_before_work(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    working, go_on = asyncio.Event(), asyncio.Event()

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        working.set()
        await go_on.wait()
        await start(send)
        await body(send, b"")

    inner = App(serve)
    meter = await start_meter(inner, places=1)
    first = asyncio.create_task(ask(meter, key=live_key.secret))
    await working.wait()
    refused = await ask(meter, key=live_key.secret)
    assert (refused.status, refused.json()["code"]) == (503, "recording_unavailable")
    assert refused.headers["retry-after"] == "1"
    assert inner.calls == 1
    go_on.set()
    assert (await first).status == 200
    assert (await ask(meter, key=live_key.secret)).status == 200
    assert refused.request_id not in [row["id"] for row in await tables.calls()]


async def test_places_come_back_after_every_kind_of_ending(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["query_string"] == b"fail":
            raise LookupError
        if scope["query_string"] != b"silent":
            await start(send)
            await body(send, b"")

    meter = await start_meter(App(serve), places=1)
    replies = [
        await ask(meter, key=live_key.secret, query=query)
        for query in ("fail", "silent", "", "fail", "")
    ]
    assert [reply.status for reply in replies] == [500, 500, 200, 500, 200]
    assert len(await tables.calls()) == 5


async def test_stopping_finishes_the_calls_in_work_and_takes_no_others(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    working, go_on = asyncio.Event(), asyncio.Event()

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        working.set()
        await go_on.wait()
        await start(send)
        await body(send, b"")

    meter = await start_meter(App(serve))
    first = asyncio.create_task(ask(meter, key=live_key.secret))
    await working.wait()
    stopping = asyncio.create_task(meter.stop())
    await asyncio.sleep(0)
    assert (await ask(meter, key=live_key.secret)).status == 503
    go_on.set()
    assert (await first).status == 200
    await stopping
    assert [row["statusCode"] for row in await tables.calls()] == [200]


async def test_call_before_the_start_is_refused(live_key: Key, database_url: str) -> None:
    from app.metering.meter import Meter

    meter = Meter(answering(), database_url=lambda: database_url, max_body_bytes=1)
    assert (await ask(meter, key=live_key.secret)).status == 503
