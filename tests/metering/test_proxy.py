"""What reaches the upstream, and what of its answer reaches the client."""

import gzip
import logging
from collections.abc import AsyncIterator

import pytest

from app.metering.caller import Caller
from app.metering.own.paths import EXPOSED, KEY, OWN, USAGE
from app.metering.proxy_headers import caller_headers
from tests.metering.client import Reply, ask
from tests.metering.conftest import Key, StartMeter, Tables
from tests.metering.upstream import UpstreamServer, get, http, listening, proxy_to, say


@pytest.fixture
async def upstream() -> AsyncIterator[UpstreamServer]:
    async with UpstreamServer().running() as server:
        yield server


@pytest.fixture
async def port(upstream: UpstreamServer) -> AsyncIterator[int]:
    """Where a server listens with the bare proxy in it."""
    async with listening(proxy_to(upstream.url)) as port:
        yield port


# Who calls


async def test_upstream_sees_the_caller_and_never_the_key(
    start_meter: StartMeter, upstream: UpstreamServer, live_key: Key, tables: Tables
) -> None:
    meter = await start_meter(proxy_to(upstream.url))
    forged = [
        ("X-Latchkey-Owner", "somebody"),
        ("X_Latchkey_Owner", "somebody"),
        ("X-Latchkey-Else", "more"),
        ("X-Request-Id", "mine"),
        ("Authorization", "Basic dTpw"),
    ]
    await ask(meter, key=live_key.secret, headers=forged, body=[b'{"a":', b"1}"])
    seen = upstream.last
    assert [pair for pair in seen.headers if "latchkey" in pair[0]] == [
        ("x-latchkey-key-id", live_key.id),
        ("x-latchkey-tier", "starter"),
        ("x-latchkey-owner", live_key.owner_id),
    ]
    assert live_key.secret.encode() not in seen.head
    assert seen.all("authorization") == ["Basic dTpw"]
    assert seen.all("x-request-id") == [row["id"] for row in await tables.calls()]
    assert (seen.method, seen.body) == ("POST", b'{"a":1}')


async def test_key_in_authorization_is_removed_and_no_other_header(
    start_meter: StartMeter, upstream: UpstreamServer, live_key: Key
) -> None:
    meter = await start_meter(proxy_to(upstream.url))
    headers = [("Authorization", f"bearer {live_key.secret}"), ("X-API-Key", "of the upstream")]
    await ask(meter, headers=headers)
    assert (upstream.last.all("authorization"), upstream.last.all("x-api-key")) == (
        [],
        ["of the upstream"],
    )


def test_caller_is_written_so_that_a_header_can_hold_it() -> None:
    caller = Caller(
        key_id="a\r\nb", tier="größer 100%", owner_id=" plain id ", keep=lambda units: None
    )
    assert [value for _, value in caller_headers(caller)] == [
        b"a%0D%0Ab",
        b"gr%C3%B6%C3%9Fer 100%25",
        b"plain id",
    ]


# What it costs


async def test_upstream_says_what_the_call_cost(
    start_meter: StartMeter, upstream: UpstreamServer, live_key: Key, tables: Tables
) -> None:
    upstream.answer = http(b"{}", "X-Latchkey-Units: 7", "X-Latchkey-Note: inner")
    reply = await ask(await start_meter(proxy_to(upstream.url)), key=live_key.secret)
    assert [row["units"] for row in await tables.calls()] == [7]
    assert reply.headers["x-units"] == "7"
    assert not [name for name in reply.headers if "latchkey" in name]


@pytest.mark.parametrize(
    "lines",
    [["-1"], ["x"], ["1, 2"], ["1", "2"], ["2147483648"], ["9" * 5000], [""], ["1.5"]],
    ids=lambda lines: "+".join(lines)[:12] or "empty",
)
async def test_nonsense_about_the_cost_is_ignored_and_logged(
    lines: list[str],
    start_meter: StartMeter,
    upstream: UpstreamServer,
    live_key: Key,
    tables: Tables,
    caplog: pytest.LogCaptureFixture,
) -> None:
    upstream.answer = http(b"{}", *(f"X-Latchkey-Units: {line}" for line in lines))
    with caplog.at_level(logging.WARNING):
        reply = await ask(await start_meter(proxy_to(upstream.url)), key=live_key.secret)
    assert reply.status == 200
    assert [row["units"] for row in await tables.calls()] == [1]
    assert "X-Latchkey-Units is ignored" in caplog.text


# Headers


