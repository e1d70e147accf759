"""What is no proper request gets the right problem, or a closed connection, and costs nothing."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from app.api.server import MAX_DROPPED_BYTES, MAX_PIPELINED
from tests.faults.limitless import Place, running_place
from tests.faults.raw_client import Answer, RawConnection, ask_raw, connected, request_bytes

TIMES = int(os.environ.get("FAULT_COUNT", "3"))
MORE_MEMORY_BYTES = 48 * 1024 * 1024
"""What bad input may leave behind in the process: buffers, and what Python keeps for later."""

BODY = b'{"name": "Jane Doe"}'
MiB = 1024 * 1024


@pytest.fixture(scope="module")
def place(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with running_place(postgres, tmp_path_factory.mktemp("bad"), "rude") as running:
        yield running


@pytest.fixture
def rude(place: Place) -> str:
    return place.secret("rude")


@pytest.fixture
async def memory(
    place: Place, report: Callable[[str], None]
) -> AsyncIterator[Callable[[str], Any]]:
    """Notes the process's memory, and at the end says and checks how much it has grown."""
    await ask_raw(place.url, request_bytes(place.secret("rude")))
    before = place.api.memory_bytes()
    names: list[str] = []
    yield names.append
    grown = place.api.memory_bytes() - before
    report(f"{', '.join(names)}: memory {before / MiB:.0f} MiB, {grown / MiB:+.1f} MiB")
    assert grown < MORE_MEMORY_BYTES


def chunked(*rest: bytes, headers: tuple[str, ...] = ()) -> Callable[[str], bytes]:
    """A request whose body comes in these chunks, written out."""
    more = ("transfer-encoding: chunked", "content-type: application/json", *headers)
    return lambda secret: request_bytes(secret, *more, body=b"") + b"".join(rest)


def unusual(*headers: str, **changes: Any) -> Callable[[str], bytes]:
    """An ordinary request but for this."""
    return lambda secret: request_bytes(secret, *headers, **changes)


GET: dict[str, Any] = {"method": "GET", "target": "/api/v1/lists", "body": b""}
WHOLE_CHUNK = b"14\r\n" + BODY + b"\r\n"
LAST_CHUNK = b"0\r\n\r\n"

CUT_OFF: dict[str, tuple[Callable[[str], bytes], int, str, bool]] = {
    # what is sent, the status and code of the answer, whether it is recorded
    "a header of 70 kB": (unusual("a: " + 70_000 * "x"), 431, "headers_too_large", False),
    "a header of 300 kB": (unusual("a: " + 300_000 * "x"), 431, "headers_too_large", False),
    "20,000 headers": (
        unusual(*[f"a{number}: x" for number in range(20_000)]),
        431,
        "headers_too_large",
        False,
    ),
    "a query of 70 kB": (
        unusual(target="/api/v1/screen?" + 70_000 * "q"),
        431,
        "headers_too_large",
        False,
    ),
    "bytes that are no text in the path": (
        unusual(**{**GET, "target": "/api/v1/\xff\xfe"}),
        400,
        "bad_request",
        False,
    ),
    "bytes that are no text in the query": (
        unusual(**{**GET, "target": "/api/v1/lists?q=\xff"}),
        400,
        "bad_request",
        False,
    ),
    "NUL in a header": (unusual("a: b\x00c"), 400, "bad_request", False),
    "NUL in the path": (unusual(target="/api/v1/screen\x00"), 400, "bad_request", False),
    "a folded header": (unusual("a: b\r\n c"), 400, "bad_request", False),
    "a space before a colon": (unusual("a : b"), 400, "bad_request", False),
    "two lengths": (unusual("content-length: 3"), 400, "bad_request", False),
    "a length and chunks": (
        chunked(WHOLE_CHUNK, LAST_CHUNK, headers=("content-length: 20",)),
        400,
        "bad_request",
        False,
    ),
    "a length that is no number": (
        unusual("content-length: +3", has_length=False),
        400,
        "bad_request",
        False,
    ),
    "a negative length": (
        unusual("content-length: -1", has_length=False),
        400,
        "bad_request",
        False,
    ),
    "a length beyond all numbers": (
        unusual("content-length: " + 30 * "9", has_length=False),
        400,
        "bad_request",
        False,
    ),
    "an unknown transfer coding": (
        unusual("transfer-encoding: xchunked", has_length=True),
        400,
        "bad_request",
        False,
    ),
    "a method that nobody knows": (unusual(method="FOO", body=b""), 400, "bad_request", False),
    "a method in small letters": (unusual(method="get", body=b""), 400, "bad_request", False),
    "CONNECT": (unusual(method="CONNECT", target="a:443", body=b""), 400, "bad_request", False),
    "a full address without a path": (
        unusual(target="http://elsewhere.example"),
        400,
        "bad_request",
        False,
    ),
    "HTTP/2 without asking": (
        lambda _: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        400,
        "bad_request",
        False,
    ),
    "TLS": (lambda _: bytes.fromhex("16030100c8010000c40303"), 400, "bad_request", False),
    "a chunk size that is no number": (chunked(b"zz\r\nabc\r\n"), 400, "bad_request", True),
    "a chunk longer than its size": (chunked(b"3\r\nabcdef\r\n"), 400, "bad_request", True),
    "a chunk size beyond all numbers": (chunked(30 * b"f" + b"\r\nabc"), 400, "bad_request", True),
}


