"""A request with an Idempotency-Key is worked on once, and its answer given again."""

from typing import Any

import pytest

from app.metering.idempotency import digest_of
from app.models import TrialWorkspace
from tests.factories import make_key, make_trial_key, make_user
from tests.metering.apps import answering
from tests.metering.client import ask
from tests.metering.conftest import CIPHER, Key, StartMeter, Tables, plans
from tests.metering.keyed import (
    OURS,
    code_of,
    counting,
    keyed,
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
