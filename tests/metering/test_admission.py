"""Who is let in, and how the others are told."""

from typing import Any

import pytest

from app.core.crypto import sha256_hex
from app.keys.format import new_key
from tests.metering.apps import App, answering, mirror
from tests.metering.client import Reply, ask
from tests.metering.conftest import Key, StartMeter, Tables


async def refused(start_meter: StartMeter, **request: Any) -> Reply:
    """The answer to a request that must not reach the inner app."""
    inner: App = answering()
    reply = await ask(await start_meter(inner), **request)
    assert inner.calls == 0
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["content-length"] == str(len(reply.body))
    problem = reply.json()
    assert problem["request_id"] == reply.request_id
    assert problem["status"] == reply.status
    assert set(problem) == {"type", "title", "status", "detail", "code", "request_id"}
    return reply


async def test_inner_app_sees_the_caller_and_not_the_key(
    start_meter: StartMeter, live_key: Key
) -> None:
    headers = [
        ("Authorization", f"Bearer {live_key.secret}"),
        ("X-Request-Id", "the client's own"),
        ("Accept", "*/*"),
    ]
    reply = await ask(
        await start_meter(mirror()), key=live_key.secret, headers=headers, body=[b"{", b"}"]
    )
    assert reply.status == 200
    assert reply.json() == {
        "headers": [["accept", "*/*"], ["x-request-id", reply.request_id]],
        "caller": [live_key.id, live_key.tier, live_key.owner_id],
        "extensions": {},
        "body": "{}",
        "more_body": False,
    }


async def test_answer_has_only_our_request_id_and_what_it_cost_and_left(
    start_meter: StartMeter, live_key: Key
) -> None:
    reply = await ask(await start_meter(mirror()), key=live_key.secret)
    names = [name for name, _ in reply.messages[0]["headers"]]
    assert names == [
        b"content-type",
        b"cache-control",
        b"x-request-id",
        b"x-units",
        b"x-quota-remaining",
        b"ratelimit-policy",
        b"ratelimit",
    ]
    assert reply.headers["x-units"] == "1"


async def test_request_without_key_is_refused(start_meter: StartMeter, tables: Tables) -> None:
    reply = await refused(start_meter)
    assert (reply.status, reply.json()["code"]) == (401, "missing_key")
    assert reply.headers["www-authenticate"] == "Bearer"
    assert "x-units" not in reply.headers
    assert await tables.calls() == []


async def test_malformed_mistyped_and_unknown_keys_get_the_same_answer(
    start_meter: StartMeter,
) -> None:
    unknown = new_key("live")
    mistyped = unknown[:-1] + ("0" if unknown[-1] != "0" else "1")
    meter = await start_meter(answering())
    replies = [await ask(meter, key=key) for key in ("x", mistyped, unknown, new_key("root"))]
    answers = {str(reply.messages).replace(reply.request_id, "") for reply in replies}
    assert len(answers) == 1
    assert (replies[0].status, replies[0].json()["code"]) == (401, "invalid_key")
    assert replies[0].headers["www-authenticate"] == "Bearer"
    assert len({reply.request_id for reply in replies}) == 4


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ("""UPDATE "ApiKeyMetadata" SET status = 'revoked'""", 401, "revoked_key"),
        ("""UPDATE "ApiKeyMetadata" SET "revokedAt" = now()""", 401, "revoked_key"),
        ("""UPDATE "ApiKeyMetadata" SET status = 'whatever'""", 401, "revoked_key"),
        (
            """UPDATE "ApiKeyMetadata" SET status = 'pending_verification'""",
            403,
            "key_pending_verification",
        ),
    ],
)
async def test_live_key_is_refused_by_its_status(
    start_meter: StartMeter, live_key: Key, tables: Tables, change: str, status: int, code: str
) -> None:
    await tables.execute(change)
    reply = await refused(start_meter, key=live_key.secret)
    assert (reply.status, reply.json()["code"]) == (status, code)
    assert ("www-authenticate" in reply.headers) == (status == 401)
    [row] = await tables.calls()
    assert (row["id"], row["statusCode"], row["units"]) == (reply.request_id, status, 0)
    assert reply.headers["x-units"] == "0"