@pytest.mark.parametrize("name", CUT_OFF)
async def test_what_is_no_http_gets_a_problem_and_the_connections_end(
    place: Place, rude: str, name: str
) -> None:
    sent, status, code, is_recorded = CUT_OFF[name]
    before = len(place.rows("rude"))
    async with connected(place.url) as connection:
        await connection.send(sent(rude))
        answer = await connection.answer()
        assert answer is not None
        assert (answer.status, answer.code) == (status, code)
        assert answer.headers["connection"] == "close"
        assert await connection.is_closed()
    new = place.rows("rude")[before:]
    assert new == ([(answer.headers["x-request-id"], status)] if is_recorded else [])


TAKEN: dict[str, tuple[Callable[[str], bytes], int, str]] = {
    # what is sent, the status and code of the answer; the connection stays open
    "bytes that are no text in a header": (unusual("a: \xff\xfe"), 200, ""),
    "percent-encoded nonsense in the path": (
        unusual(**{**GET, "target": "/api/v1/%ff%00"}),
        404,
        "not_found",
    ),
    "dots in the path": (unusual(target="/api/v1/../v1/screen"), 404, "not_found"),
    "UTF-16 in the body": (unusual(body=BODY.decode().encode("utf-16")), 400, "malformed_json"),
    "bytes that are no text in the body": (
        unusual(body=b'{"name": "\xff\xfe"}'),
        400,
        "malformed_json",
    ),
    "NUL in the body": (unusual(body=b'{"name": "a\x00b"}'), 400, "malformed_json"),
    "NUL in a name": (unusual(body=b'{"name": "a\\u0000b"}'), 422, "invalid_request"),
    "half a character in a name": (unusual(body=b'{"name": "a\\ud800"}'), 422, "invalid_request"),
    "half a character in a reference": (
        unusual(body=b'{"name": "Jane Doe", "client_ref": "\\udfff"}'),
        422,
        "invalid_request",
    ),
    "10,000 brackets": (unusual(body=10_000 * b"["), 400, "malformed_json"),
    "a number of 10,000 digits": (
        unusual(body=b'{"name": "Jane Doe", "limit": ' + 10_000 * b"9" + b"}"),
        400,
        "malformed_json",
    ),
    "a chunk with extensions": (
        chunked(b'14;a=b;c="d"\r\n' + BODY + b"\r\n", LAST_CHUNK),
        200,
        "",
    ),
    "chunks of one byte": (
        chunked(*(b"1\r\n%c\r\n" % byte for byte in BODY), LAST_CHUNK),
        200,
        "",
    ),
    "trailers that claim another key": (
        chunked(WHOLE_CHUNK, b"0\r\nx-api-key: lk_live_x\r\nauthorization: Bearer y\r\n\r\n"),
        200,
        "",
    ),
    "a full address": (unusual(target="http://elsewhere.example/api/v1/screen"), 200, ""),
    "an upgrade to h2c with a body": (
        unusual("connection: upgrade, http2-settings", "upgrade: h2c", "http2-settings: AAM"),
        200,
        "",
    ),
    "an upgrade to h2c with chunks": (
        chunked(WHOLE_CHUNK, LAST_CHUNK, headers=("connection: upgrade", "upgrade: h2c")),
        200,
        "",
    ),
    "an upgrade to h2c without a body": (
        unusual("connection: upgrade", "upgrade: h2c", **GET),
        200,
        "",
    ),
    "OPTIONS": (unusual(method="OPTIONS", body=b""), 405, "method_not_allowed"),
    "TRACE": (unusual(method="TRACE", body=b""), 405, "method_not_allowed"),
    "PROPFIND": (unusual(method="PROPFIND", body=b""), 405, "method_not_allowed"),
}


