"""When a key was last used."""

from typing import Any

from app.metering.last_use import LastUse
from app.metering.pool import BoundedPool
from tests.metering.apps import answering
from tests.metering.client import ask
from tests.metering.conftest import Key, StartMeter, Tables

LAST_USES = 'SELECT * FROM latchkey."KeyLastUse" ORDER BY "keyId"'


async def test_last_use_is_written_at_the_stop_and_not_with_each_call(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    meter = await start_meter(answering())
    await ask(meter, key=live_key.secret)
    await ask(meter, key=live_key.secret)
    assert await tables.execute(LAST_USES) == []
    await meter.stop()
    [row] = await tables.execute(LAST_USES)
    calls = await tables.calls()
    assert row == {"keyId": live_key.id, "lastUsedAt": calls[-1]["createdAt"]}


async def test_refused_call_is_no_use(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    await tables.execute("""UPDATE "ApiKeyMetadata" SET status = 'revoked'""")
    meter = await start_meter(answering())
    await ask(meter, key=live_key.secret)
    await meter.stop()
    assert await tables.execute(LAST_USES) == []


async def test_late_flush_does_not_turn_the_time_back(database_url: str, tables: Tables) -> None:
    pool = BoundedPool(size=1)
    await pool.open(database_url)
    first, second = LastUse(pool), LastUse(pool)
    first.note("key", 2_000)
    await first.flush()
    second.note("key", 1_000)
    second.note("another", 1_000)
    await second.flush()
    await pool.close()
    rows: list[dict[str, Any]] = await tables.execute(LAST_USES)
    assert [(row["keyId"], row["lastUsedAt"].second) for row in rows] == [
        ("another", 1),
        ("key", 2),
    ]


async def test_use_that_could_not_be_written_is_written_later(
    database_url: str, tables: Tables
) -> None:
    pool = BoundedPool(size=1)
    last_use = LastUse(pool)
    last_use.note("key", 1_000)
    await last_use.flush()
    await pool.open(database_url)
    await last_use.flush()
    await pool.close()
    assert [row["keyId"] for row in await tables.execute(LAST_USES)] == ["key"]
