"""A key is claimed while its work runs, and what becomes of the claim however that ends."""

import asyncio

import pytest

from app.metering.asgi import Receive, Scope, Send
from tests.metering.apps import App, answering, body, start
from tests.metering.client import ask
from tests.metering.conftest import Key, StartMeter, Tables
from tests.metering.keyed import (
    Gate,
    code_of,
    counting,
    keyed,
    lapse,
    records,
)

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