@pytest.mark.parametrize("name", TAKEN)
async def test_what_is_http_is_answered_recorded_and_followed_by_the_next(
    place: Place, rude: str, name: str
) -> None:
    sent, status, code = TAKEN[name]
    before = len(place.rows("rude"))
    async with connected(place.url) as connection:
        await connection.send(sent(rude))
        answer = await connection.answer()
        assert answer is not None
        assert (answer.status, code and answer.code) == (status, code)
        await connection.send(request_bytes(rude))
        following = await connection.answer()
        assert following is not None
        assert following.status == 200
    ids = [one.headers["x-request-id"] for one in (answer, following)]
    assert place.rows("rude")[before:] == [(ids[0], status), (ids[1], 200)]


async def test_head_has_the_headers_alone(place: Place, rude: str) -> None:
    async with connected(place.url) as connection:
        await connection.send(request_bytes(rude, method="HEAD", body=b"") + request_bytes(rude))
        head, following = await connection.answer(to_head=True), await connection.answer()
    assert head is not None
    assert following is not None
    assert (head.status, head.body, following.status) == (405, b"", 200)
    assert int(head.headers["content-length"]) > 0


async def test_a_websocket_is_refused(place: Place, rude: str) -> None:
    before = place.rows("rude")
    upgrade = ("connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13")
    key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="
    async with connected(place.url) as connection:
        await connection.send(request_bytes(rude, *upgrade, key, **GET))
        answer = await connection.answer()
        assert answer is not None
        assert answer.status == 403
        assert await connection.is_closed()
    assert place.rows("rude") == before


async def test_body_that_waits_for_100_is_asked_for_or_refused(place: Place, rude: str) -> None:
    expecting = request_bytes(rude, "expect: 100-continue")
    async with connected(place.url) as connection:
        await connection.send(expecting[: -len(BODY)])
        first = await connection.answer()
        await connection.send(BODY)
        second = await connection.answer()
        assert [one.status for one in (first, second) if one] == [100, 200]
    too_large = request_bytes(rude, "expect: 100-continue", body=bytes(2 * MiB))[: -2 * MiB]
    async with connected(place.url) as connection:
        await connection.send(too_large)
        only = await connection.answer()
        assert only is not None
        assert (only.status, only.code) == (413, "body_too_large")
        assert only.headers["connection"] == "close"  # for the body may follow, or not
        assert await connection.is_closed()


async def test_pipelined_requests_are_answered_in_order_and_recorded_once(
    place: Place, rude: str, report: Callable[[str], None]
) -> None:
    before = len(place.rows("rude"))
    names = [b'{"name": "Jane Doe", "client_ref": "%d"}' % number for number in range(90)]
    async with connected(place.url) as connection:
        sent = b"".join(request_bytes(rude, body=name) for name in names)
        await connection.send(sent + b"GARBAGE\r\n\r\n")
        answers = await _all_answers(connection)
        assert await connection.is_closed()
    assert [answer.json()["client_ref"] for answer in answers] == [str(n) for n in range(90)]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert [row[0] for row in place.rows("rude")[before:]] == ids
    report("90 pipelined requests with garbage behind: 90 answers in order, 90 rows, then closed")


async def test_pipelines_have_an_end(place: Place, rude: str) -> None:
    async with connected(place.url) as connection:
        await connection.send(10 * MAX_PIPELINED * request_bytes(rude))
        answers = await _all_answers(connection)
    assert MAX_PIPELINED <= len(answers) < 2 * MAX_PIPELINED
    assert {answer.status for answer in answers} == {200}