@pytest.mark.parametrize("column", ["expiresAt", "graceEndsAt"])
@pytest.mark.parametrize(("seconds", "status"), [(-1, 401), (60, 200)])
async def test_live_key_expires_by_the_databases_time(
    start_meter: StartMeter, live_key: Key, tables: Tables, column: str, seconds: int, status: int
) -> None:
    await tables.execute(
        f'INSERT INTO latchkey."ApiKeyDetail" ("keyId", start, "{column}") '
        "VALUES (%s, 'lk_live_abcd', now() AT TIME ZONE 'UTC' + %s * interval '1 second') "
        f'ON CONFLICT ("keyId") DO UPDATE SET "{column}" = excluded."{column}"',
        live_key.id,
        seconds,
    )
    reply = await ask(await start_meter(answering()), key=live_key.secret)
    assert reply.status == status
    if status == 401:
        assert reply.json()["code"] == "expired_key"


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ("""UPDATE "TrialApiKey" SET status = 'revoked'""", 401, "revoked_key"),
        ("""UPDATE "TrialApiKey" SET status = 'converted'""", 401, "revoked_key"),
        ("""UPDATE "TrialWorkspace" SET status = 'expired'""", 402, "trial_ended"),
        ("""UPDATE "TrialWorkspace" SET status = 'cancelled'""", 402, "trial_ended"),
        (
            """UPDATE "TrialWorkspace" SET "expiresAt" = now() AT TIME ZONE 'UTC'""",
            402,
            "trial_ended",
        ),
    ],
)
async def test_trial_key_is_refused_by_its_status_and_its_workspaces(
    start_meter: StartMeter, trial_key: Key, tables: Tables, change: str, status: int, code: str
) -> None:
    await tables.execute(change)
    reply = await refused(start_meter, key=trial_key.secret)
    assert (reply.status, reply.json()["code"]) == (status, code)
    [row] = await tables.trial_calls()
    assert (row["id"], row["statusCode"], row["units"]) == (reply.request_id, status, 0)


async def test_converted_trial_key_is_a_live_key(
    start_meter: StartMeter, live_key: Key, trial_key: Key, tables: Tables
) -> None:
    digest = sha256_hex(trial_key.secret)
    await tables.execute("""UPDATE "TrialApiKey" SET status = 'converted'""")
    await tables.execute('UPDATE "ApiKeyMetadata" SET "keyHash" = %s', digest)
    reply = await ask(await start_meter(mirror()), key=trial_key.secret)
    assert reply.json()["caller"] == [live_key.id, live_key.tier, live_key.owner_id]
    assert len(await tables.calls()) == 1
    assert await tables.trial_calls() == []


async def test_two_keys_are_refused_and_recorded_under_the_first(
    start_meter: StartMeter, live_key: Key, trial_key: Key, tables: Tables
) -> None:
    headers = [("Authorization", f"Bearer {live_key.secret}")]
    reply = await refused(start_meter, headers=headers, key=trial_key.secret)
    assert (reply.status, reply.json()["code"]) == (400, "conflicting_keys")
    assert [row["id"] for row in await tables.calls()] == [reply.request_id]


async def test_key_in_the_url_is_refused_and_recorded_for_its_owner_to_see(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    reply = await refused(start_meter, query=f"key={live_key.secret}")
    assert (reply.status, reply.json()["code"]) == (400, "key_in_url")
    assert live_key.secret.encode() not in reply.body
    [row] = await tables.calls()
    assert (row["id"], row["apiKeyId"], row["units"]) == (reply.request_id, live_key.id, 0)


async def test_unknown_key_in_the_url_is_refused_alike(
    start_meter: StartMeter, tables: Tables
) -> None:
    reply = await refused(start_meter, query=f"key={new_key('live')}")
    assert (reply.status, reply.json()["code"]) == (400, "key_in_url")
    assert await tables.calls() == []


@pytest.mark.parametrize(
    "request_",
    [
        {"headers": [("Content-Length", "1025")], "body": []},
        {"body": [b"x" * 1000, b"x" * 25]},
        {"body": [b"x" * 1025]},
    ],
)
async def test_body_over_the_limit_is_refused_and_recorded(
    start_meter: StartMeter, live_key: Key, tables: Tables, request_: dict[str, Any]
) -> None:
    reply = await refused(start_meter, key=live_key.secret, **request_)
    assert (reply.status, reply.json()["code"]) == (413, "body_too_large")
    assert [row["statusCode"] for row in await tables.calls()] == [413]


async def test_body_of_just_the_limit_is_taken(start_meter: StartMeter, live_key: Key) -> None:
    reply = await ask(
        await start_meter(mirror()), key=live_key.secret, body=[b"x" * 1000, b"y" * 24]
    )
    assert reply.json()["body"] == "x" * 1000 + "y" * 24


async def test_refusal_of_a_head_request_has_no_body(start_meter: StartMeter) -> None:
    reply = await ask(await start_meter(answering()), "HEAD")
    assert (reply.status, reply.body) == (401, b"")
    assert int(reply.headers["content-length"]) > 0


async def test_websocket_is_closed(start_meter: StartMeter) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    meter = await start_meter(answering())
    await meter({"type": "websocket"}, None, send)  # type: ignore[arg-type]  # it must not ask
    assert [message["type"] for message in sent] == ["websocket.close"]
