"""A request with an Idempotency-Key is worked on once, and its answer given again."""

import asyncio
from typing import Any

import pytest

from app.metering.asgi import Receive, Scope, Send
from app.metering.idempotency import digest_of
from app.models import TrialWorkspace
from tests.factories import make_key, make_trial_key, make_user
from tests.metering.apps import App, answering, body, start
from tests.metering.client import ask
from tests.metering.conftest import CIPHER, Key, StartMeter, Tables, plans
from tests.metering.keyed import (
    OURS,
    Gate,
    code_of,
    counting,
    keyed,
    lapse,
    records,
)
from tests.metering.upstream import UpstreamServer, proxy_to

_NO_MORE_CLAIMS = (
    'ALTER TABLE latchkey."IdempotencyRecord" ADD CHECK (digest IS NULL) NOT VALID'  # or 503
)

# The answer is given again


async def test_second_request_gets_the_first_answer_and_costs_nothing(
    start_keyed: StartMeter, live_key: Key, tables: Tables
) -> None:
    inner = counting()
    meter = await start_keyed(inner)
    first, second = [await ask(meter, key=live_key.secret, headers=keyed()) for _ in range(2)]
    assert (first.status, first.body, inner.calls) == (201, b"work 1", 1)
    assert (second.status, second.body) == (201, b"work 1")
    kept = {name: value for name, value in first.headers.items() if name not in {*OURS, "date"}}
    again = {name: value for name, value in second.headers.items() if name not in OURS}
    assert again == {**kept, "idempotency-replayed": "true"}
    assert (first.headers["x-units"], second.headers["x-units"]) == ("1", "0")
    calls = await tables.calls()
    assert [(row["id"], row["statusCode"], row["units"]) for row in calls] == [
        (first.request_id, 201, 1),
        (second.request_id, 201, 0),
    ]
    assert {row["endpoint"] for row in calls} == {"/api/v1/screen"}
    assert await tables.usage() == (2, 1, 2, 1)


async def test_another_body_query_or_type_is_a_conflict(
    start_keyed: StartMeter, live_key: Key, tables: Tables
) -> None:
    inner = counting()
    meter = await start_keyed(inner)
    json_too = keyed("order-1", ("Content-Type", "application/json"))
    await ask(meter, key=live_key.secret, headers=json_too, query="a=1")
    for headers, query, text in (
        (json_too, "a=1", b"[]"),
        (json_too, "a=2", b"{}"),
        (keyed(), "a=1", b"{}"),
    ):
        reply = await ask(meter, key=live_key.secret, headers=headers, query=query, body=[text])
        assert code_of(reply) == (409, "idempotency_conflict")
        assert reply.headers["x-units"] == "0"
    reply = await ask(meter, key=live_key.secret, headers=json_too, query="a=1", body=[b"{", b"}"])
    assert (reply.status, inner.calls) == (201, 1)
    assert [row["units"] for row in await tables.calls()] == [1, 0, 0, 0, 0]


async def test_key_counts_in_its_path_and_method_and_account(
    start_keyed: StartMeter, live_key: Key, trial_key: Key
) -> None:
    inner = counting()
    meter = await start_keyed(inner)
    for path in ("/api/v1/screen", "/api/v1/lists"):
        for key in (live_key, trial_key):
            assert (await ask(meter, path=path, key=key.secret, headers=keyed())).status == 201
    assert (await ask(meter, key=live_key.secret, headers=keyed("order-2"))).status == 201
    assert inner.calls == 5
    for method in ("PUT", "PUT", "GET"):  # passed on, and nothing more
        await ask(meter, method, key=live_key.secret, headers=keyed())
    assert inner.calls == 8


