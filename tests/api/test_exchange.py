"""The short way of whole answers: framed by their length, on the wire as one message."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app.metering.asgi import EXCHANGE, Headers
from tests.api.served import served
from tests.faults.raw_client import connected, request_bytes

GET: dict[str, Any] = {"method": "GET", "target": "/x", "body": b""}
Serve = Callable[[Any, Any, Any], Awaitable[None]]


def whole(headers: Headers, body: bytes = b"hello", *, status: int = 200) -> Serve:
    """Hands the answer over, and returns before it leaves; by `send` if that cannot be."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        exchange = scope["extensions"][EXCHANGE]
        assert exchange.take_body() == b""
        head = exchange.frame(status, headers, len(body))
        if head is None:
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            return
        exchange.promise()
        loop = asyncio.get_running_loop()
        loop.call_later(0.01, exchange.respond, head, b"x-late: yes\r\n", body)

    return app


async def test_promised_answer_leaves_after_its_app_has_ended() -> None:
    async with served(whole([(b"X-One", b"1")])) as url, connected(url) as connection:
        for _ in range(3):  # and the connection lives on
            await connection.send(request_bytes("", **GET))
            answer = await connection.answer()
            assert answer is not None
            assert (answer.status, answer.body) == (200, b"hello")
            assert answer.headers["content-length"] == "5"
            assert (answer.headers["x-one"], answer.headers["x-late"]) == ("1", "yes")
            assert "date" in answer.headers


async def test_promised_answers_of_a_pipeline_keep_their_order() -> None:
    async with served(whole([])) as url, connected(url) as connection:
        await connection.send(5 * request_bytes("", **GET))
        answers = [await connection.answer() for _ in range(5)]
    assert [answer and answer.body for answer in answers] == [b"hello"] * 5


@pytest.mark.parametrize("status", [204, 304])
async def test_answer_without_a_body_goes_the_long_way(status: int) -> None:
    async with served(whole([], b"", status=status)) as url, connected(url) as connection:
        await connection.send(request_bytes("", **GET))
        answer = await connection.answer()
    assert answer is not None
    assert (answer.status, "x-late" in answer.headers) == (status, False)


@pytest.mark.parametrize(
    "headers",
    [
        [(b"connection", b"close"), (b"content-length", b"5")],
        [(b"transfer-encoding", b"chunked")],
    ],
)
async def test_answer_framed_otherwise_goes_the_long_way(headers: Headers) -> None:
    async with served(whole(headers)) as url, connected(url) as connection:
        await connection.send(request_bytes("", **GET))
        answer = await connection.answer()
    assert answer is not None
    assert (answer.body, "x-late" in answer.headers) == (b"hello", False)


@pytest.mark.parametrize("header", [(b"a b", b"1"), (b"a", b"1\r\nb: 2"), (b"a\n", b"1")])
async def test_header_that_is_none_reaches_nobody(header: tuple[bytes, bytes]) -> None:
    async with served(whole([header])) as url, connected(url) as connection:
        await connection.send(request_bytes("", **GET))
        answer = await connection.answer()
    assert answer is not None
    assert answer.status == 500


async def test_last_answer_says_that_it_is_the_last() -> None:
    async with served(whole([])) as url, connected(url) as connection:
        await connection.send(b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await connection.answer()
        assert answer is not None
        assert answer.headers["connection"] == "close"
        assert await connection.is_closed()


async def test_client_that_reads_nothing_is_handed_nothing_over() -> None:
    held: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        exchange = scope["extensions"][EXCHANGE]
        held.append(exchange.is_writable)
        if not exchange.is_writable:
            return  # uvicorn then closes the connection
        large = bytes(4 * 1024 * 1024)
        head = exchange.frame(200, [], len(large))
        exchange.promise()
        exchange.respond(head, b"", large)

    async with served(app) as url, connected(url) as connection:
        await connection.send(20 * request_bytes("", **GET))
        async with asyncio.timeout(10):
            while False not in held:  # noqa: ASYNC110  # it can only be asked
                await asyncio.sleep(0.01)
    assert len(held) < 20
