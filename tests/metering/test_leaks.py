"""Genuine keys in URLs are noted, beside the calls, and not with each of them."""

import pytest

from app.keys.format import new_key
from app.metering import chores
from app.metering.leaks import MOST_KEYS, WRITE_SECONDS, Leaks
from app.metering.wire import Line
from tests.metering.apps import answering
from tests.metering.client import ask
from tests.metering.conftest import Key, StartMeter, Tables

NOTED = 'SELECT * FROM latchkey."KeyLeak" ORDER BY "keyId"'
SECONDS = 5.0


async def test_key_in_a_url_is_noted_however_often_it_came(
    start_meter: StartMeter,
    live_key: Key,
    trial_key: Key,
    tables: Tables,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chores, "FOLD_SECONDS", 3600.0)  # nothing is written before the end
    meter = await start_meter(answering())
    for _ in range(3):
        reply = await ask(meter, query=f"key={live_key.secret}")
        assert (reply.status, reply.json()["code"]) == (400, "key_in_url")
    await ask(meter, path=f"/api/v1/{trial_key.secret}/things")
    assert await tables.execute(NOTED) == []
    await meter.stop()
    noted = {row["keyId"]: row for row in await tables.execute(NOTED)}
    assert {key: row["times"] for key, row in noted.items()} == {live_key.id: 3, trial_key.id: 1}
    first, *_, last = [call["createdAt"] for call in await tables.calls()]
    row = noted[live_key.id]
    assert first <= row["firstSeenAt"] <= last <= row["lastSeenAt"]
    assert row["toldOn"] is None


async def test_the_key_in_the_url_is_noted_and_not_the_one_in_the_header(
    start_meter: StartMeter, live_key: Key, trial_key: Key, tables: Tables
) -> None:
    meter = await start_meter(answering())
    await ask(meter, key=live_key.secret, query=f"key={trial_key.secret}")
    await meter.stop()
    assert [row["keyId"] for row in await tables.execute(NOTED)] == [trial_key.id]
    assert len(await tables.calls()) == 1


async def test_only_genuine_keys_in_urls_are_noted(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    meter = await start_meter(answering())
    unknown = new_key("live")
    mistyped = unknown[:-1] + ("0" if unknown[-1] != "0" else "1")
    for query in (unknown, mistyped, "", "key=lk_live_short"):
        await ask(meter, key=live_key.secret, query=query)
    await ask(meter, query=new_key("root"))
    await meter.stop()
    assert await tables.execute(NOTED) == []


@pytest.fixture
async def line(database_url: str) -> Line:
    opened = Line()
    opened.open(database_url)
    return opened


async def test_key_is_written_once_a_minute_at_most(line: Line, tables: Tables) -> None:
    leaks = Leaks()

    async def written_at(now: float) -> dict[str, int]:
        await leaks.write(line, now, seconds=SECONDS)
        return {row["keyId"]: row["times"] for row in await tables.execute(NOTED)}

    leaks.note("a", 1000)
    assert await written_at(5) == {"a": 1}
    leaks.note("a", 2000)
    leaks.note("a", 3000)
    leaks.note('b, "quoted"', 3000)
    assert await written_at(10) == {"a": 1, 'b, "quoted"': 1}
    assert await written_at(5 + WRITE_SECONDS - 1) == {"a": 1, 'b, "quoted"': 1}
    assert await written_at(5 + WRITE_SECONDS) == {"a": 3, 'b, "quoted"': 1}
    [row, _] = await tables.execute(NOTED)
    assert (row["firstSeenAt"].second, row["lastSeenAt"].second) == (1, 3)
    line.close()


async def test_what_could_not_be_written_is_written_later(line: Line, tables: Tables) -> None:
    leaks, closed = Leaks(), Line()
    leaks.note("a", 1000)
    await leaks.write(closed, 5, seconds=SECONDS)
    leaks.note("a", 2000)
    await leaks.write(line, 6, seconds=SECONDS)
    [row] = await tables.execute(NOTED)
    assert (row["times"], row["firstSeenAt"].second, row["lastSeenAt"].second) == (2, 1, 2)
    line.close()


async def test_earlier_time_does_not_turn_the_last_one_back(line: Line, tables: Tables) -> None:
    for at_ms in (5000, 2000):
        leaks = Leaks()  # two nodes
        leaks.note("a", at_ms)
        await leaks.write_all(line, seconds=SECONDS)
    [row] = await tables.execute(NOTED)
    assert (row["firstSeenAt"].second, row["lastSeenAt"].second, row["times"]) == (2, 5, 2)
    line.close()


def test_what_is_remembered_is_bounded() -> None:
    leaks = Leaks()
    for number in range(MOST_KEYS + 100):
        leaks.note(str(number), 0)
    assert len(leaks._seen) == MOST_KEYS
