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
