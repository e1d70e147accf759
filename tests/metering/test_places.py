"""A call has a place before its work, or is refused; stopping waits for the places taken."""

import asyncio

from app.metering.asgi import Receive, Scope, Send
from app.metering.meter import Meter
from tests.metering.apps import App, answering, body, start
from tests.metering.client import ask
from tests.metering.conftest import Key, StartMeter, Tables


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
    meter = Meter(answering(), database_url=lambda: database_url, max_body_bytes=1)
    assert (await ask(meter, key=live_key.secret)).status == 503
