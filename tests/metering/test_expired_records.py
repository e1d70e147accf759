"""Records whose time is over are removed, in small transactions; all others stay."""

import psycopg

from app.metering.expired_records import delete_expired
from tests.metering.conftest import Tables

INSERT = """
    INSERT INTO latchkey."IdempotencyRecord" (digest, fingerprint, "callId", "isDone", "expiresAt")
    SELECT sha256((%(name)s || g)::text::bytea), '', 'a', g %% 2 = 0,
        now() AT TIME ZONE 'UTC' + %(minutes)s * interval '1 minute'
    FROM generate_series(1, %(count)s) g
"""


async def put(url: str, name: str, minutes: int, count: int) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(INSERT, {"name": name, "minutes": minutes, "count": count})


async def test_expired_records_go_and_others_stay(database_url: str, tables: Tables) -> None:
    await put(database_url, "old", -1, 25)
    await put(database_url, "new", 1, 3)
    assert await delete_expired(database_url, batch_rows=10) == 25
    [row] = await tables.execute('SELECT count(*) AS left FROM latchkey."IdempotencyRecord"')
    assert row["left"] == 3
    assert await delete_expired(database_url) == 0


async def test_record_that_is_just_being_claimed_is_not_waited_for(
    database_url: str, tables: Tables
) -> None:
    await put(database_url, "old", -1, 2)
    async with await psycopg.AsyncConnection.connect(database_url) as claiming:
        await claiming.execute('SELECT FROM latchkey."IdempotencyRecord" LIMIT 1 FOR UPDATE')
        assert await delete_expired(database_url) == 1