async def test_another_key_of_the_account_gets_the_same_answer(
    start_keyed: StartMeter, live_key: Key, trial_key: Key, unit_of_work: Any
) -> None:
    async with unit_of_work() as session:
        owner = await make_user(session)
        _, before = await make_key(session, owner)
        _, after = await make_key(session, owner)
    inner = counting()
    meter = await start_keyed(inner)
    replies = [await ask(meter, key=secret, headers=keyed()) for secret in (before, after)]
    assert [reply.body for reply in replies] == [b"work 1", b"work 1"]


async def test_trial_key_gets_its_answer_again_too(
    start_keyed: StartMeter, trial_key: Key, tables: Tables, unit_of_work: Any
) -> None:
    async with unit_of_work() as session:
        [row] = await tables.execute('SELECT "workspaceId" FROM "TrialApiKey"')
        workspace = await session.get_one(TrialWorkspace, row["workspaceId"])
        _, other = await make_trial_key(session, workspace)
    meter = await start_keyed(counting())
    replies = [await ask(meter, key=key, headers=keyed()) for key in (trial_key.secret, other)]
    assert [reply.body for reply in replies] == [b"work 1", b"work 1"]
    assert [row["units"] for row in await tables.trial_calls()] == [1, 0]


async def test_answer_of_an_upstream_is_given_again(start_keyed: StartMeter, live_key: Key) -> None:
    async with UpstreamServer().running() as upstream:
        meter = await start_keyed(proxy_to(upstream.url))
        first, second = [await ask(meter, key=live_key.secret, headers=keyed()) for _ in range(2)]
        assert upstream.last.all("idempotency-key") == ["order-1"]
        assert len(upstream.requests) == 1
    assert (first.status, first.body) == (second.status, second.body)
    assert second.headers["idempotency-replayed"] == "true"


async def test_answer_is_given_again_to_an_account_without_units_left(
    start_keyed: StartMeter, live_key: Key, tables: Tables
) -> None:
    inner = counting()
    meter = await start_keyed(inner, plans=lambda: plans(units=1))
    replies = [await ask(meter, key=live_key.secret, headers=keyed()) for _ in range(2)]
    assert [reply.body for reply in replies] == [b"work 1", b"work 1"]
    await tables.execute(_NO_MORE_CLAIMS)
    for headers, text in ((keyed("order-2"), b"{}"), (keyed(), b"[]")):
        reply = await ask(meter, key=live_key.secret, headers=headers, body=[text])
        assert code_of(reply) == (429, "quota_exceeded")
    assert (inner.calls, await records(tables)) == (1, [(True, True)])


async def test_requests_a_second_are_limited_before_the_key(
    start_keyed: StartMeter, live_key: Key, tables: Tables
) -> None:
    meter = await start_keyed(counting(), plans=lambda: plans(rate=1))
    assert (await ask(meter, key=live_key.secret, headers=keyed())).status == 201
    reply = await ask(meter, key=live_key.secret, headers=keyed())
    assert code_of(reply) == (429, "rate_limited")
    assert (await ask(meter, key=live_key.secret, headers=keyed("order-2"))).status == 429
    assert len(await records(tables)) == 1


# While it is in work


async def test_of_requests_at_once_one_works_and_the_others_are_told_to_wait(
    start_keyed: StartMeter, live_key: Key, tables: Tables
) -> None:
    inner = Gate()
    meter = await start_keyed(inner)
    asking = [
        asyncio.create_task(ask(meter, key=live_key.secret, headers=keyed())) for _ in range(20)
    ]
    await inner.working.wait()
    first = asyncio.as_completed(asking)
    for _ in range(19):  # all but the one that works
        await next(first)
    inner.go_on.set()
    replies = await asyncio.gather(*asking)
    told = [reply for reply in replies if reply.status == 409]
    assert {code_of(reply) for reply in told} == {(409, "idempotency_in_progress")}
    assert {reply.headers["retry-after"] for reply in told} == {"1"}
    assert [reply.body for reply in replies if reply.status == 200] == [b"done"]
    assert (inner.calls, len(told)) == (1, 19)
    assert (await tables.usage())[1] == 1


