"""The proxy's streams, connections and patience; and an upstream that misbehaves."""

import asyncio
import socket
import tracemalloc
from collections.abc import AsyncIterator

import pytest

from app.metering import relay
from app.metering.answer import HELD_BYTES
from tests.metering.client import ask
from tests.metering.conftest import Key, StartMeter, Tables
from tests.metering.upstream import (
    CHUNKED,
    Received,
    Respond,
    UpstreamServer,
    chunk,
    get,
    http,
    listening,
    proxy_to,
)

PATH = "/api/v1/x"
END = b"0\r\n\r\n"


@pytest.fixture
async def upstream() -> AsyncIterator[UpstreamServer]:
    async with UpstreamServer().running() as server:
        yield server


def writing(*parts: bytes) -> Respond:
    """Answers with these bytes and closes."""

    async def respond(received: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"".join(parts))
        writer.close()

    return respond


async def silence(received: Received, writer: asyncio.StreamWriter) -> None:
    await received.until_gone()


# Streams


async def test_first_part_arrives_before_the_last_is_sent(
    start_meter: StartMeter, upstream: UpstreamServer, live_key: Key, tables: Tables
) -> None:
    first_arrived = asyncio.Event()

    async def respond(received: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + chunk(b"first"))
        await asyncio.wait_for(first_arrived.wait(), 10)
        writer.write(chunk(b"last") + END)

    upstream.respond = respond
    meter = await start_meter(proxy_to(upstream.url))
    seen = bytearray()

    def look(message: object) -> None:
        seen.extend(message.get("body", b""))  # type: ignore[attr-defined]  # an ASGI message
        if seen == b"first":
            first_arrived.set()

    reply = await ask(meter, key=live_key.secret, on_message=look)
    assert reply.body == b"firstlast"
    assert [row["statusCode"] for row in await tables.calls()] == [200]


async def test_answer_in_chunks_that_is_there_at_once_passes_as_a_small_one(
    upstream: UpstreamServer,
) -> None:
    upstream.answer = CHUNKED + chunk(b"all of it") + END
    reply = await ask(proxy_to(upstream.url), path=PATH)
    assert [message.get("body") for message in reply.messages] == [None, b"all of it"]


async def test_large_answer_passes_in_constant_memory(upstream: UpstreamServer) -> None:
    part, count = bytes(HELD_BYTES), 1500

    async def respond(received: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED)
        for _ in range(count):
            writer.write(chunk(part))
            await writer.drain()
        writer.write(END)

    upstream.respond = respond
    async with listening(proxy_to(upstream.url)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /api/v1/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        tracemalloc.start()
        passed = 0
        while some := await reader.read(HELD_BYTES):
            passed += len(some)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        writer.close()
    assert passed > count * len(part)
    assert most < 8 * 1024 * 1024


async def test_slow_client_slows_the_upstream_down(upstream: UpstreamServer) -> None:
    written = 0
    part = bytes(HELD_BYTES)
    blocked = asyncio.Event()

    async def respond(received: Received, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(CHUNKED)
        for _ in range(1000):
            writer.write(chunk(part))
            written += 1
            try:
                await asyncio.wait_for(writer.drain(), 1)
            except TimeoutError:
                blocked.set()
                await writer.drain()
        writer.write(END)

    upstream.respond = respond
    async with listening(proxy_to(upstream.url)) as port:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, HELD_BYTES)
            client.connect(("127.0.0.1", port))
            client.sendall(b"GET /api/v1/x HTTP/1.1\r\nHost: a\r\n\r\n")
            await asyncio.wait_for(blocked.wait(), 20)
    assert written < 500


# Faults


async def test_refused_connection_is_an_upstream_error(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        meter = await start_meter(proxy_to(f"http://127.0.0.1:{unused.getsockname()[1]}"))
        reply = await ask(meter, key=live_key.secret)
    assert (reply.status, reply.json()["code"]) == (502, "upstream_error")
    assert reply.headers["content-type"] == "application/problem+json"
    [row] = await tables.calls()
    assert (row["statusCode"], row["units"]) == (502, 0)
    assert reply.json()["request_id"] == reply.request_id == row["id"]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\x01b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\nContent-Length: 0\r\n\r\n",
        CHUNKED,
        CHUNKED + chunk(b"cut"),
        CHUNKED + b"zz\r\n",
    ],
    ids=range(14),
)
async def test_what_is_no_whole_answer_is_an_upstream_error(
    answer: bytes, upstream: UpstreamServer
) -> None:
    upstream.respond = writing(answer)
    async with listening(proxy_to(upstream.url)) as port:
        reply = await get(port, b"/api/v1/x")
    assert reply.startswith(b"HTTP/1.1 502")
    assert b'"code":"upstream_error"' in reply


async def test_client_notices_a_stream_that_the_upstream_cuts(
    start_meter: StartMeter, upstream: UpstreamServer, live_key: Key, tables: Tables
) -> None:
    first_arrived = asyncio.Event()

    async def respond(received: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + chunk(b"first"))
        await asyncio.wait_for(first_arrived.wait(), 10)
        writer.close()

    upstream.respond = respond
    async with listening(await start_meter(proxy_to(upstream.url))) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"GET /api/v1/x HTTP/1.1\r\nHost: a\r\nX-API-Key: %b\r\n\r\n" % live_key.secret.encode()
        )
        await reader.readuntil(b"first\r\n")
        first_arrived.set()
        assert await reader.read() == b"", "closed, without the end of the chunks"
        writer.close()
    assert [row["statusCode"] for row in await tables.calls()] == [200]


