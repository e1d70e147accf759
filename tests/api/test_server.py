"""The bounds of connections that take long, or many: on a server with other bounds than usual."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from app.api import server
from tests.api.served import served
from tests.faults.raw_client import connected, request_bytes

GET: dict[str, Any] = {"method": "GET", "target": "/x", "body": b""}
UPGRADE = (
    "connection: Upgrade",
    "upgrade: websocket",
    "sec-websocket-version: 13",
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
)
IDLE_SECONDS = 1
LARGE_BYTES = 64 * 1024 * 1024


class App:
    """Answers with the body that it was sent, or with a large one; notes how each call ended."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.faults: list[Any] = []
        self.disconnects = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        await self.may_answer.wait()
        message = {"more_body": True}
        body = b""
        while message.get("more_body"):
            message = await receive()
            if message["type"] == "http.disconnect":
                self.disconnects += 1
                return
            body += message["body"]
        self.bodies.append(body)
        self.faults.append(scope.get("latchkey.body_fault"))
        answer = bytes(LARGE_BYTES) if scope["path"] == "/large" else body
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": answer})


@pytest.fixture
async def app() -> App:
    return App()


@pytest.fixture
async def url(app: App) -> AsyncIterator[str]:
    async with served(app, timeout_keep_alive=IDLE_SECONDS) as address:
        yield address


@pytest.fixture
def bound(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets bounds of the protocol, by name."""

    def set_bounds(**bounds: float) -> None:
        for name, value in bounds.items():
            monkeypatch.setattr(server, name, value)

    return set_bounds


async def test_connection_beyond_the_most_is_told_to_come_back(
    url: str, bound: Callable[..., None]
) -> None:
    bound(MAX_CONNECTIONS=2)
    async with connected(url) as first, connected(url):
        async with connected(url) as third:
            refused = await third.answer()
            assert refused is not None
            assert (refused.status, refused.code) == (503, "too_many_connections")
            assert refused.headers["retry-after"] == "1"
            assert await third.is_closed()
        await first.send(request_bytes(None, **GET))
        served_still = await first.answer()
        assert served_still is not None
        assert served_still.status == 200


@pytest.mark.parametrize(
    ("begin", "status"),
    [(b"", None), (b"GET /x HT", 408), (b"GET /x HTTP/1.1\r\nhost: a\r\n", 408)],
)
async def test_head_that_does_not_come_is_not_waited_for(
    url: str, bound: Callable[..., None], begin: bytes, status: int | None
) -> None:
    bound(HEAD_SECONDS=0.3)
    async with connected(url) as connection:
        await connection.send(begin)
        began = time.monotonic()
        answer = await connection.answer()
        assert (answer.status if answer else None) == status
        assert 0.2 < time.monotonic() - began < 3
        assert await connection.is_closed()


async def test_slow_body_of_the_meter_is_a_fault_that_it_is_told(
    app: App, url: str, bound: Callable[..., None]
) -> None:
    bound(BODY_SECONDS=0.3)
    async with connected(url) as connection:
        await connection.send(request_bytes(None, target="/api/v1/x")[:-5])
        answer = await connection.answer()
        assert answer is not None
        assert answer.headers["connection"] == "close"
        assert await connection.is_closed()
    assert [fault.code for fault in app.faults] == ["request_timeout"]


async def test_slow_body_of_another_route_is_a_client_that_has_gone(
    app: App, url: str, bound: Callable[..., None]
) -> None:
    bound(BODY_SECONDS=0.3)
    async with connected(url) as connection:
        await connection.send(request_bytes(None, target="/auth/email")[:-5])
        assert await connection.answer() is None
    assert (app.bodies, app.disconnects) == ([], 1)


async def test_body_has_a_second_more_for_what_has_come(
    app: App, url: str, bound: Callable[..., None]
) -> None:
    bound(BODY_SECONDS=0.3, BODY_BYTES_A_SECOND=4)
    body = 20 * b"x"
    whole = request_bytes(None, target="/api/v1/x", body=body)
    async with connected(url) as connection:
        await connection.send(whole[:-20])
        for at in range(20):
            await connection.send(body[at : at + 1])
            await asyncio.sleep(0.05)  # a second in all, at five times the least pace
        answer = await connection.answer()
        assert answer is not None
        assert answer.body == body
    assert app.faults == [None]


async def test_request_that_waits_for_its_turn_is_not_too_slow(
    app: App, url: str, bound: Callable[..., None]
) -> None:
    bound(BODY_SECONDS=0.2, HEAD_SECONDS=0.2)
    app.may_answer.clear()
    two = 2 * request_bytes(None, target="/api/v1/x")
    async with connected(url) as connection:
        await connection.send(two[:-5])
        await asyncio.sleep(0.6)  # the second body is not read while the first request waits
        await connection.send(two[-5:])
        app.may_answer.set()
        answers = [await connection.answer() for _ in range(2)]
    assert [answer.status for answer in answers if answer] == [200, 200]
    assert app.faults == [None, None]


async def test_time_in_which_a_connection_is_not_read_is_not_the_clients(
    app: App, url: str, bound: Callable[..., None]
) -> None:
    bound(BODY_SECONDS=1.0)
    app.may_answer.clear()
    two = 2 * request_bytes(None, target="/api/v1/x")
    async with connected(url) as connection:
        await connection.send(two[:-5])
        await asyncio.sleep(1.8)
        app.may_answer.set()
        first = await connection.answer()
        await asyncio.sleep(0.5)  # of the second that it has from now on
        await connection.send(two[-5:])
        answers = [first, await connection.answer()]
    assert [answer.status for answer in answers if answer] == [200, 200]
    assert app.faults == [None, None]


async def test_client_that_does_not_read_is_not_waited_for(
    app: App, url: str, bound: Callable[..., None]
) -> None:
    bound(UNREAD_SECONDS=0.3)
    async with connected(url) as connection:
        connection.writer.transport.pause_reading()  # type: ignore[attr-defined]  # it reads too
        await connection.send(request_bytes(None, **{**GET, "target": "/large"}))
        await asyncio.sleep(1.5)
        connection.writer.transport.resume_reading()  # type: ignore[attr-defined]  # as above
        assert await connection.answer() is None


async def test_websocket_has_no_head_or_body_that_could_be_late(
    bound: Callable[..., None],
) -> None:
    bound(HEAD_SECONDS=0.1)
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
    async with served(_accept) as url, connected(url) as connection:
        await connection.send(request_bytes(None, *UPGRADE, **GET))
        answer = await connection.answer()
        assert answer is not None
        assert answer.status == 101
        assert not await connection.is_closed(seconds=0.3)
    assert faults == []


async def _accept(scope: Any, receive: Any, send: Any) -> None:
    while (await receive())["type"] == "websocket.connect":
        await send({"type": "websocket.accept"})


async def test_idle_connection_is_closed(url: str) -> None:
    async with connected(url) as connection:
        await connection.send(request_bytes(None, **GET))
        assert await connection.answer() is not None
        assert await connection.is_closed(seconds=IDLE_SECONDS + 2)