async def test_two_nodes_work_once(start_keyed: StartMeter, live_key: Key, tables: Tables) -> None:
    inner = Gate()
    nodes = [await start_keyed(inner) for _ in range(2)]
    asking = [
        asyncio.create_task(ask(node, key=live_key.secret, headers=keyed())) for node in nodes
    ]
    await inner.working.wait()
    done, [first] = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
    assert code_of(done.pop().result()) == (409, "idempotency_in_progress")
    inner.go_on.set()
    assert (await first).status == 200
    for node in nodes:
        assert (await ask(node, key=live_key.secret, headers=keyed())).body == b"done"
    assert inner.calls == 1


async def test_another_body_is_a_conflict_while_it_is_in_work(
    start_keyed: StartMeter, live_key: Key
) -> None:
    inner = Gate()
    meter = await start_keyed(inner)
    first = asyncio.create_task(ask(meter, key=live_key.secret, headers=keyed()))
    await inner.working.wait()
    reply = await ask(meter, key=live_key.secret, headers=keyed(), body=[b"[]"])
    assert code_of(reply) == (409, "idempotency_conflict")
    inner.go_on.set()
    assert (await first).status == 200


async def test_work_that_goes_on_keeps_its_claim(
    start_keyed: StartMeter, live_key: Key, tables: Tables
) -> None:
    inner = Gate()
    meter = await start_keyed(inner)
    first = asyncio.create_task(ask(meter, key=live_key.secret, headers=keyed()))
    await inner.working.wait()
    await lapse(tables)
    await meter.once.claims.extend()
    async with asyncio.timeout(5):
        reply = await ask(meter, key=live_key.secret, headers=keyed())
    assert code_of(reply) == (409, "idempotency_in_progress")
    inner.go_on.set()
    assert (await first).status == 200
    [row] = await tables.execute(
        "SELECT \"expiresAt\" - now() AT TIME ZONE 'UTC' BETWEEN interval '23 h' "
        "AND interval '24 h' AS is_kept_a_day FROM latchkey.\"IdempotencyRecord\""
    )
    assert row["is_kept_a_day"]
    # One that comes too late shortens nothing.
    await tables.execute(
        'SELECT latchkey.extend_claims(array_agg(digest), array_agg("callId"), 60) '
        'FROM latchkey."IdempotencyRecord"'
    )
    assert await tables.execute(
        'SELECT digest FROM latchkey."IdempotencyRecord" '
        "WHERE \"expiresAt\" > now() AT TIME ZONE 'UTC' + interval '23 h'"
    )


async def test_wait_is_as_long_as_the_work_has_taken_and_no_longer_than_the_lease(
    start_keyed: StartMeter, live_key: Key, tables: Tables
) -> None:
    inner = Gate()
    meter = await start_keyed(inner)
    first = asyncio.create_task(ask(meter, key=live_key.secret, headers=keyed()))
    await inner.working.wait()
    for seconds, wait in ((7, "7"), (1000, "60")):
        offset = meter.clock._offset
        meter.clock._offset += seconds - 0.5
        reply = await ask(meter, key=live_key.secret, headers=keyed())
        assert reply.headers["retry-after"] == wait
        meter.clock._offset = offset
    inner.go_on.set()
    await first


# When it ends otherwise


async def test_lapsed_claim_lets_the_work_run_again(
    start_keyed: StartMeter, live_key: Key, tables: Tables
) -> None:
    """As after a crash: nobody renews the claim."""
    dead, alive = Gate(), counting()
    node = await start_keyed(dead)
    request = asyncio.create_task(ask(node, key=live_key.secret, headers=keyed()))
    await dead.working.wait()
    other = await start_keyed(alive)
    reply = await ask(other, key=live_key.secret, headers=keyed())
    assert code_of(reply) == (409, "idempotency_in_progress")
    assert 1 <= int(reply.headers["retry-after"]) <= 60
    await lapse(tables)
    assert (await ask(other, key=live_key.secret, headers=keyed())).body == b"work 1"
    dead.go_on.set()  # it was only slow: its own answer does not take the other's place
    assert (await request).body == b"done"
    assert (await ask(other, key=live_key.secret, headers=keyed())).body == b"work 1"


