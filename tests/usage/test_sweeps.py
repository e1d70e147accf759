"""What counts or remarks on what is no more goes; all else stays."""

from collections.abc import Iterator

import pytest

from app.core.ids import new_call_id
from app.usage.sweeps import sweep
from tests.conftest import UnitOfWork
from tests.usage.log import MONTH, Call, Log

GONE = {
    "UsageHour": ("keyId", ["key-1", "trial-key"]),
    "UsagePeriod": ("scopeId", ["trial", "user-1"]),
    "KeyLastUse": ("keyId", ["key-1", "trial-key"]),
    "KeyLeak": ("keyId", ["key-1", "trial-key"]),
    "KeyExposure": ("keyId", ["key-1", "trial-key"]),
    "DeletedKey": ("scopeId", ["trial", "user-1"]),
    "CallNote": ("callId", []),
}


@pytest.fixture
def log(database_url: str, unit_of_work: UnitOfWork) -> Iterator[Log]:
    found = Log(database_url)
    found.begin()
    found.log_ids = found.record(
        [Call("key-1"), Call("key-1", 100), Call("key-3", 100), Call("trial-key", 100)]
    )
    found.fold()
    for key in ("key-1", "key-3", "trial-key"):
        found.execute('INSERT INTO latchkey."KeyLastUse" VALUES (%s, now())', key)
        found.execute("""INSERT INTO latchkey."KeyLeak" VALUES (%s, now(), now(), 1)""", key)
        found.execute("""INSERT INTO latchkey."KeyExposure" VALUES (%s, NULL, now(), now())""", key)
    for call_id in found.log_ids:
        found.repeat(call_id, 2)
    yield found
    found.close()


def left(log: Log) -> dict[str, list[str]]:
    return {
        table: sorted(row[0] for row in log.execute(f'SELECT "{column}" FROM latchkey."{table}"'))
        for table, (column, _) in GONE.items()
    }


async def test_what_has_its_owner_stays(log: Log) -> None:
    before = left(log)
    assert await sweep() == 0
    assert left(log) == before


@pytest.mark.parametrize("batch", [1, 2, 1000])
async def test_what_has_no_owner_goes_in_batches_of_any_size(log: Log, batch: int) -> None:
    log.execute("""UPDATE latchkey."CallNote" SET "callId" = %s || substr("callId", 9)""",
                "019a0000")  # fmt: skip  # remarks of some months ago, on calls that are gone
    log.execute("""DELETE FROM "User" WHERE id = 'user-1'""")
    before = left(log)
    deleted = await sweep(batch=batch)
    after = left(log)
    for table, (_, gone) in GONE.items():
        kept = [] if table == "CallNote" else [one for one in before[table] if one not in gone]
        assert after[table] == kept
    assert deleted == sum(len(before[table]) - len(after[table]) for table in GONE) == 18
    assert await sweep(batch=batch) == 0


async def test_note_that_may_come_before_its_call_stays_for_a_day(log: Log) -> None:
    log.repeat(new_call_id(), 5)
    log.repeat(new_call_id(round(MONTH.timestamp() * 1000) - 90_000_000), 5)
    assert await sweep() == 1


async def test_key_that_only_lost_its_calls_keeps_its_counters(log: Log) -> None:
    log.execute('DELETE FROM "ApiCall"')
    before = left(log)
    await sweep()
    after = left(log)
    assert {**after, "CallNote": []} == {**before, "CallNote": []}
