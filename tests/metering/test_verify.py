"""A service elsewhere asks whether a key may make a call, and the meter lets it in or not."""

import asyncio
import time
from collections import Counter
from typing import Any

import pytest

from app.core.crypto import sha256_hex
from app.keys.format import new_key
from app.metering.own.endpoint_names import EndpointNames
from tests.metering.apps import answering
from tests.metering.client import ask
from tests.metering.conftest import Key, StartMeter, Tables, plans
from tests.metering.database_proxy import WRITING_CALLS, DatabaseProxy
from tests.metering.services import DIGESTS, JSON, ROOT, post, start_service, verify

VERIFY = "/api/v1/keys/verify"


async def test_allowed_call_is_charged_and_recorded_with_status_0(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    meter = await start_service(start_meter, plans=lambda: plans(units=10))
    verdict = await verify(meter, live_key.secret, units=3)
    reset_at = verdict.pop("reset_at")
    assert reset_at.endswith("-01T00:00:00Z")
    assert verdict == {
        "valid": True,
        "code": None,
        "call_id": verdict["call_id"],
        "key_id": live_key.id,
        "tier": live_key.tier,
        "owner_id": live_key.owner_id,
        "remaining": 7,
    }
    [row] = await tables.calls()
    assert (row["id"], row["apiKeyId"], row["ownerId"], row["statusCode"], row["units"]) == (
        verdict["call_id"],
        live_key.id,
        live_key.owner_id,
        0,
        3,
    )
    assert (row["endpoint"], row["method"]) == ("/things/{id}", "GET")
    assert await tables.usage() == (1, 3, 1, 3)


async def test_units_are_one_unless_told(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    meter = await start_service(start_meter)
    await verify(meter, live_key.secret)
    await verify(meter, live_key.secret, units=0)
    assert [row["units"] for row in await tables.calls()] == [1, 0]


async def test_trial_key_is_recorded_apart_and_has_no_next_period(
    start_meter: StartMeter, trial_key: Key, tables: Tables
) -> None:
    meter = await start_service(start_meter, plans=lambda: plans(trial_units=2))
    verdicts = [await verify(meter, trial_key.secret) for _ in range(3)]
    assert [verdict["code"] for verdict in verdicts] == [None, None, "quota_exceeded"]
    assert [verdict["remaining"] for verdict in verdicts] == [1, 0, 0]
    assert verdicts[0]["reset_at"] is None
    rows = {row["id"]: (row["statusCode"], row["units"]) for row in await tables.trial_calls()}
    assert [rows[verdict["call_id"]] for verdict in verdicts] == [(0, 1), (0, 1), (429, 0)]
    assert await tables.usage() == (3, 2, 3, 2)


@pytest.mark.parametrize("wrong", ["", "x", "x" * 9000, "kein Schlüssel", new_key("live"), ROOT])
async def test_unknown_key_is_invalid_and_nothing_else_is_said(
    start_meter: StartMeter, tables: Tables, wrong: str
) -> None:
    verdict = await verify(await start_service(start_meter), wrong)
    assert verdict == {
        **dict.fromkeys(("call_id", "key_id", "tier", "owner_id", "remaining", "reset_at"), None),
        "valid": False,
        "code": "invalid_key",
    }
    assert await tables.calls() == []


@pytest.mark.parametrize(
    ("change", "code", "status"),
    [
        ("""UPDATE "ApiKeyMetadata" SET status = 'revoked'""", "revoked_key", 401),
        (
            """UPDATE latchkey."ApiKeyDetail" SET "expiresAt" = now() AT TIME ZONE 'UTC'""",
            "expired_key",
            401,
        ),
        (
            """UPDATE "ApiKeyMetadata" SET status = 'pending_verification'""",
            "key_pending_verification",
            403,
        ),
        (
            """INSERT INTO latchkey."UserDetail" ("userId", "suspendedAt")
               SELECT "userId", now() FROM "ApiKeyMetadata" """,
            "account_suspended",
            403,
        ),
        (
            """UPDATE latchkey."ApiKeyDetail" SET "allowedIps" = '{192.0.2.0/24}'""",
            "ip_not_allowed",
            403,
        ),
    ],
)
async def test_refusal_of_a_genuine_key_is_told_and_recorded(
    start_meter: StartMeter, live_key: Key, tables: Tables, change: str, code: str, status: int
) -> None:
    await tables.execute(change)
    verdict = await verify(await start_service(start_meter), live_key.secret, ip="198.51.100.7")
    assert (verdict["valid"], verdict["code"]) == (False, code)
    assert verdict["key_id"] == live_key.id
    [row] = await tables.calls()
    assert (row["id"], row["statusCode"], row["units"]) == (verdict["call_id"], status, 0)
    assert row["endpoint"] == "/things/{id}"
    assert await tables.usage() == (1, 0, 1, 0)


@pytest.mark.parametrize(
    ("ip", "code"),
    [
        ("192.0.2.9", None),
        ("::ffff:192.0.2.9", None),
        ("192.0.3.9", "ip_not_allowed"),
        (None, "ip_not_allowed"),
    ],
)
async def test_allow_list_is_held_against_the_address_that_the_service_names(
    start_meter: StartMeter, live_key: Key, tables: Tables, ip: str | None, code: str | None
) -> None:
    await tables.execute("""UPDATE latchkey."ApiKeyDetail" SET "allowedIps" = '{192.0.2.0/24}'""")
    meter = await start_service(start_meter, trusted_proxy_hops=1)
    assert (await verify(meter, live_key.secret, ip=ip))["code"] == code


async def test_trial_that_is_over_is_told(
    start_meter: StartMeter, trial_key: Key, tables: Tables
) -> None:
    await tables.execute("""UPDATE "TrialWorkspace" SET status = 'expired'""")
    verdict = await verify(await start_service(start_meter), trial_key.secret)
    assert verdict["code"] == "trial_ended"
    assert [row["statusCode"] for row in await tables.trial_calls()] == [402]


async def test_units_are_spent_exactly_whoever_asks(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    meter = await start_service(start_meter, plans=lambda: plans(units=10))
    answers = await asyncio.gather(
        *(verify(meter, live_key.secret, units=2) for _ in range(4)),
        *(ask(meter, key=live_key.secret) for _ in range(6)),
    )
    codes = [one["code"] if isinstance(one, dict) else one.status for one in answers]
    assert codes.count(None) * 2 + codes.count(200) == 10
    assert set(codes) <= {None, 200, "quota_exceeded", 429}
    assert (await tables.usage())[3] == 10


async def test_requests_over_the_rate_are_limited_together_with_the_meters(
    start_meter: StartMeter, live_key: Key
) -> None:
    meter = await start_service(start_meter, plans=lambda: plans(rate=3))
    codes = [(await verify(meter, live_key.secret))["code"] for _ in range(6)]
    assert codes.count("rate_limited") >= 2
    assert (await ask(meter, key=live_key.secret)).json()["code"] == "rate_limited"


async def test_flood_of_refusals_collapses(
    start_meter: StartMeter, live_key: Key, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tables.execute("""UPDATE "ApiKeyMetadata" SET status = 'revoked'""")
    meter = await start_service(start_meter)
    monkeypatch.setattr(meter.clock, "now_ms", lambda: 1_800_000_000_000)
    verdicts = await asyncio.gather(*(verify(meter, live_key.secret) for _ in range(30)))
    calls = await tables.calls()
    assert len(calls) == 11
    assert {verdict["call_id"] for verdict in verdicts} == {call["id"] for call in calls}
    [note] = await tables.execute('SELECT * FROM latchkey."CallNote"')
    assert note["times"] == 20


async def test_only_looking_takes_and_leaves_nothing(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    meter = await start_service(start_meter, plans=lambda: plans(units=5, rate=2))
    verdicts = [await verify(meter, live_key.secret, units=5, record=False) for _ in range(9)]
    assert {(v["valid"], v["code"], v["call_id"], v["remaining"]) for v in verdicts} == {
        (True, None, None, 5)
    }
    too_much = await verify(meter, live_key.secret, units=6, record=False)
    assert (too_much["valid"], too_much["code"]) == (False, "quota_exceeded")
    await tables.execute("""UPDATE "ApiKeyMetadata" SET status = 'revoked'""")
    await meter.keys._recheck()
    refused = await verify(meter, live_key.secret, record=False)
    assert (refused["code"], refused["call_id"]) == ("revoked_key", None)
    assert await tables.calls() == []
    assert await tables.usage() == (0, 0, 0, 0)
    await meter.stop()
    assert await tables.execute('SELECT * FROM latchkey."KeyLastUse"') == []
    assert await tables.execute('SELECT * FROM latchkey."EndpointName"') == []


async def test_looking_says_that_the_rate_is_used_up(
    start_meter: StartMeter, live_key: Key
) -> None:
    meter = await start_service(start_meter, plans=lambda: plans(rate=1))
    await verify(meter, live_key.secret)
    assert (await verify(meter, live_key.secret, record=False))["code"] == "rate_limited"


async def test_verifying_counts_as_using_the_key(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    meter = await start_service(start_meter)
    await verify(meter, live_key.secret)
    await meter.stop()
    assert len(await tables.execute('SELECT * FROM latchkey."KeyLastUse"')) == 1


@pytest.mark.parametrize(
    "endpoint",
    ["/things/{key}", "/things/x{key}", "/things/{key}x", "/things/{encoded}", "/t/{start}"],
)
@pytest.mark.parametrize("record", [True, False])
async def test_key_in_the_endpoint_is_refused_and_kept_nowhere(
    start_meter: StartMeter, live_key: Key, tables: Tables, endpoint: str, record: bool
) -> None:
    encoded = live_key.secret.replace("_", "%5F")
    endpoint = endpoint.format(key=live_key.secret, encoded=encoded, start=live_key.secret[:30])
    meter = await start_service(start_meter)
    verdict = await verify(meter, live_key.secret, endpoint=endpoint, record=record)
    assert (verdict["valid"], verdict["code"]) == (False, "key_in_url")
    rows = [(row["endpoint"], row["statusCode"]) for row in await tables.calls()]
    assert rows == ([("(other)", 400)] if record else [])
    assert await tables.execute('SELECT * FROM latchkey."EndpointName"') == []


async def test_owner_of_a_key_in_the_endpoint_is_to_be_told(
    start_meter: StartMeter, live_key: Key, trial_key: Key, tables: Tables
) -> None:
    meter = await start_service(start_meter)
    await verify(meter, live_key.secret, endpoint=f"/things/{trial_key.secret}")
    await meter.stop()
    assert await tables.execute('SELECT "keyId", times FROM latchkey."KeyLeak"') == [
        {"keyId": trial_key.id, "times": 1}
    ]


async def test_names_of_all_nodes_together_are_bounded(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    meters = [await start_service(start_meter) for _ in range(2)]
    for number in range(205):
        await verify(meters[number % 2], live_key.secret, endpoint=f"/{number}")
    names = Counter(row["endpoint"] for row in await tables.calls())
    assert names == {"(other)": 6, **{f"/{number}": 1 for number in range(199)}}


async def test_name_that_was_taken_back_makes_room_for_another(
    start_meter: StartMeter, live_key: Key, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = await start_service(start_meter)
    names = EndpointNames(meter._own._reader, most=2)
    assert [await names.name_of(name) for name in ("/a", "/b")] == ["/a", "(other)"]
    await tables.execute('DELETE FROM latchkey."EndpointName"')
    assert await names.name_of("/b") == "(other)"  # it does not ask for each
    names._asked_at -= 61
    assert await names.name_of("/b") == "/b"


@pytest.mark.parametrize("lost", [WRITING_CALLS, "name_endpoints"])
async def test_lost_answer_of_the_database_charges_once(
    start_meter: StartMeter, live_key: Key, tables: Tables, database_url: str, lost: str
) -> None:
    async with DatabaseProxy(database_url) as proxy:
        meter = await start_service(start_meter, proxy.url)
        proxy.lose_answers_to(lost, times=1)
        verdict = await verify(meter, live_key.secret, units=2)
        assert (verdict["valid"], proxy.answers_lost) == (True, 1)
        assert await tables.usage() == (1, 2, 1, 2)
        await meter.stop()


async def test_unconfirmed_call_is_503_under_the_id_of_its_row(
    start_meter: StartMeter, live_key: Key, tables: Tables, database_url: str
) -> None:
    async with DatabaseProxy(database_url) as proxy:
        meter = await start_service(start_meter, proxy.url, database_seconds=0.5)
        proxy.lose_answers_to(WRITING_CALLS, times=1000)
        question = {"key": live_key.secret, "endpoint": "/a", "method": "GET"}
        reply = await post(meter, VERIFY, question)
        assert (reply.status, reply.json()["code"]) == (503, "recording_unavailable")
        assert reply.json()["request_id"] == reply.request_id
        assert [row["id"] for row in await tables.calls()] == [reply.request_id]
        await meter.stop()


async def test_question_is_refused_while_the_database_is_silent(
    start_meter: StartMeter, live_key: Key, database_url: str
) -> None:
    async with DatabaseProxy(database_url) as proxy:
        meter = await start_service(start_meter, proxy.url, database_seconds=0.3)
        proxy.fall_silent()
        question = {"key": live_key.secret, "endpoint": "/a", "method": "GET"}
        reply = await post(meter, VERIFY, question)
        assert (reply.status, reply.json()["code"]) == (503, "recording_unavailable")
        assert reply.headers["retry-after"] == "1"


async def test_nothing_stays_reserved_and_no_place_taken(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    meter = await start_service(start_meter, places=1, plans=lambda: plans(units=3))
    for units in (2, 2, 1, 1):
        await verify(meter, live_key.secret, units=units)
    grant = meter.keys.known(bytes.fromhex(sha256_hex(live_key.secret)), time.monotonic())
    assert grant is not None
    assert (grant.in_work, grant.quota.reserved, grant.quota.total) == (0, 0, 3)
    assert sorted(row["statusCode"] for row in await tables.calls()) == [0, 0, 429, 429]


@pytest.mark.parametrize("path", [VERIFY, "/api/v1/calls"])
@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        ({"key": None}, 401, "missing_key"),
        ({"key": "x"}, 401, "invalid_key"),
        ({"key": new_key("root")}, 401, "invalid_key"),
        ({"query": f"key={ROOT}"}, 400, "key_in_url"),
        ({"headers": [*JSON, ("Authorization", f"Bearer {new_key('root')}")]}, 400,
         "conflicting_keys"),
        ({"headers": []}, 415, "unsupported_media_type"),
        ({"headers": [("Content-Type", "text/plain")]}, 415, "unsupported_media_type"),
        ({"body": [b"{"]}, 400, "malformed_json"),
        ({"body": [b'{"key": 1, "key": 2}']}, 400, "malformed_json"),
        ({"body": [b"[]"]}, 422, "invalid_request"),
        ({"headers": [*JSON, ("Content-Length", "99999999")]}, 413, "body_too_large"),
    ],
)  # fmt: skip
async def test_root_routes_refuse_what_is_no_question_of_a_service(
    start_meter: StartMeter, path: str, request_: dict[str, Any], status: int, code: str
) -> None:
    reply = await post(await start_service(start_meter), path, {}, **request_)
    assert (reply.status, reply.json()["code"]) == (status, code)
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["request_id"] == reply.request_id
    assert ("www-authenticate" in reply.headers) == (status == 401)


@pytest.mark.parametrize("path", [VERIFY, "/api/v1/calls"])
async def test_customers_key_is_no_root_key_and_a_root_key_no_customers(
    start_meter: StartMeter, live_key: Key, tables: Tables, path: str
) -> None:
    meter = await start_service(start_meter)
    reply = await post(meter, path, {}, key=live_key.secret)
    assert (reply.status, reply.json()["code"]) == (401, "invalid_key")
    for own in ("/api/v1/screen", "/api/v1/usage", "/api/v1/key"):
        method = "POST" if own == "/api/v1/screen" else "GET"
        reply = await ask(meter, method, own, key=ROOT)
        assert (reply.status, reply.json()["code"]) == (401, "invalid_key")
    assert await tables.calls() == []


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "OPTIONS"])
async def test_other_methods_are_told_the_right_one(start_meter: StartMeter, method: str) -> None:
    reply = await ask(await start_service(start_meter), method, VERIFY, key=ROOT)
    assert (reply.status, reply.headers["allow"]) == (405, "POST")
    if method != "HEAD":
        assert reply.json()["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("key", None),
        ("key", 7),
        ("endpoint", "nowhere"),
        ("endpoint", "/a?b=c"),
        ("endpoint", "/a#b"),
        ("endpoint", "/a b"),
        ("endpoint", "/ä"),
        ("endpoint", "/" + "a" * 200),
        ("method", "get"),
        ("method", "A" * 21),
        ("method", "GET\n"),
        ("ip", "localhost"),
        ("ip", 7),
        ("units", -1),
        ("units", 2**31),
        ("units", "1"),
        ("units", 1.5),
        ("units", True),
        ("record", "yes"),
        ("record", 1),
        ("unheard_of", 1),
    ],
)
async def test_wrong_field_is_named_and_never_echoed(
    start_meter: StartMeter, field: str, value: object
) -> None:
    question = {"key": "secret-input", "endpoint": "/a", "method": "GET", field: value}
    reply = await post(await start_service(start_meter), VERIFY, question)
    assert (reply.status, reply.json()["code"]) == (422, "invalid_request")
    assert [error["field"] for error in reply.json()["errors"]] == [field]
    assert b"secret-input" not in reply.body
    if isinstance(value, str) and len(value) > 5:
        assert value.encode() not in reply.body


@pytest.mark.parametrize("field", ["key", "endpoint", "method"])
async def test_missing_field_is_named(start_meter: StartMeter, field: str) -> None:
    question = {"key": "x", "endpoint": "/a", "method": "GET"}
    del question[field]
    reply = await post(await start_service(start_meter), VERIFY, question)
    assert [error["field"] for error in reply.json()["errors"]] == [field]


async def test_without_root_keys_nobody_is_a_service(start_meter: StartMeter) -> None:
    meter = await start_service(start_meter, root_keys=())
    assert (await post(meter, VERIFY, {})).status == 401


async def test_own_routes_never_reach_the_app(start_meter: StartMeter, live_key: Key) -> None:
    inner = answering()
    meter = await start_meter(inner, root_keys=DIGESTS)
    for path in (VERIFY, "/api/v1/calls", "/api/v1/usage", "/api/v1/key"):
        for method in ("GET", "POST", "DELETE"):
            for key in (None, live_key.secret, ROOT):
                await ask(meter, method, path, key=key)
    assert inner.calls == 0