async def test_hop_by_hop_headers_of_the_client_stop_here(
    upstream: UpstreamServer, port: int
) -> None:
    await say(
        port,
        b"GET /api/v1/x HTTP/1.1\r\nHost: api.example.com\r\nA: 1\r\nX-Hop: 1\r\nx_hop: 1\r\n"
        b"Connection: close, X-Hop, X-Request-Id\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\n"
        b"Trailer: A\r\nUpgrade: h2c\r\nProxy-Authorization: Basic x\r\nProxy-Connection: a\r\n"
        b"Proxy: http://evil\r\nExpect: 100-continue\r\nB: 2\r\nA: 3\r\n\r\n",
    )
    ours = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-request-id")
    assert [pair for pair in upstream.last.headers if pair[0] not in ours] == [
        ("host", f"127.0.0.1:{upstream.port}"),
        ("a", "1"),
        ("b", "2"),
        ("a", "3"),
    ]
    assert len(upstream.last.all("x-request-id")) == 1


async def test_hop_by_hop_headers_of_the_upstream_stop_here(
    upstream: UpstreamServer, port: int
) -> None:
    upstream.answer = http(
        b"{}",
        "A: 1",
        "Connection: close, X-Hop",
        "X-Hop: 1",
        "Keep-Alive: timeout=5",
        "Proxy-Authenticate: Basic",
        "Trailer: A",
        "Upgrade: h2c",
        "Date: yesterday",
        "Set-Cookie: a=1; Path=/",
        "Set-Cookie: b=2",
        "A: 3",
    )
    head = (await get(port, b"/api/v1/x")).partition(b"\r\n\r\n")[0]
    status, *lines = head.split(b"\r\n")
    assert status == b"HTTP/1.1 200 OK"
    assert [line for line in lines if not line.startswith(b"date: ")] == [
        b"a: 1",
        b"set-cookie: a=1; Path=/",
        b"set-cookie: b=2",
        b"a: 3",
        b"content-length: 2",
        b"connection: close",
    ]
    assert len(lines) == 7  # with the one date, which is not "yesterday"
    assert b"yesterday" not in head


async def forwarded(
    upstream: UpstreamServer, headers: list[tuple[str, str]], hops: int
) -> list[tuple[str, str]]:
    await ask(proxy_to(upstream.url, proxy_hops=hops), "GET", "/api/v1/x", headers=headers)
    return [pair for pair in upstream.last.headers if "forwarded" in pair[0] or "real" in pair[0]]


@pytest.mark.parametrize(
    ("hops", "sent", "path"),
    [
        (0, [], "127.0.0.1"),
        (0, ["6.6.6.6"], "127.0.0.1"),
        (1, [], "127.0.0.1"),
        (1, ["6.6.6.6, 9.9.9.9"], "9.9.9.9, 127.0.0.1"),
        (2, ["6.6.6.6", "9.9.9.9,8.8.8.8"], "9.9.9.9, 8.8.8.8, 127.0.0.1"),
    ],
)
async def test_upstream_learns_where_the_request_came_from(
    hops: int, sent: list[str], path: str, upstream: UpstreamServer
) -> None:
    claims = [
        *(("X-Forwarded-For", value) for value in sent),
        ("X_Forwarded_For", "6.6.6.6"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Port", "1"),
        ("Forwarded", "for=6.6.6.6"),
        ("X-Real-IP", "6.6.6.6"),
    ]
    assert await forwarded(upstream, claims, hops) == [
        ("x-forwarded-for", path),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "api.example.com"),
    ]


async def test_cookies_of_one_answer_are_not_sent_with_the_next_request(
    upstream: UpstreamServer, port: int
) -> None:
    upstream.answer = http(b"{}", "Set-Cookie: session=of-a-customer")
    await get(port, b"/api/v1/x")
    await get(port, b"/api/v1/x", b"Cookie: own=1")
    assert upstream.last.all("cookie") == ["own=1"]


# Paths


@pytest.mark.parametrize(
    "target",
    [
        b"/api/v1/a%2Fb%2fc",
        b"/api/v1/a%00b",
        b"/api/v1//a//b/",
        b"/api/v1/...",
        b"/api/v1/a;b=1/c",
        b"/api/v1/%C3%BC%ff?%ff=%C3%BC",
        b"/api/v1/a?b=c&b=c%20d+e&&=&x=[]{}|^`\"'<>",
        b"/api/v1/a?b=https://example.com/../..?d",
        b"/api/v1/keys",
        b"/api/v1/keyserver",
        b"/api/v1/usage/",
        b"/api/v1/calls/7",
        b"/api/v1/" + b"a" * 8000,
    ],
    ids=lambda target: target.decode()[:30],
)
async def test_path_and_query_pass_byte_for_byte(
    target: bytes, upstream: UpstreamServer, port: int
) -> None:
    assert (await get(port, target)).startswith(b"HTTP/1.1 200")
    assert upstream.last.target == target


