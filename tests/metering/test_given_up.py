"""Whoever sends an answer gives up on it: one row, nothing reserved, no second answer."""

import asyncio
import hashlib
import time
from typing import Any

import psycopg
import pytest

from app.metering.asgi import Receive, Scope, Send
from app.metering.meter import Meter
from tests.metering.apps import App, body, start
from tests.metering.client import ask
from tests.metering.conftest import Key, StartMeter, Tables

LOCK = 'LOCK TABLE "ApiCall" IN ACCESS EXCLUSIVE MODE'


def reserved(meter: Meter, key: Key) -> tuple[int, int]:
    """Units reserved, and places taken, of this key."""
    grant = meter.keys.known(hashlib.sha256(key.secret.encode()).digest(), time.monotonic())
    assert grant is not None
    return grant.quota.reserved, grant.in_work


@pytest.mark.parametrize("leaves", [True, False])
async def test_send_that_is_cancelled_while_its_row_is_written_writes_no_other(
    start_meter: StartMeter, live_key: Key, tables: Tables, database_url: str, leaves: bool
) -> None:
    gone = asyncio.Event()

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        with psycopg.connect(database_url) as other:  # so that the row has to wait
            other.execute(LOCK)
            sending = asyncio.create_task(body(send, b"{}"))
            for _ in range(5):
                await asyncio.sleep(0)
            sending.cancel()
            await asyncio.wait({sending})
            assert sending.cancelled()
        if leaves:
            gone.set()
            await receive()

    meter = await start_meter(App(serve))
    reply = await ask(meter, key=live_key.secret, leaves=gone)
    assert [message["type"] for message in reply.messages[:1]] == (
        [] if leaves else ["http.response.start"]
    )
    if not leaves:
        assert (reply.status, reply.json()["code"]) == (503, "recording_unavailable")
        assert "outcome is unknown" in reply.json()["detail"]
    async with asyncio.timeout(10):
        while not (calls := await tables.calls()):  # noqa: ASYNC110  # it can only be asked
            await asyncio.sleep(0.01)
    assert [(call["statusCode"], call["units"]) for call in calls] == [(200, 1)]
    await meter.recorder.drain(seconds=5)
    assert reserved(meter, live_key) == (0, 0)
    assert await tables.usage() == (1, 1, 1, 1)


async def test_stream_that_is_cancelled_is_marked(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    has_begun = asyncio.Event()

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"first", more=True)
        has_begun.set()
        await asyncio.Event().wait()

    meter = await start_meter(App(serve))
    asking = asyncio.create_task(ask(meter, key=live_key.secret))
    await has_begun.wait()
    asking.cancel()
    await asyncio.wait({asking})
    await meter.stop()
    [call] = await tables.calls()
    notes = await tables.execute('SELECT "callId", aborted FROM latchkey."CallNote"')
    assert notes == [{"callId": call["id"], "aborted": True}]


@pytest.mark.parametrize("headers", [None, iter([(b"x-one", b"1")])])
async def test_headers_may_be_left_out_or_be_read_once_only(
    start_meter: StartMeter, live_key: Key, headers: Any
) -> None:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        message = {"type": "http.response.start", "status": 200}
        await send(message if headers is None else {**message, "headers": headers})
        await body(send, b"{}")

    reply = await ask(await start_meter(App(serve)), key=live_key.secret)
    assert reply.status == 200
    assert reply.headers.get("x-one") == (None if headers is None else "1")
