"""What a customer's program may ask of its own quota and key."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from app.core.crypto import sha256_hex
from app.keys.format import key_start, new_key
from tests.metering.apps import answering
from tests.metering.client import ask
from tests.metering.conftest import Key, StartMeter, Tables, plans
from tests.metering.database_proxy import DatabaseProxy

PATHS = ["/api/v1/usage", "/api/v1/key"]
HEADERS = {"x-units", "x-quota-remaining", "ratelimit", "ratelimit-policy", "x-request-id"}


async def test_usage_says_what_is_used_and_left(start_meter: StartMeter, live_key: Key) -> None:
    meter = await start_meter(answering(), plans=lambda: plans(units=10, rate=50))
    for _ in range(3):
        await ask(meter, key=live_key.secret)
    reply = await ask(meter, "GET", "/api/v1/usage", key=live_key.secret)
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["cache-control"] == "no-store"
    month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    after = (month + timedelta(days=32)).replace(day=1)
    assert reply.json() == {
        "period_start": f"{month:%Y-%m-%dT%H:%M:%S}Z",
        "period_end": f"{after:%Y-%m-%dT%H:%M:%S}Z",
        "units_used": 3,
        "units_limit": 10,
        "units_remaining": 7,
        "requests_per_second": 50,
    }
    assert reply.headers["x-quota-remaining"] == "7"


async def test_usage_knows_at_once_what_other_nodes_recorded(
    start_meter: StartMeter, live_key: Key
) -> None:
    here, there = [await start_meter(answering()) for _ in range(2)]
    await ask(here, "GET", "/api/v1/usage", key=live_key.secret)
    for used in (1, 2):
        await ask(there, key=live_key.secret)
        reply = await ask(here, "GET", "/api/v1/usage", key=live_key.secret)
        assert reply.json()["units_used"] == used


async def test_usage_of_a_trial_is_its_workspaces(
    start_meter: StartMeter, trial_key: Key, tables: Tables
) -> None:
    meter = await start_meter(answering(), plans=lambda: plans(trial_units=2))
    for _ in range(3):
        await ask(meter, key=trial_key.secret)
    reply = await ask(meter, "GET", "/api/v1/usage", key=trial_key.secret)
    [workspace] = await tables.execute('SELECT * FROM "TrialWorkspace"')
    answer = reply.json()
    for field, column in (("period_start", "createdAt"), ("period_end", "expiresAt")):
        told = datetime.fromisoformat(answer[field])
        assert told == workspace[column].replace(tzinfo=UTC)
    assert [answer[f"units_{name}"] for name in ("used", "limit", "remaining")] == [2, 2, 0]
    assert "x-trial-ends" in reply.headers


async def test_key_is_told_of_itself(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    await tables.execute(
        'UPDATE latchkey."ApiKeyDetail" SET "expiresAt" = %s, "graceEndsAt" = %s, '
        """ "allowedIps" = '{127.0.0.0/8}'""",
        "2999-01-02",
        "2999-01-01",
    )
    await tables.execute(
        'INSERT INTO latchkey."KeyLastUse" VALUES (%s, %s)', live_key.id, "2026-01-02 03:04:05.67"
    )
    meter = await start_meter(answering())
    reply = await ask(meter, "GET", "/api/v1/key", key=live_key.secret)
    assert reply.status == 200
    answer = reply.json()
    created = datetime.fromisoformat(answer.pop("created_at"))
    assert abs(datetime.now(UTC) - created) < timedelta(seconds=60)
    assert answer == {
        "id": live_key.id,
        "start": key_start(live_key.secret),
        "label": "Test",
        "tier": "starter",
        "status": "active",
        "expires_at": "2999-01-01T00:00:00Z",
        "allowed_ips": ["127.0.0.0/8"],
        "last_used_at": "2026-01-02T03:04:05.670000Z",
        "trial_ends_at": None,
    }
    assert live_key.secret.encode() not in reply.body


async def test_trial_key_is_told_when_its_trial_ends(
    start_meter: StartMeter, trial_key: Key, tables: Tables
) -> None:
    reply = await ask(await start_meter(answering()), "GET", "/api/v1/key", key=trial_key.secret)
    [workspace] = await tables.execute('SELECT * FROM "TrialWorkspace"')
    answer = reply.json()
    ends = datetime.fromisoformat(answer["trial_ends_at"])
    assert ends == workspace["expiresAt"].replace(tzinfo=UTC)
    assert (answer["id"], answer["tier"], answer["status"]) == (
        trial_key.id,
        "enterprise",
        "active",
    )
    assert answer["last_used_at"] is answer["expires_at"] is answer["allowed_ips"] is None


async def test_key_of_another_program_is_told_without_our_details(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    await tables.execute('DELETE FROM latchkey."ApiKeyDetail"')
    reply = await ask(await start_meter(answering()), "GET", "/api/v1/key", key=live_key.secret)
    assert reply.json()["start"] == key_start(live_key.secret)


async def test_caller_sees_its_own_key_and_no_other(
    start_meter: StartMeter, live_key: Key, trial_key: Key
) -> None:
    meter = await start_meter(answering())
    for key in (live_key, trial_key):
        reply = await ask(meter, "GET", "/api/v1/key", key=key.secret)
        assert reply.json()["id"] == key.id


@pytest.mark.parametrize("path", PATHS)
async def test_asking_costs_nothing_and_is_not_recorded(
    start_meter: StartMeter, live_key: Key, tables: Tables, path: str
) -> None:
    meter = await start_meter(answering(), plans=lambda: plans(units=0), places=1)
    for _ in range(3):
        reply = await ask(meter, "GET", path, key=live_key.secret)
        assert (reply.status, reply.headers["x-units"]) == (200, "0")
        assert reply.headers.keys() >= HEADERS
    head = await ask(meter, "HEAD", path, key=live_key.secret)
    assert (head.status, head.body) == (200, b"")
    assert await tables.calls() == []
    assert await tables.usage() == (0, 0, 0, 0)


@pytest.mark.parametrize("path", PATHS)
async def test_asking_is_rate_limited(start_meter: StartMeter, live_key: Key, path: str) -> None:
    meter = await start_meter(answering(), plans=lambda: plans(rate=2))
    replies = await asyncio.gather(
        *(ask(meter, "GET", path, key=live_key.secret) for _ in range(5))
    )
    refused = [reply for reply in replies if reply.status == 429]
    assert refused
    assert (refused[0].json()["code"], refused[0].headers["retry-after"]) == ("rate_limited", "1")


@pytest.mark.parametrize("path", PATHS)
async def test_refusal_of_a_genuine_key_is_recorded_as_any_other(
    start_meter: StartMeter, live_key: Key, tables: Tables, path: str
) -> None:
    await tables.execute("""UPDATE "ApiKeyMetadata" SET status = 'revoked'""")
    reply = await ask(await start_meter(answering()), "GET", path, key=live_key.secret)
    assert (reply.status, reply.json()["code"]) == (401, "revoked_key")
    assert reply.headers.keys() >= {*HEADERS, "www-authenticate"}
    [row] = await tables.calls()
    assert (row["id"], row["endpoint"], row["statusCode"], row["units"]) == (
        reply.request_id,
        path,
        401,
        0,
    )


@pytest.mark.parametrize("path", PATHS)
async def test_without_a_genuine_key_nothing_is_told_or_recorded(
    start_meter: StartMeter, tables: Tables, path: str
) -> None:
    meter = await start_meter(answering())
    for key, code in ((None, "missing_key"), (new_key("live"), "invalid_key")):
        reply = await ask(meter, "GET", path, key=key)
        assert (reply.status, reply.json()["code"]) == (401, code)
    assert await tables.calls() == []


@pytest.mark.parametrize("path", PATHS)
async def test_key_in_the_url_is_refused_and_recorded(
    start_meter: StartMeter, live_key: Key, tables: Tables, path: str
) -> None:
    meter = await start_meter(answering())
    reply = await ask(meter, "GET", path, query=f"key={live_key.secret}")
    assert (reply.status, reply.json()["code"]) == (400, "key_in_url")
    assert [row["statusCode"] for row in await tables.calls()] == [400]


@pytest.mark.parametrize("path", PATHS)
async def test_other_methods_are_told_the_right_ones(
    start_meter: StartMeter, live_key: Key, path: str
) -> None:
    reply = await ask(await start_meter(answering()), "POST", path, key=live_key.secret)
    assert (reply.status, reply.json()["code"]) == (405, "method_not_allowed")
    assert reply.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", PATHS)
async def test_no_place_is_kept_whatever_the_database_does(
    start_meter: StartMeter, live_key: Key, database_url: str, path: str
) -> None:
    async with DatabaseProxy(database_url) as proxy:
        meter = await start_meter(answering(), proxy.url, database_seconds=0.3)
        await ask(meter, "GET", path, key=live_key.secret)
        proxy.go_away()
        reply = await ask(meter, "GET", path, key=live_key.secret)
        assert (reply.status, reply.json()["code"]) == (503, "recording_unavailable")
        proxy.come_back()
        async with asyncio.timeout(5):
            while (await ask(meter, "GET", path, key=live_key.secret)).status == 503:
                pass
        grant = meter.keys.known(bytes.fromhex(sha256_hex(live_key.secret)), time.monotonic())
        assert grant is not None
        assert grant.in_work == 0
        await meter.stop()


@pytest.mark.parametrize("path", PATHS)
async def test_database_that_was_restarted_is_asked_again(
    start_meter: StartMeter, live_key: Key, tables: Tables, path: str
) -> None:
    meter = await start_meter(answering())
    for _ in range(2):
        assert (await ask(meter, "GET", path, key=live_key.secret)).status == 200
        await tables.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