async def test_bytes_that_no_request_line_may_hold_are_percent_encoded(
    upstream: UpstreamServer,
) -> None:
    await ask(proxy_to(upstream.url), "GET", "/api/v1/x", query="name=Müller")
    assert upstream.last.target == b"/api/v1/x?name=M%C3%BCller"


@pytest.mark.parametrize("base", ["/base", "/base/v2", ""])
async def test_path_is_appended_to_that_of_the_upstream(
    base: str, upstream: UpstreamServer
) -> None:
    await ask(proxy_to(upstream.url + base), "GET", "/api/v1/x", query="a=1")
    assert upstream.last.target == f"{base}/api/v1/x?a=1".encode()


@pytest.mark.parametrize("path", sorted(OWN))
async def test_own_routes_are_answered_here_before_an_upstream_too(
    start_meter: StartMeter, upstream: UpstreamServer, live_key: Key, path: str
) -> None:
    meter = await start_meter(proxy_to(upstream.url))
    statuses = [
        (await ask(meter, method, path, key=live_key.secret)).status for method in ("GET", "POST")
    ]
    anybodys = {USAGE: [200, 405], KEY: [200, 405], EXPOSED: [405, 415]}
    assert sorted(statuses) == anybodys.get(path, [401, 405])
    assert upstream.accepted == 0


@pytest.mark.parametrize(
    "target",
    [
        b"/api/v1/key",
        b"/api/v1/usage?x=1",
        b"/api/v1/calls",
        b"/api/v1/keys/verify",
        b"/api/v1/keys/",
        b"/api/v1/%6Beys/verify",
        b"/api/v1/%256Beys/verify",
        b"/api/v1//keys//verify",
        b"/api/v1/keys%2Fverify",
        b"/api/v1/..",
        b"/api/v1/../../admin",
        b"/api/v1/x/./y",
        b"/api/v1/%2e%2e/admin",
        b"/api/v1/..%2f..%2fadmin",
        b"/api/v1/%252e%252e/admin",
        b"/api/v1/..;/..;x=1/admin",
        b"/api/v1/..%5cadmin",
    ],
)
async def test_own_routes_and_paths_that_lead_out_are_never_forwarded(
    target: bytes, upstream: UpstreamServer, port: int
) -> None:
    answer = await get(port, target)
    assert answer.startswith(b"HTTP/1.1 404")
    assert b'"code":"not_found"' in answer
    assert upstream.accepted == 0


async def test_path_among_our_own_that_is_no_route_is_refused_and_recorded(
    start_meter: StartMeter, upstream: UpstreamServer, live_key: Key, tables: Tables
) -> None:
    meter = await start_meter(proxy_to(upstream.url))
    reply = await ask(meter, "GET", "/api/v1/keys/other", key=live_key.secret)
    [row] = await tables.calls()
    assert (reply.status, row["statusCode"], row["units"]) == (404, 404, 0)
    assert reply.json()["request_id"] == reply.request_id == row["id"]


async def test_trace_is_not_forwarded(upstream: UpstreamServer, port: int) -> None:
    answer = await get(port, b"/api/v1/x", method=b"TRACE")
    assert answer.startswith(b"HTTP/1.1 405")
    assert b"allow: GET, " in answer
    assert upstream.accepted == 0


# Bodies


async def test_body_in_chunks_reaches_the_upstream_with_its_length(
    upstream: UpstreamServer, port: int
) -> None:
    await say(
        port,
        b"POST /api/v1/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\n\r\n",
    )
    assert upstream.last.body == b"abcde"
    assert upstream.last.all("content-length") == ["5"]


async def test_trailers_of_the_client_are_no_headers(
    start_meter: StartMeter, upstream: UpstreamServer, live_key: Key
) -> None:
    async with listening(await start_meter(proxy_to(upstream.url))) as port:
        await say(
            port,
            b"POST /api/v1/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTrailer: X-Role\r\n"
            b"X-API-Key: " + live_key.secret.encode() + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\nabc\r\n0\r\nX-Role: admin\r\n\r\n",
        )
    assert upstream.last.body == b"abc"
    assert upstream.last.all("x-role") == []


