"""Months of calls are made ahead, without losing a row or holding anybody up."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from app.core import migrations
from app.core.ids import new_call_id
from app.metering import partitions
from app.metering.partitions import make_months
from tests.conftest import new_database

PARENTS = {"ApiCall": 'public."ApiCall"', "TrialApiCall": 'latchkey."TrialApiCall"'}
PARTS = """
    SELECT inhrelid::regclass::text, pg_get_expr(relpartbound, inhrelid)
    FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = %s::regclass
"""
INSERT = """
    INSERT INTO "ApiCall" (id, "apiKeyId", endpoint, method, "statusCode", "latencyMs")
    VALUES (%s, 'key', '/', 'GET', 200, 1)
"""


@pytest.fixture
def migrated(any_postgres: str) -> Iterator[str]:
    """URL of a migrated database with one key, on each server that there is."""
    with new_database(any_postgres, "template0") as url:
        migrations.upgrade(url)
        with psycopg.connect(url) as connection:
            connection.execute("""INSERT INTO "User" VALUES ('user', NULL, 'x', NULL, NULL, NULL,
                now(), now())""")
            connection.execute("""INSERT INTO "ApiKeyMetadata" (id, "userId", "keyHash")
                VALUES ('key', 'user', 'x')""")
        yield url


def parts_of(url: str, table: str = "ApiCall") -> dict[str, str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(PARTS, [PARENTS[table]]).fetchall()
    return {name.split(f'"{table}_')[1].rstrip('"'): bounds for name, bounds in rows}


def month(ahead: int) -> datetime:
    """The first moment of the month so many months from now, by this machine's clock."""
    now = datetime.now(UTC)
    year, zero_based = divmod(now.year * 12 + now.month - 1 + ahead, 12)
    return datetime(year, zero_based + 1, 1, tzinfo=UTC)


def call_id(moment: datetime) -> str:
    return new_call_id(round(moment.timestamp() * 1000))


def place_of(url: str, call: str) -> str:
    with psycopg.connect(url) as connection:
        found = connection.execute(
            'SELECT tableoid::regclass::text FROM "ApiCall" WHERE id = %s', [call]
        ).fetchone()
    assert found is not None
    return str(found[0]).split("ApiCall_")[1].rstrip('"')


@pytest.mark.parametrize("table", PARENTS)
def test_migration_makes_this_month_and_three_ahead(migrated: str, table: str) -> None:
    months = [f"{month(ahead):%Y_%m}" for ahead in range(4)]
    assert set(parts_of(migrated, table)) == {"before", *months, "after", "foreign"}


def test_ranges_cover_all_text_without_a_gap(migrated: str) -> None:
    bounds = [text.removeprefix("FOR VALUES FROM ") for text in parts_of(migrated).values()]
    ranges = sorted(tuple(text.strip("()").split(") TO (")) for text in bounds)
    starts, ends = [low for low, _ in ranges], [high for _, high in ranges]
    assert set(starts) - set(ends) == {"MINVALUE"}
    assert set(ends) - set(starts) == {"MAXVALUE"}
    assert len(set(starts)) == len(set(ends)) == len(ranges)


@pytest.mark.parametrize("ahead", range(4))
def test_call_lies_in_the_month_of_its_id(migrated: str, ahead: int) -> None:
    first = call_id(month(ahead))
    last = call_id(month(ahead + 1) - timedelta(milliseconds=1))
    with psycopg.connect(migrated) as connection:
        connection.cursor().executemany(INSERT, [[first], [last]])
    name = f"{month(ahead):%Y_%m}"
    assert (place_of(migrated, first), place_of(migrated, last)) == (name, name)


@pytest.mark.parametrize(
    ("call", "place"),
    [
        ("00000000-0000-4000-8000-000000000000", "before"),
        ("", "before"),
        ("0f", "after"),
        ("1", "foreign"),
        ("cm9z3k2p10000", "foreign"),
        ("Ünal", "foreign"),
    ],
)
def test_other_ids_lie_around_the_months(migrated: str, call: str, place: str) -> None:
    with psycopg.connect(migrated) as connection:
        connection.execute(INSERT, [call])
    assert place_of(migrated, call) == place


async def test_making_months_again_makes_none_and_takes_no_lock(migrated: str) -> None:
    with psycopg.connect(migrated) as busy:
        busy.execute('LOCK TABLE "ApiCall"')
        assert await make_months(migrated) == 0


async def test_missing_months_are_made_on_both_logs(migrated: str) -> None:
    assert await make_months(migrated, ahead=5) == 4
    for table in PARENTS:
        assert {f"{month(4):%Y_%m}", f"{month(5):%Y_%m}"} < set(parts_of(migrated, table))
    test_ranges_cover_all_text_without_a_gap(migrated)


