"""The classes and the migrated tables agree, and rows come back as they went in."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest
from sqlalchemy import Column, ForeignKeyConstraint, Table, text
from sqlalchemy.dialects import postgresql
from sqlmodel import select

from app.models import ApiCall, ApiKeyDetail, ApiKeyMetadata, Record, Session, User
from tests.conftest import UnitOfWork
from tests.factories import make_call, make_key, make_user

TABLES = sorted(Record.metadata.tables.values(), key=lambda table: table.fullname)
IN_DATABASE = """
    SELECT attname, format_type(atttypid, atttypmod), NOT attnotnull
    FROM pg_attribute
    WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
"""
REFERENCES = """
    SELECT pg_get_constraintdef(oid) FROM pg_constraint
    WHERE contype = 'f' AND conrelid = %s::regclass
"""
# The token stands in for the primary key that the document's table has not got.
WITHOUT_KEY = {"VerificationToken"}


def described(column: Column[Any]) -> tuple[str, str, bool]:
    words = column.type.compile(postgresql.dialect()).lower()
    return column.name, words, bool(column.nullable)


def qualified(table: Table) -> str:
    return f'{table.schema or "public"}."{table.name}"'


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_class_has_its_tables_columns(database_url: str, table: Table) -> None:
    with psycopg.connect(database_url) as connection:
        columns = connection.execute(IN_DATABASE, [qualified(table)]).fetchall()
    assert sorted(map(described, table.columns)) == sorted(columns)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_class_has_its_tables_foreign_keys(database_url: str, table: Table) -> None:
    with psycopg.connect(database_url) as connection:
        found = {row[0] for row in connection.execute(REFERENCES, [qualified(table)])}
    keys = [c for c in table.constraints if isinstance(c, ForeignKeyConstraint)]
    assert found == {
        f'FOREIGN KEY ("{key.column_keys[0]}") REFERENCES "{key.referred_table.name}"(id) '
        "ON UPDATE CASCADE ON DELETE CASCADE"
        for key in keys
    }


def test_every_table_of_ours_has_a_class(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        found = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition "
            "AND relnamespace IN ('public'::regnamespace, 'latchkey'::regnamespace) "
            "AND relname !~ '^(procrastinate|alembic)_'"
        ).fetchall()
    # the sandbox reads its own by itself, for it stands in for a server elsewhere; and what nodes
    # tell each other of their rates lives for seconds, without a key
    own = {"SandboxDocument", "RateReport"}
    assert {row[0] for row in found} - own == {table.name for table in TABLES}


async def test_one_flush_inserts_parents_before_children(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        user = User(email="ada@example.com")
        key = ApiKeyMetadata(user_id=user.id, key_hash="x")
        session.add(ApiCall(api_key_id=key.id, **_CALL))
        session.add(ApiKeyDetail(key_id=key.id, start="lk_live_abcd"))
        session.add(key)
        session.add(user)
    async with unit_of_work() as session:
        assert (await session.exec(select(ApiKeyMetadata.user_id))).one() == user.id


async def test_times_come_back_aware_and_in_utc(unit_of_work: UnitOfWork) -> None:
    expires = datetime(2026, 11, 23, 12, 0, 0, 123_000, tzinfo=timezone(timedelta(hours=2)))
    async with unit_of_work() as session:
        user = await make_user(session)
        session.add(Session(session_token="x", user_id=user.id, expires=expires))
    async with unit_of_work() as session:
        row = (await session.exec(select(Session))).one()
        stored = await session.scalar(text('SELECT expires::text FROM "Session"'))
    assert (row.expires, row.expires.tzinfo) == (expires, UTC)
    assert stored == "2026-11-23 10:00:00.123"


async def test_naive_time_is_refused(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        user = await make_user(session)
        naive = datetime(2026, 11, 23)  # noqa: DTZ001 # that is the point
        session.add(Session(session_token="x", user_id=user.id, expires=naive))
        with pytest.raises(Exception, match="needs a time zone"):
            await session.flush()
        await session.rollback()


async def test_creation_is_dated_in_utc_whatever_the_sessions_zone(
    unit_of_work: UnitOfWork,
) -> None:
    async with unit_of_work() as session:
        await session.exec(text("SET LOCAL timezone = 'Pacific/Auckland'"))  # type: ignore[call-overload]
        user = await make_user(session)
        now = await session.scalar(text("SELECT now()"))
    assert abs(user.created_at - now) < timedelta(milliseconds=2)
    assert user.updated_at == user.created_at


async def test_update_dates_the_row(unit_of_work: UnitOfWork) -> None:
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    async with unit_of_work() as session:
        user = await make_user(session, created_at=long_ago, updated_at=long_ago)
    async with unit_of_work() as session:
        user = (await session.exec(select(User))).one()
        user.name = "Another"
        await session.flush()
        assert (user.created_at, user.updated_at > long_ago) == (long_ago, True)


async def test_deleting_a_user_takes_everything_along(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        user = await make_user(session)
        key, _ = await make_key(session, user)
        await make_call(session, key)
    async with unit_of_work() as session:
        await session.delete(await session.get_one(User, user.id))
    async with unit_of_work() as session:
        for table in ("ApiKeyMetadata", "ApiCall"):
            assert await session.scalar(text(f'SELECT count(*) FROM "{table}"')) == 0
        assert await session.scalar(text('SELECT count(*) FROM latchkey."ApiKeyDetail"')) == 0


async def test_none_is_sql_null_and_not_json_null(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        key, _ = await make_key(session, await make_user(session))
        await make_call(session, key, request_body=None)
        found = await session.scalar(
            text('SELECT count(*) FROM "ApiCall" WHERE "requestBody" IS NULL')
        )
    assert found == 1


_CALL = {"endpoint": "/", "method": "GET", "status_code": 200, "latency_ms": 1}