async def test_failure_that_outlived_its_claim_does_not_free_the_key_of_another(
    start_keyed: StartMeter, live_key: Key, tables: Tables
) -> None:
    slow, other = Gate(), Gate()
    slow.status = 500
    first, second = [await start_keyed(inner) for inner in (slow, other)]
    failing = asyncio.create_task(ask(first, key=live_key.secret, headers=keyed()))
    await slow.working.wait()
    await lapse(tables)
    working = asyncio.create_task(ask(second, key=live_key.secret, headers=keyed()))
    await other.working.wait()
    slow.go_on.set()
    assert (await failing).status == 500
    reply = await ask(first, key=live_key.secret, headers=keyed())
    assert code_of(reply) == (409, "idempotency_in_progress")
    other.go_on.set()
    assert (await working).status == 200


async def test_work_that_outlived_its_claim_is_done_all_the_same(
    start_keyed: StartMeter, live_key: Key, tables: Tables
) -> None:
    inner = Gate()
    meter = await start_keyed(inner)
    request = asyncio.create_task(ask(meter, key=live_key.secret, headers=keyed()))
    await inner.working.wait()
    await tables.execute('DELETE FROM latchkey."IdempotencyRecord"')
    inner.go_on.set()
    assert (await request).status == 200
    again = await ask(meter, key=live_key.secret, headers=keyed())
    assert (again.body, inner.calls) == (b"done", 1)


async def test_key_is_free_again_after_a_day(
    start_keyed: StartMeter, live_key: Key, tables: Tables
) -> None:
    inner = counting()
    meter = await start_keyed(inner)
    await ask(meter, key=live_key.secret, headers=keyed())
    await lapse(tables)
    reply = await ask(meter, key=live_key.secret, headers=keyed(), body=[b"[]"])
    assert (reply.body, reply.headers["x-units"]) == (b"work 2", "1")


@pytest.mark.parametrize("status", [304, 400, 500])
async def test_answer_that_is_no_2xx_frees_the_key(
    start_keyed: StartMeter, live_key: Key, tables: Tables, status: int
) -> None:
    inner = answering(status)
    meter = await start_keyed(inner)
    for _ in range(2):
        reply = await ask(meter, key=live_key.secret, headers=keyed())
        assert (reply.status, await records(tables)) == (status, [])
    assert inner.calls == 2


async def test_failing_app_frees_the_key(
    start_keyed: StartMeter, live_key: Key, tables: Tables
) -> None:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["query_string"] == b"reserve":
            scope["latchkey"].reserve(10**9)
        await start(send)
        await body(send, b"half", more=True)
        raise LookupError

    meter = await start_keyed(App(serve))
    for query, status in (("", 500), ("reserve", 429)):
        reply = await ask(meter, key=live_key.secret, headers=keyed(query or "a"), query=query)
        assert (reply.status, await records(tables)) == (status, [])


async def test_app_that_gives_up_when_its_client_left_frees_the_key(
    start_keyed: StartMeter, live_key: Key, tables: Tables
) -> None:
    leaves = asyncio.Event()

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        leaves.set()
        await receive()

    meter = await start_keyed(App(serve))
    await ask(meter, key=live_key.secret, headers=keyed(), leaves=leaves)
    assert await records(tables) == []
    assert [row["statusCode"] for row in await tables.calls()] == [499]


async def test_work_for_a_client_that_left_is_kept_for_its_return(
    start_keyed: StartMeter, live_key: Key, tables: Tables
) -> None:
    leaves = asyncio.Event()

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        leaves.set()
        await start(send)
        await body(send, b"done")

    inner = App(serve)
    meter = await start_keyed(inner)
    lost = await ask(meter, key=live_key.secret, headers=keyed(), leaves=leaves)
    again = await ask(meter, key=live_key.secret, headers=keyed())
    assert (lost.messages, again.body, inner.calls) == ([], b"done", 1)
    assert [row["units"] for row in await tables.calls()] == [1, 0]