async def test_rows_after_the_last_month_move_into_their_new_month(migrated: str) -> None:
    early, late, far = call_id(month(4)), call_id(month(5)), "0fffffff"
    with psycopg.connect(migrated) as connection:
        connection.cursor().executemany(INSERT, [[early], [late], [far]])
    assert place_of(migrated, early) == "after"
    await make_months(migrated, ahead=4)
    assert place_of(migrated, early) == f"{month(4):%Y_%m}"
    assert (place_of(migrated, late), place_of(migrated, far)) == ("after", "after")


@pytest.mark.parametrize("ahead", [0, 2])
async def test_month_that_was_detached_is_attached_again_with_its_calls(
    migrated: str, ahead: int
) -> None:
    call, name = call_id(month(ahead)), f"{month(ahead):%Y_%m}"
    with psycopg.connect(migrated) as connection:
        connection.execute(INSERT, [call])
        part = f'latchkey."ApiCall_{name}"'
        connection.execute(f'ALTER TABLE "ApiCall" DETACH PARTITION {part}'.encode())
    assert await make_months(migrated) == 1
    assert place_of(migrated, call) == name
    test_ranges_cover_all_text_without_a_gap(migrated)


async def test_log_without_any_month_gets_them_from_the_present_one_on(migrated: str) -> None:
    with psycopg.connect(migrated) as connection:
        for name in parts_of(migrated):
            if name[0] == "2":
                connection.execute(f'DROP TABLE latchkey."ApiCall_{name}"'.encode())
        connection.execute('DROP TABLE latchkey."ApiCall_after"')
    assert await make_months(migrated) == 4
    test_ranges_cover_all_text_without_a_gap(migrated)
    test_call_lies_in_the_month_of_its_id(migrated, 3)


async def test_lost_range_after_the_months_is_made_again(migrated: str) -> None:
    with psycopg.connect(migrated) as connection:
        connection.execute('DROP TABLE latchkey."ApiCall_after"')
    assert await make_months(migrated) == 0
    test_ranges_cover_all_text_without_a_gap(migrated)
    assert await make_months(migrated, ahead=4) == 2


async def test_keys_and_indexes_stay_the_same_however_often_months_are_made(
    migrated: str,
) -> None:
    for ahead in (4, 5, 6):
        await make_months(migrated, ahead=ahead)
    with psycopg.connect(migrated) as connection:
        counts = connection.execute(
            "SELECT relname, (SELECT count(*) FROM pg_index WHERE indrelid = class.oid), "
            "(SELECT count(*) FROM pg_constraint WHERE conrelid = class.oid AND contype = 'f') "
            "FROM pg_class AS class WHERE relname LIKE 'ApiCall\\_%' AND relkind = 'r'"
        ).fetchall()
        connection.execute(INSERT, ["0fffffff"])
        connection.execute('DELETE FROM "User"')
        left = connection.execute('SELECT count(*) FROM "ApiCall"').fetchone()
    assert {tuple(counts_of[1:]) for counts_of in counts} == {(3, 1)}
    assert len(counts) == 10
    assert left == (0,)


async def test_busy_log_is_asked_again_until_it_is_free(
    migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    with psycopg.connect(migrated) as busy:
        busy.execute(INSERT, ["1"])

        async def release(seconds: float) -> None:
            waits.append(seconds)
            busy.commit()

        monkeypatch.setattr(partitions, "pause", release)
        assert await make_months(migrated, ahead=4) == 2
    assert len(waits) == 1


async def test_log_that_stays_busy_is_given_up_and_unchanged(
    migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "_ATTEMPTS", 1)
    before = parts_of(migrated)
    with psycopg.connect(migrated) as busy:
        busy.execute(INSERT, ["1"])
        with pytest.raises(psycopg.errors.LockNotAvailable):
            await make_months(migrated, ahead=4)
    assert parts_of(migrated) == before


async def test_nodes_that_start_together_make_each_month_once(migrated: str) -> None:
    made = await asyncio.gather(*(make_months(migrated, ahead=6) for _ in range(4)))
    assert sum(made) == 6
    test_ranges_cover_all_text_without_a_gap(migrated)


async def test_calls_recorded_meanwhile_are_all_kept(migrated: str) -> None:
    ids = [call_id(month(ahead % 7)) for ahead in range(200)]

    async def record() -> None:
        async with await psycopg.AsyncConnection.connect(migrated, autocommit=True) as connection:
            for call in ids:
                await connection.execute(INSERT, [call])

    await asyncio.gather(record(), make_months(migrated, ahead=6))
    with psycopg.connect(migrated) as connection:
        rows = connection.execute('SELECT id FROM "ApiCall"').fetchall()
    assert sorted(row[0] for row in rows) == sorted(ids)
