"""What a key may do is remembered, and a change holds within a second."""

import asyncio
import hashlib
import time
from typing import Any

import pytest

from app.keys.format import new_key
from app.metering import key_cache
from app.metering.clock import DatabaseClock
from app.metering.key_cache import KeyCache
from app.metering.problems import RecordingUnavailable
from tests.metering.apps import answering
from tests.metering.client import ask
from tests.metering.conftest import Key, StartMeter, Tables, plans
from tests.metering.database_proxy import DatabaseProxy

LISTENING = """
    SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN %%'
    AND state = 'idle'
"""


async def seconds_until_refused(meter: Any, key: Key) -> float:
    """How long it still works. Fails after two seconds."""
    changed_at = time.monotonic()
    async with asyncio.timeout(2):
        while (await ask(meter, key=key.secret)).status == 200:
            pass
    return time.monotonic() - changed_at


@pytest.mark.parametrize(
    "change",
    [
        """UPDATE "ApiKeyMetadata" SET status = 'revoked'""",
        """UPDATE latchkey."ApiKeyDetail" SET "expiresAt" = now() AT TIME ZONE 'UTC'""",
        """UPDATE latchkey."ApiKeyDetail" SET "allowedIps" = '{10.0.0.0/8}'""",
        """INSERT INTO latchkey."UserDetail" ("userId", "suspendedAt")
           SELECT "userId", now() FROM "ApiKeyMetadata" """,
        'DELETE FROM "ApiKeyMetadata"',
    ],
)
@pytest.mark.parametrize("with_notifications", [True, False])
async def test_change_holds_within_a_second(
    start_meter: StartMeter, live_key: Key, tables: Tables, change: str, with_notifications: bool
) -> None:
    meter = await start_meter(answering())
    assert (await ask(meter, key=live_key.secret)).status == 200
    if not with_notifications:
        await tables.execute(
            'ALTER TABLE "ApiKeyMetadata" DISABLE TRIGGER latchkey_notify; '
            'ALTER TABLE latchkey."ApiKeyDetail" DISABLE TRIGGER latchkey_notify; '
            'ALTER TABLE latchkey."UserDetail" DISABLE TRIGGER latchkey_notify'
        )
    await tables.execute(change)
    assert await seconds_until_refused(meter, live_key) < 1


async def test_grant_is_dead_when_it_could_not_be_checked(
    start_meter: StartMeter, live_key: Key, database_url: str
) -> None:
    async with DatabaseProxy(database_url) as proxy:
        meter = await start_meter(answering(), proxy.url, database_seconds=0.5)
        assert (await ask(meter, key=live_key.secret)).status == 200
        digest = hashlib.sha256(live_key.secret.encode()).digest()
        proxy.fall_silent()
        stopped_at = time.monotonic()
        while meter.keys.known(digest, time.monotonic()) is not None:  # noqa: ASYNC110  # it can only be asked
            await asyncio.sleep(0.01)
        assert time.monotonic() - stopped_at < 1
        assert (await ask(meter, key=live_key.secret)).status == 503


async def test_many_callers_of_one_key_ask_once_and_those_of_many_keys_together(
    database_url: str, live_key: Key, trial_key: Key
) -> None:
    cache = KeyCache(DatabaseClock(), plans)
    cache.open(database_url)
    queries: list[int] = []
    query = cache._query

    async def counting(digests: list[bytes], *, seconds: float) -> Any:
        queries.append(len(digests))
        return await query(digests, seconds=seconds)

    cache._query = counting  # type: ignore[method-assign]  # to count
    secrets = [live_key.secret, trial_key.secret, new_key("live")] * 10
    digests = [hashlib.sha256(secret.encode()).digest() for secret in secrets]
    grants = await asyncio.gather(*(cache.find(digest) for digest in digests))
    assert [grant.key_id if grant else None for grant in grants[:3]] == [
        live_key.id,
        trial_key.id,
        None,
    ]
    assert queries == [3]
    await cache.find(digests[0])
    assert await cache.find(digests[2]) is None
    assert queries == [3]
    await cache.close()


async def test_cache_forgets_what_was_unused_longest(database_url: str, unit_of_work: Any) -> None:
    from tests.factories import make_key, make_user

    async with unit_of_work() as session:
        user = await make_user(session)
        secrets = [(await make_key(session, user))[1] for _ in range(5)]
    cache = KeyCache(DatabaseClock(), plans, most=3)
    cache.open(database_url)
    digests = [hashlib.sha256(secret.encode()).digest() for secret in secrets]
    for digest in digests:
        grant = await cache.find(digest)
        assert grant is not None
        grant.used_at -= 10
    assert [digest in cache._grants for digest in digests] == [False, False, True, True, True]
    await cache.close()


async def test_new_key_works_at_once_though_it_was_unknown(
    start_meter: StartMeter, live_key: Key, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_cache, "_UNKNOWN_SECONDS", 60)  # so that it is not for that
    meter = await start_meter(answering())
    async with asyncio.timeout(10):
        while not await tables.execute(LISTENING):  # noqa: ASYNC110  # it can only be asked
            await asyncio.sleep(0.01)
    assert (await ask(meter, key=live_key.secret)).status == 200
    secret = new_key("live")
    assert (await ask(meter, key=secret)).status == 401
    digest = hashlib.sha256(secret.encode()).hexdigest()
    await tables.execute('UPDATE "ApiKeyMetadata" SET "keyHash" = %s', digest)
    async with asyncio.timeout(10):
        while (await ask(meter, key=secret)).status != 200:  # noqa: ASYNC110  # others must run
            await asyncio.sleep(0)  # a refusal itself waits for nothing


@pytest.mark.parametrize(
    ("ips", "status"),
    [("{}", 403), ("{127.0.0.0/8}", 200), ("{10.1.2.3}", 403), ("{::1,127.0.0.1}", 200)],
)
async def test_key_is_taken_from_its_allowed_addresses_only(
    start_meter: StartMeter, live_key: Key, tables: Tables, ips: str, status: int
) -> None:
    await tables.execute('UPDATE latchkey."ApiKeyDetail" SET "allowedIps" = %s::text[]', ips)
    headers = [("X-Forwarded-For", "10.1.2.3")]
    reply = await ask(await start_meter(answering()), key=live_key.secret, headers=headers)
    assert reply.status == status
    if status == 403:
        assert reply.json()["code"] == "ip_not_allowed"


async def test_keys_seen_before_are_looked_up_though_strangers_fill_the_queue(
    database_url: str, live_key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_cache, "_MOST_STRANGERS", 5)
    monkeypatch.setattr(key_cache, "_MOST_STRANGERS_ASKED", 2)
    cache = KeyCache(DatabaseClock(), plans)
    cache.open(database_url)
    digest = hashlib.sha256(live_key.secret.encode()).digest()
    seen = await cache.find(digest)
    assert seen is not None
    seen.checked_at = 0.0  # as if it had not been used for long
    queries: list[list[bytes]] = []
    query = cache._query

    async def noting(digests: list[bytes], *, seconds: float) -> Any:
        queries.append(digests)
        return await query(digests, seconds=seconds)

    cache._query = noting  # type: ignore[method-assign]  # to see what is asked together
    strangers = [bytes([number]) * 32 for number in range(6)]
    asked = [asyncio.create_task(cache.find(one)) for one in [*strangers, digest]]
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert found[:5] == [None] * 5
    assert isinstance(found[5], RecordingUnavailable)
    assert found[6] is seen
    assert queries[0] == [digest, *strangers[:2]]
    assert [len(one) for one in queries[1:]] == [2, 1]
    await cache.close()
