"""Small answers wait whole for their row; large and streamed ones only with their first part."""

import asyncio
import logging
import time
from collections.abc import Callable

import psycopg
import pytest

from app.metering import call, meter
from app.metering.answer import HELD_BYTES
from app.metering.asgi import Message, Receive, Scope, Send
from tests.metering.apps import App, body, start
from tests.metering.client import Reply, ask
from tests.metering.conftest import Key, StartMeter, Tables


def in_parts(parts: list[bytes], between: Callable[[int], None], **headers: str) -> App:
    """Answers with these parts, then an empty last one; calls `between` after each."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, **headers)
        for number, part in enumerate(parts):
            await body(send, part, more=True)
            between(number)
        await body(send, b"")

    return App(serve)


async def left_after_each_part(
    start_meter: StartMeter, key: Key, parts: list[bytes], **headers: str
) -> tuple[Reply, list[int]]:
    """The answer, and how many messages had left when each part was given."""
    left: list[Message] = []
    counts: list[int] = []
    inner = in_parts(parts, lambda number: counts.append(len(left)), **headers)
    reply = await ask(await start_meter(inner), key=key.secret, on_message=left.append)
    assert reply.body == b"".join(parts)
    return reply, counts


async def test_small_answer_in_parts_is_held_whole(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    parts = [b"a" * 30_000, b"b" * 30_000]
    reply, counts = await left_after_each_part(start_meter, live_key, parts, content_length="60000")
    assert counts == [0, 0]
    assert len(reply.messages) == 2
    assert len(await tables.calls()) == 1


@pytest.mark.parametrize(
    "headers",
    [{}, {"content_length": str(2 * HELD_BYTES)}],
    ids=["no length", "a large length"],
)
async def test_streamed_answer_leaves_part_by_part(
    start_meter: StartMeter, live_key: Key, headers: dict[str, str]
) -> None:
    parts = [b"a" * HELD_BYTES, b"b" * HELD_BYTES]
    _, counts = await left_after_each_part(start_meter, live_key, parts, **headers)
    assert counts == [2, 3]


async def test_answer_that_outgrows_its_declared_length_is_not_held_for_ever(
    start_meter: StartMeter, live_key: Key
) -> None:
    parts = [b"a" * HELD_BYTES, b"b"]
    _, counts = await left_after_each_part(start_meter, live_key, parts, content_length="1")
    assert counts == [0, 2]


async def test_large_answer_in_one_part_leaves_whole(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"x" * 1_000_000)

    reply = await ask(await start_meter(App(serve)), key=live_key.secret)
    assert len(reply.body) == 1_000_000
    assert len(await tables.calls()) == 1


class Watch:
    """The time that calls are measured by; it stands still unless a test moves it."""

    def __init__(self) -> None:
        self.seconds = time.monotonic()

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch = Watch()
    for module in (meter, call):
        monkeypatch.setattr(module, "time", watch)
    return watch


async def test_streamed_call_is_recorded_before_its_first_byte_and_its_latency_follows(
    start_meter: StartMeter, live_key: Key, tables: Tables, database_url: str, watch: Watch
) -> None:
    first_row: list[tuple[int, int, int]] = []

    def look(message: Message) -> None:
        if message["type"] == "http.response.start":
            with psycopg.connect(database_url) as connection:
                first_row.extend(
                    connection.execute('SELECT "statusCode", units, "latencyMs" FROM "ApiCall"')
                )

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        watch.seconds += 0.125
        await start(send)
        await body(send, b"first", more=True)
        watch.seconds += 0.25
        await body(send, b"last")

    await ask(await start_meter(App(serve)), key=live_key.secret, on_message=look)
    assert first_row == [(200, 1, 125)]
    assert [row["latencyMs"] for row in await tables.calls()] == [375]


async def test_stream_that_breaks_is_cut_off_and_stays_recorded(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    left: list[Message] = []

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"first", more=True)
        raise LookupError("in the middle")

    meter = await start_meter(App(serve), places=1)
    with pytest.raises(LookupError):
        await ask(meter, key=live_key.secret, on_message=left.append)
    assert [message.get("more_body") for message in left] == [None, True]
    assert [row["statusCode"] for row in await tables.calls()] == [200]


async def test_stream_whose_client_leaves_ends_quietly(
    start_meter: StartMeter, live_key: Key, tables: Tables, caplog: pytest.LogCaptureFixture
) -> None:
    leaves = asyncio.Event()

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"first", more=True)
        leaves.set()
        await body(send, b"second", more=True)
        raise AssertionError("the app was not told")

    with caplog.at_level(logging.WARNING):
        await ask(await start_meter(App(serve)), key=live_key.secret, leaves=leaves)
    assert caplog.records == []
    assert [row["statusCode"] for row in await tables.calls()] == [200]


async def test_open_stream_takes_no_place(start_meter: StartMeter, live_key: Key) -> None:
    streaming, go_on = asyncio.Event(), asyncio.Event()

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        if scope["query_string"] == b"stream":
            await body(send, b"first", more=True)
            streaming.set()
            await go_on.wait()
        await body(send, b"last")

    meter = await start_meter(App(serve), places=1)
    stream = asyncio.create_task(ask(meter, key=live_key.secret, query="stream"))
    await streaming.wait()
    assert (await ask(meter, key=live_key.secret)).status == 200
    go_on.set()
    assert (await stream).body == b"firstlast"


async def test_answer_to_head_with_a_large_length_has_no_body(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, content_length="1000000")
        await body(send, b"")

    reply = await ask(await start_meter(App(serve)), "HEAD", "/api/v1/lists", key=live_key.secret)
    assert (reply.status, reply.body) == (200, b"")
    assert reply.headers["content-length"] == "1000000"
    [row] = await tables.calls()
    assert (row["method"], row["endpoint"], row["units"]) == ("HEAD", "/api/v1/lists", 0)


async def test_body_before_its_status_is_an_internal_error(
    start_meter: StartMeter, live_key: Key
) -> None:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await body(send, b"too early")

    reply = await ask(await start_meter(App(serve)), key=live_key.secret)
    assert (reply.status, reply.json()["code"]) == (500, "internal_error")
