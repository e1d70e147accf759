"""When a key was last used."""

from app.metering.chores import Chores
from app.metering.clock import DatabaseClock
from app.metering.recorder import Recorder
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


def chores() -> Chores:
    return Chores(Recorder(DatabaseClock()))


async def test_late_flush_does_not_turn_the_time_back(database_url: str, tables: Tables) -> None:
    first, second = chores(), chores()
    first.open(database_url)
    second.open(database_url)
    first.note_use("key", 2_000)
    await first.write_last_uses()
    second.note_use("key", 1_000)
    second.note_use('another key, "quoted"', 1_000)
    await second.write_last_uses()
    await first.close()
    await second.close()
    rows = await tables.execute(LAST_USES)
    assert [(row["keyId"], row["lastUsedAt"].second) for row in rows] == [
        ('another key, "quoted"', 1),
        ("key", 2),
    ]


async def test_use_that_could_not_be_written_is_written_later(
    database_url: str, tables: Tables
) -> None:
    last_use = chores()
    last_use.note_use("key", 1_000)
    await last_use.write_last_uses()
    last_use.open(database_url)
    await last_use.close()
    assert [row["keyId"] for row in await tables.execute(LAST_USES)] == ["key"]