async def test_client_that_closes_its_side_is_gone_and_recorded_once(
    place: Place, rude: str
) -> None:
    before = len(place.rows("rude"))
    for _ in range(TIMES):
        async with connected(place.url) as connection:
            await connection.send(request_bytes(rude))
            connection.writer.write_eof()
            assert await connection.ends()
    async with connected(place.url) as connection:
        await connection.send(request_bytes(rude)[:-5])
        connection.writer.write_eof()
        assert await connection.is_closed()
    async with asyncio.timeout(5):
        while len(place.rows("rude")) < before + TIMES + 1:  # noqa: ASYNC110  # it can only be asked
            await asyncio.sleep(0.05)
    statuses = [status for _, status in place.rows("rude")[before:]]
    assert set(statuses[:-1]) <= {200, 499}  # the work was done by then, or not
    assert statuses[-1] == 499


@pytest.mark.parametrize("has_length", [True, False])
async def test_bodies_of_10_mib_are_refused_in_constant_memory(
    place: Place, rude: str, memory: Callable[[str], Any], has_length: bool
) -> None:
    memory(f"{8 * TIMES} bodies of 10 MiB {'with' if has_length else 'without'} their length")
    body = bytes(10 * MiB)
    chunks = b"".join([b"10000\r\n" + bytes(65536) + b"\r\n"] * 160) + LAST_CHUNK
    sent = request_bytes(rude, body=body) if has_length else chunked(chunks)(rude)

    async def one() -> None:
        async with connected(place.url) as connection:
            answer, _ = await asyncio.gather(connection.answer(), connection.send(sent))
            assert answer is not None
            assert (answer.status, answer.code) == (413, "body_too_large")
            await connection.send(request_bytes(rude))  # the rest was read, and dropped
            following = await connection.answer()
            assert following is not None
            assert following.status == 200

    for _ in range(TIMES):
        await asyncio.gather(*(one() for _ in range(8)))


ENDLESS: dict[str, tuple[Callable[[str], bytes], bytes, int | None, int]] = {
    # how it begins, what is then sent for ever, the answer's status, how much is taken at most
    "a head": (lambda secret: request_bytes(secret)[:40], b"a" * 4096, 431, 2 * MiB),
    "small headers": (
        lambda _: b"POST /api/v1/screen HTTP/1.1\r\n",
        b"".join(b"a%d: b\r\n" % number for number in range(400)),
        431,
        2 * MiB,
    ),
    "chunks": (chunked(), b"1000\r\n" + bytes(4096) + b"\r\n", 413, 2 * MAX_DROPPED_BYTES),
    "a chunk's extension": (chunked(b"14;a="), b"a" * 4096, 400, 2 * MiB),
    "a trailer": (chunked(WHOLE_CHUNK, b"0\r\na: "), b"a" * 4096, 400, 2 * MiB),
    "trailers": (chunked(WHOLE_CHUNK, b"0\r\n"), 500 * b"a: b\r\n", 400, 2 * MiB),
    "blank lines": (lambda _: b"", b"\r\n" * 2048, 431, 2 * MiB),
}


@pytest.mark.parametrize("name", ENDLESS)
async def test_what_has_no_end_is_cut_in_constant_memory(
    place: Place, rude: str, name: str, memory: Callable[[str], Any]
) -> None:
    begin, part, status, most_bytes = ENDLESS[name]
    taken: list[int] = []

    async def one() -> Answer | None:
        async with connected(place.url) as connection:
            await connection.send(begin(rude))
            answer, sent = await asyncio.gather(
                connection.answer(), _send_until_cut(connection, part)
            )
            taken.append(sent)
            return answer

    answers = await asyncio.gather(*(one() for _ in range(4 * TIMES)))
    memory(f"{4 * TIMES} times {name} without end: {max(taken) / MiB:.1f} MiB taken at most")
    assert max(taken) < most_bytes + NETWORK_BYTES
    assert {answer.status if answer else None for answer in answers} == {status}


NETWORK_BYTES = 8 * MiB
"""What the two ends of a connection on this machine hold that neither program has seen."""


async def _send_until_cut(connection: RawConnection, part: bytes) -> int:
    """How many bytes could be sent before the server closed."""
    sent = 0
    try:
        while not connection.writer.transport.is_closing():
            connection.writer.write(part)
            sent += len(part)
            await connection.writer.drain()
            await asyncio.sleep(0)
    except ConnectionError:
        pass
    return sent


async def _all_answers(connection: RawConnection) -> list[Answer]:
    answers = []
    while (answer := await connection.answer()) is not None:
        answers.append(answer)
    return answers