@pytest.mark.parametrize(("sent", "passed"), [([b"Content-Length: 0"], ["0"]), ([], [])])
async def test_empty_body_is_declared_only_if_the_client_did(
    sent: list[bytes], passed: list[str], upstream: UpstreamServer, port: int
) -> None:
    await get(port, b"/api/v1/x", *sent, method=b"POST")
    assert upstream.last.all("content-length") == passed
    assert upstream.last.all("transfer-encoding") == []


async def test_compressed_answer_passes_as_it_is(upstream: UpstreamServer, port: int) -> None:
    packed = gzip.compress(b"hello" * 100)
    upstream.answer = http(packed, "Content-Encoding: gzip")
    head, _, body = (await get(port, b"/api/v1/x")).partition(b"\r\n\r\n")
    assert body == packed
    assert b"content-encoding: gzip" in head
    assert upstream.last.all("accept-encoding") == []


async def test_redirect_is_passed_on_and_not_followed(upstream: UpstreamServer, port: int) -> None:
    upstream.answer = http(b"", f"Location: {upstream.url}/else", status="302 Found")
    answer = await get(port, b"/api/v1/x")
    assert answer.startswith(b"HTTP/1.1 302")
    assert f"location: {upstream.url}/else".encode() in answer
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("method", "answer", "length"),
    [
        (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", b"500"),
        (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n", b"500000"),
        (b"HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", None),
        (b"GET", b"HTTP/1.1 204 No Content\r\n\r\n", None),
        (b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\nETag: x\r\n\r\n", None),
        (b"GET", b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", None),
    ],
    ids=["HEAD", "HEAD of much", "HEAD of chunks", "204", "304", "103 before"],
)
async def test_answer_without_a_body_stays_one(
    method: bytes, answer: bytes, length: bytes | None, upstream: UpstreamServer, port: int
) -> None:
    upstream.answer = answer
    head, _, body = (await get(port, b"/api/v1/x", method=method)).partition(b"\r\n\r\n")
    assert body == b""
    assert head.split()[1] in answer
    assert (b"content-length: " + length in head) if length else (b"content-length" not in head)
    await get(port, b"/api/v1/x", method=method)
    assert upstream.accepted == 1, "the connection was of further use"


# Smuggling


INNER = b"GET /api/v1/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 6\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 100",
        b"Content-Length: 5\r\nTransfer-Encoding : chunked",
        b"Content-Length: 5\r\nTransfer-Encoding:\tchunked",
        b"Content-Length: 5\r\nTransfer-Encoding: xchunked",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked, identity",
        b"Content-Length: 5\r\nTransfer_Encoding: chunked",
        b"Content-Length: 5\r\nContent_Length: 9",
        b"Content-Length: 5\r\nContent-Length: 9",
        b"Content-Length: 5, 5",
        b"Content-Length: +5",
        b"Content-Length: 5\r\nConnection: Content-Length",
        b"Content-Length: 5\r\nX: a\rTransfer-Encoding: chunked",
        b"Content-Length: 5\r\nX: a\nTransfer-Encoding: chunked",
        b"Content-Length: 5\r\n Transfer-Encoding: chunked",
    ],
    ids=lambda headers: headers.decode().replace("\r", "~")[:60],
)
async def test_no_request_is_smuggled_past_us(
    headers: bytes, upstream: UpstreamServer, port: int
) -> None:
    head = b"POST /api/v1/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + headers + b"\r\n\r\n"
    await say(port, head + b"0\r\n\r\n" + INNER)
    for seen in upstream.requests:
        assert seen.target == b"/api/v1/x"
        assert seen.all("content-length") in ([str(len(seen.body))], [])
        assert seen.all("transfer-encoding") == seen.all("transfer_encoding") == []
        assert seen.all("content_length") == []
    assert len(upstream.requests) <= 1


async def test_request_in_a_body_stays_a_body(upstream: UpstreamServer, port: int) -> None:
    length = b"Content-Length: %d" % len(INNER)
    head = b"POST /api/v1/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + length + b"\r\n\r\n"
    await say(port, head + INNER)
    assert [seen.body for seen in upstream.requests] == [INNER]


async def test_line_break_in_a_header_value_reaches_nobody(upstream: UpstreamServer) -> None:
    sent = [("X-Split", "a\r\nX-Latchkey-Owner: b")]
    reply: Reply = await ask(proxy_to(upstream.url), "GET", "/api/v1/x", headers=sent)
    assert (reply.status, reply.json()["code"]) == (400, "bad_request")
    assert upstream.requests == []