async def test_call_that_the_server_cancels_frees_the_key(
    start_keyed: StartMeter, live_key: Key, tables: Tables
) -> None:
    inner = Gate()
    meter = await start_keyed(inner)
    request = asyncio.create_task(ask(meter, key=live_key.secret, headers=keyed()))
    await inner.working.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    await meter.stop()
    assert await records(tables) == []
    assert [row["statusCode"] for row in await tables.calls()] == [499]


# The header


def test_key_goes_by_the_path_as_it_was_sent() -> None:
    """Or an upstream that tells `%2F` from `/` would have one's answer given for the other."""
    scopes = [{"method": "POST", "path": "/a/b", "raw_path": raw} for raw in (b"/a/b", b"/a%2Fb")]
    digests = {digest_of("owner", scope, b"key") for scope in scopes}
    assert len(digests) == 2
    assert digest_of("owner", {"method": "POST", "path": "/a/b"}, b"key") in digests


def test_parts_of_a_digest_do_not_run_into_each_other() -> None:
    scope = {"method": "POST", "path": "/a"}
    assert digest_of("ab", scope, b"c") != digest_of("a", {**scope, "path": "b/a"}, b"c")
    assert digest_of("owner", scope, b"bc") != digest_of("owner", {**scope, "path": "/ab"}, b"c")


@pytest.mark.parametrize("key", ["", " ", "ü", "x" * 256, "a\tb", "a\x7f"])
async def test_unusable_key_is_refused_by_name(
    start_keyed: StartMeter, live_key: Key, tables: Tables, key: str
) -> None:
    inner = counting()
    meter = await start_keyed(inner)
    reply = await ask(meter, key=live_key.secret, headers=keyed(key))
    assert code_of(reply) == (422, "invalid_request")
    assert [error["field"] for error in reply.json()["errors"]] == ["Idempotency-Key"]
    assert (inner.calls, await records(tables)) == (0, [])
    assert [row["statusCode"] for row in await tables.calls()] == [422]


async def test_two_keys_are_refused(start_keyed: StartMeter, live_key: Key) -> None:
    inner = counting()
    meter = await start_keyed(inner)
    reply = await ask(meter, key=live_key.secret, headers=keyed() + keyed())
    assert (code_of(reply), inner.calls) == ((422, "invalid_request"), 0)


@pytest.mark.parametrize("key", ["x", "x" * 255, '"a b~"'])
async def test_every_printable_key_is_taken(
    start_keyed: StartMeter, live_key: Key, key: str
) -> None:
    meter = await start_keyed(counting())
    replies = [await ask(meter, key=live_key.secret, headers=keyed(key)) for _ in range(2)]
    assert [reply.body for reply in replies] == [b"work 1", b"work 1"]


async def test_bad_api_key_learns_nothing_of_the_header(start_keyed: StartMeter) -> None:
    meter = await start_keyed(counting())
    reply = await ask(meter, key="lk_live_nonsense", headers=keyed(""))
    assert code_of(reply) == (401, "invalid_key")


async def test_no_text_of_the_request_or_answer_is_in_the_table(
    start_keyed: StartMeter, live_key: Key, tables: Tables
) -> None:
    meter = await start_keyed(answering(200, "a private answer"))
    headers = keyed("a private key", ("Content-Type", "text/private"))
    await ask(meter, key=live_key.secret, headers=headers, body=[b"a private body"])
    [row] = await tables.execute('SELECT * FROM latchkey."IdempotencyRecord"')
    assert b"private" in CIPHER.decrypt(row["answer"])
    assert "private" not in str(row)
    assert live_key.owner_id not in str(row)