async def test_silent_upstream_is_a_timeout(
    start_meter: StartMeter, upstream: UpstreamServer, live_key: Key, tables: Tables
) -> None:
    upstream.respond = silence
    meter = await start_meter(proxy_to(upstream.url, read=0.05))
    reply = await ask(meter, key=live_key.secret)
    assert (reply.status, reply.json()["code"]) == (504, "upstream_timeout")
    [row] = await tables.calls()
    assert (row["statusCode"], row["units"]) == (504, 0)
    await upstream.gone.wait()


async def test_small_answer_that_drips_is_a_timeout(upstream: UpstreamServer) -> None:
    async def respond(received: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
        while True:
            writer.write(b".")
            await asyncio.sleep(0.02)

    upstream.respond = respond
    reply = await ask(proxy_to(upstream.url, read=0.2), path=PATH)
    assert (reply.status, reply.json()["code"]) == (504, "upstream_timeout")


async def test_connection_that_is_not_taken_is_a_timeout() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        reply = await ask(proxy_to(url, connect=0.1, read=0.3), path=PATH)
        for one in waiting:
            one.close()
    assert reply.json()["code"] == "upstream_timeout"


async def test_full_upstream_is_waited_for_boundedly(upstream: UpstreamServer) -> None:
    upstream.respond = silence
    proxy = proxy_to(upstream.url, connect=0.5, connections=1)
    first = asyncio.create_task(ask(proxy, path=PATH))
    await asyncio.wait_for(upstream.asked.wait(), 10)
    reply = await ask(proxy, path=PATH)
    assert (reply.status, reply.json()["code"]) == (504, "upstream_timeout")
    assert len(upstream.requests) == 1
    first.cancel()


@pytest.mark.parametrize("begun", [False, True], ids=["before", "amid"])
async def test_client_that_goes_away_ends_the_request_at_the_upstream(
    begun: bool, start_meter: StartMeter, upstream: UpstreamServer, live_key: Key, tables: Tables
) -> None:
    leaves = asyncio.Event()

    async def respond(received: Received, writer: asyncio.StreamWriter) -> None:
        if begun:
            writer.write(CHUNKED + chunk(b"first"))
            await writer.drain()
        else:
            leaves.set()
        await received.until_gone()

    upstream.respond = respond

    def look(message: object) -> None:
        leaves.set()

    meter = await start_meter(proxy_to(upstream.url, read=60), places=1)
    asking = ask(meter, key=live_key.secret, leaves=leaves, on_message=look)
    await asyncio.wait_for(asking, 10)
    await asyncio.wait_for(upstream.gone.wait(), 10)
    [row] = await tables.calls()
    assert row["statusCode"] == (200 if begun else 499)
    assert row["units"] == (1 if begun else 0)


# Connections


async def test_one_connection_serves_many_requests(upstream: UpstreamServer) -> None:
    proxy = proxy_to(upstream.url)
    for _ in range(20):
        assert (await ask(proxy, path=PATH)).status == 200
    await asyncio.gather(*(ask(proxy, path=PATH) for _ in range(5)))
    assert len(upstream.requests) == 25
    assert upstream.accepted <= 5


async def test_connection_whose_answer_was_broken_off_is_not_used_again(
    upstream: UpstreamServer,
) -> None:
    upstream.respond = silence
    proxy = proxy_to(upstream.url, read=0.05)
    assert (await ask(proxy, path=PATH)).status == 504
    upstream.respond = None
    assert (await ask(proxy, path=PATH)).status == 200
    assert upstream.accepted == 2


@pytest.mark.parametrize(("method", "status", "seen"), [("GET", 200, 3), ("POST", 502, 2)])
async def test_only_what_may_be_repeated_is_sent_again_when_a_kept_connection_closes(
    method: str, status: int, seen: int, upstream: UpstreamServer
) -> None:
    async def respond(received: Received, writer: asyncio.StreamWriter) -> None:
        if len(upstream.requests) == 2:
            writer.close()
        else:
            writer.write(http())

    upstream.respond = respond
    proxy = proxy_to(upstream.url)
    await ask(proxy, "GET", PATH)
    assert (await ask(proxy, method, PATH)).status == status
    assert len(upstream.requests) == seen


async def test_request_is_not_sent_again_on_a_second_new_connection(
    upstream: UpstreamServer,
) -> None:
    upstream.respond = writing(b"")
    assert (await ask(proxy_to(upstream.url), "GET", PATH)).status == 502
    assert len(upstream.requests) == 1


async def test_closed_idle_connection_is_noticed_before_the_request(
    upstream: UpstreamServer,
) -> None:
    async def respond(received: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(http())
        await writer.drain()
        writer.close()

    upstream.respond = respond
    proxy = proxy_to(upstream.url)
    assert (await ask(proxy, "POST", PATH)).status == 200
    await upstream.gone.wait()
    assert (await ask(proxy, "POST", PATH)).status == 200
    assert upstream.accepted == 2


async def test_connections_are_closed_at_the_end(
    start_meter: StartMeter, upstream: UpstreamServer, live_key: Key
) -> None:
    meter = await start_meter(proxy_to(upstream.url))
    await ask(meter, key=live_key.secret)
    assert not upstream.gone.is_set()
    await meter.stop()
    await asyncio.wait_for(upstream.gone.wait(), 10)


async def test_cancelling_from_elsewhere_is_not_taken_for_a_client_that_left() -> None:
    async def never() -> dict[str, str]:
        await asyncio.Event().wait()
        return {}

    async def work() -> None:
        async with relay.while_client_waits(never):  # type: ignore[arg-type]  # it never returns
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
